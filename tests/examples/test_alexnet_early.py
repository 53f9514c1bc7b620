"""The AlexNet study decided early, from its kept results: the same answers as all 10,000 images, from few of them."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

PATH = Path(__file__).parents[2] / "examples/alexnet_cifar10/early.py"


@pytest.fixture(name="early", scope="module")
def _early() -> ModuleType:
    specification = importlib.util.spec_from_file_location("alexnet_early", PATH)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["alexnet_early"] = module
    specification.loader.exec_module(module)
    return module


def test_an_eighth_of_the_images_gives_the_same_answers(early: ModuleType) -> None:
    found = early.needed(0.5, 8)
    assert len(found.images) == 12
    assert found.wrong == 0
    assert found.shares.mean() < 1 / 8
    assert found.images["raw, F=3"] == (64, 64)
    assert found.images["affine, F=8"][0] > 1000


def test_the_canary_of_its_answers(early: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every row is decided by its first images for better, all twelve rows of an order are wrong."""
    monkeypatch.setattr(early, "is_decided", lambda losses, images, most, error: True)
    monkeypatch.setattr(early, "shows_more", lambda losses, images, most, error: False)
    found = early.needed(0.5, 1)
    assert found.wrong == 12
    assert found.images["affine, F=8"] == (64, 64)
