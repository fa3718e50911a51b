"""Submission of any callable to a cluster through submitit, and how each job stands."""
