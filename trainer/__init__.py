"""Everything that runs on a node: activations, models, data, splits, one fold, packs, journal, checkpoint."""
