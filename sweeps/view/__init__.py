"""How a study looks before, while and after it runs: prices, progress, status, the machine."""
