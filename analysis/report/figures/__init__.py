"""One file a kind of figure; each draws what it is given."""
