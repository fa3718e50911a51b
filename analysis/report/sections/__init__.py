"""The report's sections, one a room; each is a function from the findings to a section's blocks."""
