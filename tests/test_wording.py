"""How numbers are written for readers."""

import pytest

from bittrue.analysis.statistics.fixed_sample import mcnemar_exact
from bittrue.errors import BittrueError, ModelError
from bittrue.wording import QUOTED, counted, excerpt, percent, probability, shortened, typographic


def test_counted() -> None:
    assert [counted(number, "image") for number in (0, 1, 10_000)] == ["0 images", "1 image", "10,000 images"]


def test_percent() -> None:
    assert [percent(share) for share in (0.0, 0.81634, 1.0)] == ["0.00 %", "81.63 %", "100.00 %"]


def test_no_probability_is_written_as_zero() -> None:
    written = [probability(value) for value in (1.0, 0.5488, 0.00412, 2e-300, 1e-301, 0.0)]
    assert written == ["1", "0.55", "0.0041", "2e-300", "< 1e-300", "< 1e-300"]
    assert probability(mcnemar_exact(7311, 148)) == "< 1e-300"


def test_typographic() -> None:
    assert typographic("-5.1") == "−5.1"


def test_what_is_quoted_is_at_most_a_line() -> None:
    assert shortened("x" * 81) == f"{'x' * 39}…{'x' * 39}"
    assert len(shortened(f"'{'a b ' * 1000}': write it like 5")) == QUOTED - 1 + 2 + len(": write it like 5")
    whole = ["x" * 80, f"'{'a b ' * 20}'", f"{'/folder' * 40}/model.keras: the layer's name isn't there, " * 3]
    assert [shortened(text) for text in whole] == whole


def test_an_error_says_no_more_than_a_line_holds() -> None:
    """Raised in Python as well as printed by a command."""
    assert len(str(ModelError(f"The layer {'x' * 5000!r} is none."))) < 2 * QUOTED
    assert str(ModelError("two\n  lines\x1b[1m")) == r"two lines\x1b[1m"
    with pytest.raises(BittrueError, match=r"^--data-format 'y+…y+' is"):
        raise BittrueError(f"--data-format '{'y' * 300}' is no format.")


def test_a_name_that_is_refused_is_repeated_in_part() -> None:
    assert excerpt("conv1\x1b") == "conv1\\x1b"
    assert len(excerpt("a b " * 1000)) == QUOTED - 1
    assert excerpt([1] * 1000).startswith("[1, 1, ")


def test_a_page_of_somebody_elses_words_is_cut() -> None:
    text = f"layer {'a b ' * 1000}: use another name"
    assert len(shortened(text)) < 1300
    assert shortened(text).endswith(": use another name")
