"""PyTorch modules, exported programs and `.pt2` files."""
