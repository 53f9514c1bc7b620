"""Fixed point inside the frameworks in which networks are trained: `bittrue.keras` and `bittrue.torch`."""
