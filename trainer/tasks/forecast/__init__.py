"""What comes next in a time series."""
