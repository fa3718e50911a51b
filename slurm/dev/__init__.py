"""A private Slurm on one machine, to try everything without a cluster."""
