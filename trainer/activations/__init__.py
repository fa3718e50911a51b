"""Activations: one file per family, with formula, paper and gradients."""
