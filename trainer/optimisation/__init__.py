"""How weights move: the optimiser, the learning rate over time, what gradients are cut to."""
