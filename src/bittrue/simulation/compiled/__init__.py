"""Fused groups on the compiled library: codes to codes in one pass, with the bits of the torch kernels."""
