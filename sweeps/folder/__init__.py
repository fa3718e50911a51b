"""A study folder: its layout, the ledger and its replay, journals, lock, provenance, surroundings, place."""
