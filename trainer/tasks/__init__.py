"""What a fold solves: the task's outputs, loss, metrics and references. Metrics and descriptions load without torch."""
