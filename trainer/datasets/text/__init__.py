"""Readers of texts, as numbers that stand for words."""
