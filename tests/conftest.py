"""Keras under its torch backend, whichever the machine's configuration names."""

import os

import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")

# Keras's torch backend turns tensors into arrays in a way that NumPy 2 warns of; it is nothing that bittrue does.
KERAS_AND_NUMPY = "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning:keras"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.filterwarnings(KERAS_AND_NUMPY))
