"""What may be claimed of scores: tests, posteriors, ranks, effect sizes, power, checks of the data."""
