"""What the Slurm job that the driver runs in holds, used as a cluster: one step a node, without sbatch."""
