"""Items changed at random while they are trained on, on the device; the same for every activation."""
