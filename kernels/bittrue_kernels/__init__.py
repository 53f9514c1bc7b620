"""bittrue's compiled kernels: where the library is."""

from pathlib import Path


def library() -> Path:
    """The shared library beside this file."""
    return Path(__file__).with_name("libbittrue_kernels.so")
