"""The one process that asks, submits, observes and tells, and what it decides by."""
