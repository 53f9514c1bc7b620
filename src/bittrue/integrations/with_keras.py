"""Keras, for what can't do without it; it is an extra, as model files are read without it."""

try:
    import keras
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "layers and weights of Keras models need Keras, which is not installed: run `pip install 'bittrue[keras]'`",
        name=error.name,
    ) from None

__all__ = ["keras"]
