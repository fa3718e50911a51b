"""Telling pictures with a defect from normal ones, having seen normal ones alone."""
