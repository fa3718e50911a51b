"""``python -m sweeps.cli``: the command line without its script."""

from actsweep_start import main

main()
