"""Programs on top of runs: the explorer and its demonstration."""
