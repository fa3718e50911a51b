"""Runs as values: names in MLflow, what was declared, the frames, and the readers that fill them."""
