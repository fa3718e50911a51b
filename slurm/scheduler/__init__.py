"""A real Slurm: submission by sbatch, states by squeue and sacct, arrays, refusals."""
