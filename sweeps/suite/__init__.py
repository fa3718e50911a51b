"""Suites: several studies that ask one question, as one file, one driver and one report."""
