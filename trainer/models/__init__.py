"""Networks, and how an activation gets into them."""
