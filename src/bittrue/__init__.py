"""bittrue: how many bits a trained network needs, and exactly what its fixed-point hardware computes."""

__version__ = "0.1.0"
