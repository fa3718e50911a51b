"""Exit codes of the command line; ``actsweep --help`` says what each means."""

FAILED = 1
WRONG = 2
INCOMPLETE = 3
BUSY = 4
INTERRUPTED = 130
