"""The one place where the version stands: the wheel, `bittrue.__version__` and `bittrue --version` read it here."""

__version__ = "0.1.0"
