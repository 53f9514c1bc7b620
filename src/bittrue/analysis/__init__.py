"""What is measured on a network and its data: ranges, simulations, sweeps, and the check against the definition."""
