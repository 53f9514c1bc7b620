"""For all tests: Keras under its torch backend, whichever the machine's configuration names; pages without charts."""

import os

import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")

# Keras's torch backend turns tensors into arrays in a way that NumPy 2 warns of; it is nothing that bittrue does.
KERAS_AND_NUMPY = "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning:keras"

# Some models Keras's torch backend can't run, or only in another precision; what is said then has tests of its own.
NOT_COMPARED = "ignore:the Keras model \\w+ was not compared with what Keras computes:UserWarning"


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page without its charts, whose making takes seconds and is tested elsewhere."""
    monkeypatch.setattr("bittrue.analysis.charts.specifications.to_svg", lambda specification: "<svg></svg>")
    monkeypatch.setattr("bittrue.analysis.charts.specifications.to_png", lambda specification: b"")
    monkeypatch.setattr("bittrue.analysis.charts.specifications.javascript_bundle", lambda: "")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.filterwarnings(KERAS_AND_NUMPY))
        item.add_marker(pytest.mark.filterwarnings(NOT_COMPARED))
