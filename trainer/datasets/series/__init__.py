"""Windows of time series, and what comes after each."""
