"""Ray Tune's searchers and schedulers, one of each per activation."""
