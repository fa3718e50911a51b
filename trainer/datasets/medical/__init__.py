"""Readers of small medical images."""
