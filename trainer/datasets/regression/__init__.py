"""Data sets whose target is a quantity: tables with published splits, curves and maps on structured meshes."""
