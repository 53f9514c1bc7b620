"""Which of several named arrays or columns are the examples and the labels, and of which split."""

from collections.abc import Sequence
from typing import NamedTuple

from bittrue.data.source import split_error
from bittrue.errors import DataError

PAIRS = (
    ("x", "y"),
    ("X", "y"),
    ("X", "Y"),
    ("images", "labels"),
    ("image", "label"),
    ("img", "label"),
    ("data", "labels"),
    ("data", "label"),
    ("data", "target"),
    ("features", "labels"),
    ("features", "label"),
    ("pixel_values", "labels"),
    ("pixel_values", "label"),
    ("arr_0", "arr_1"),  # numpy.savez without names
)
"""The names of examples and of their labels; the first pair whose examples are there is taken."""

SPLITS = ("test", "train", "val", "validation", "valid")
_FORMS = ("{name}_{split}", "{split}_{name}")  # Keras: x_test; MedMNIST: test_images
_SHOWN = 80  # characters of the names that are there


class Pair(NamedTuple):
    """The names of the examples and of the labels, if there are any."""

    x: str
    y: str | None


def find_pairs(names: Sequence[str]) -> dict[str, Pair]:
    """Each split that `names` hold, and its pair; names without a split are the `test` split."""
    plain = _pair(names, "{name}", "")
    found = {} if plain is None else {"test": plain}
    for split in SPLITS:
        for form in _FORMS:
            pair = _pair(names, form, split)
            if pair is not None:
                found.setdefault(split, pair)
    return found


def choose_pair(names: Sequence[str], split: str, where: str, remedy: str) -> tuple[Pair, tuple[str, ...]]:
    """The pair of `split`, and the splits that there are. Raises DataError."""
    found = find_pairs(names)
    if not found:
        listed = ", ".join(names) or "nothing"
        if len(listed) > _SHOWN:
            listed = listed[:_SHOWN] + "…"
        raise DataError(f"{where} holds no examples under a known name, but {listed}: {remedy}.")
    if split not in found:
        raise split_error(where, split, tuple(found))
    return found[split], tuple(found)


def _pair(names: Sequence[str], form: str, split: str) -> Pair | None:
    for x, y in PAIRS:
        name, label = form.format(name=x, split=split), form.format(name=y, split=split)
        if name in names:
            others = [form.format(name=other, split=split) for first, other in PAIRS if first == x]
            return Pair(name, next((other for other in [label, *others] if other in names), None))
    return None
