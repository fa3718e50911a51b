"""Readers of sequences: gestures and signs, as key points step by step."""
