"""Readers: one file per data set family. Each gives arrays that are ready for the device."""
