"""Telling what belongs to one class from what does not, having seen that class alone."""
