"""Quantities as targets: the task, what trivial predictors score, and the diffusion metric on structured meshes."""
