"""Naming the class of an item."""
