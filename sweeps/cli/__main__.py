"""``python -m sweeps.cli``: the command line without its script."""

from sweeps.cli.main import main

main()
