"""Trained arrays as files store them, whichever door they come through."""
