"""Frozen backbones, and what they see in a data set's images: computed once and kept."""
