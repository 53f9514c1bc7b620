"""Preprocessing: float32 steps in the order of rule B11, and the options as users write them."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from bittrue.data import Preprocessing
from bittrue.data.preprocess import parse_resize, parse_scale, parse_values, preprocessing
from bittrue.data.resize import resize_bilinear
from bittrue.errors import DataError

ALL_BYTES = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)


def test_scale_divides_and_does_not_multiply_by_a_reciprocal() -> None:
    got = Preprocessing(scale=Fraction(1, 255)).apply(ALL_BYTES)
    assert_array_equal(got.ravel(), [np.float32(i) / np.float32(255) for i in range(256)])
    with_reciprocal = ALL_BYTES.astype(np.float32) * np.float32(1 / 255)
    assert (got != with_reciprocal).any(), "the canary: the two ways differ on bytes"


def test_general_scale_multiplies_then_divides() -> None:
    got = Preprocessing(scale=Fraction(3, 7)).apply(ALL_BYTES)
    assert_array_equal(got.ravel(), [np.float32(i) * np.float32(3) / np.float32(7) for i in range(256)])


def test_order_is_scale_then_resize_then_mean_then_std() -> None:
    steps = Preprocessing(scale=Fraction(1, 255), resize=(7, 9), mean=(0.5,), std=(0.1,))
    scaled = ALL_BYTES.astype(np.float32) / np.float32(255)
    expected = (resize_bilinear(scaled, 7, 9) - np.float32(0.5)) / np.float32(0.1)
    assert_array_equal(steps.apply(ALL_BYTES), expected)


def test_mean_and_std_per_channel() -> None:
    raw = np.random.RandomState(0).randint(0, 256, (2, 3, 3, 2)).astype(np.uint8)
    got = Preprocessing(mean=(1.5, 2.5), std=(0.3, 0.7)).apply(raw)
    for channel, (mean, std) in enumerate([(1.5, 0.3), (2.5, 0.7)]):
        expected = (raw[..., channel].astype(np.float32) - np.float32(mean)) / np.float32(std)
        assert_array_equal(got[..., channel], expected)


def test_apply_leaves_its_argument_alone_and_returns_contiguous_float32() -> None:
    raw = np.ones((2, 3, 4, 4), np.float32).transpose(0, 2, 3, 1)
    got = Preprocessing(scale=Fraction(1, 2), mean=(1.0,)).apply(raw)
    assert (raw == 1).all()
    assert got.dtype == np.float32
    assert got.flags.c_contiguous
    assert got.flags.writeable


def test_descriptions_differ_wherever_options_do() -> None:
    options = [
        Preprocessing(),
        Preprocessing("nchw"),
        Preprocessing(scale=Fraction(1, 255)),
        Preprocessing(scale=Fraction(255)),
        Preprocessing(resize=(2, 3)),
        Preprocessing(resize=(3, 2)),
        Preprocessing(mean=(0.1,)),
        Preprocessing(mean=(0.1, 0.1)),
        Preprocessing(mean=(0.10000000000000002,)),
        Preprocessing(std=(0.1,)),
    ]
    assert len({option.describe() for option in options}) == len(options)
    assert Preprocessing(scale=Fraction(2, 255), resize=(4, 5), mean=(0.5,), std=(2.0,)).describe() == (
        "nhwc in, float32, × 2, ÷ 255, bilinear to 4x5, − mean 0.5, ÷ std 2.0"
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1/255", Fraction(1, 255)),
        (" 2 ", Fraction(2)),
        ("0.5", Fraction(1, 2)),
        ("1/127.5", Fraction(2, 255)),
        ("16/16", Fraction(1)),
    ],
)
def test_parse_scale(text: str, value: Fraction) -> None:
    assert parse_scale(text) == value


def test_parse_resize_and_values() -> None:
    assert parse_resize("227x224") == (227, 224)
    assert parse_values("0.1,-2,3e-1") == (0.1, -2.0, 0.3)
    assert parse_values("0.5") == (0.5,)


@pytest.mark.parametrize(
    ("parse", "text", "part"),
    [
        (parse_scale, "0", "positive fraction"),
        (parse_scale, "0/5", "positive fraction"),
        (parse_scale, "1/0", "divides by zero"),
        (parse_scale, "-1/255", "like 1/255"),
        (parse_scale, "1e999999999", "like 1/255"),
        (parse_scale, "nan", "like 1/255"),
        (parse_scale, "1/2/3", "like 1/255"),
        (parse_scale, "0.00392156862", r"2\^24"),
        (parse_resize, "227", "like 227x227"),
        (parse_resize, "227x", "like 227x227"),
        (parse_resize, "-1x5", "like 227x227"),
        (parse_resize, "0x5", "at least 1"),
        (parse_values, "", "like 0.1,0.2"),
        (parse_values, "1,,2", "like 0.1,0.2"),
        (parse_values, "1,inf", "like 0.1,0.2"),
        (parse_values, "nan", "like 0.1,0.2"),
    ],
)
def test_wrong_text_is_one_sentence(parse: Callable[[str], object], text: str, part: str) -> None:
    with pytest.raises(DataError, match=part) as caught:
        parse(text)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"layout": "chwn"}, "nhwc or nchw"),
        ({"scale": Fraction(0)}, "positive fraction"),
        ({"scale": Fraction(1, 2**25)}, r"2\^24"),
        ({"resize": (0, 3)}, "at least 1"),
        ({"mean": ()}, "mean is empty"),
        ({"mean": (float("nan"),)}, "no finite float32"),
        ({"std": (0.0,)}, "above zero"),
        ({"std": (-1.0,)}, "above zero"),
        ({"std": (1e-60,)}, "above zero"),
    ],
)
def test_senseless_options(options: dict[str, object], part: str) -> None:
    with pytest.raises(DataError, match=part):
        Preprocessing(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "shape", "expected"),
    [
        ({}, (8, 8, 1), (8, 8, 1)),
        ({"resize": (4, 5)}, (8, 8, 3), (4, 5, 3)),
        ({"resize": (4, 5)}, (8, 8), (4, 5, 1)),
        ({"mean": (1.0, 2.0)}, (2,), (2,)),
    ],
)
def test_output_shape(options: dict[str, object], shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    steps = Preprocessing(**options)  # type: ignore[arg-type]
    assert steps.output_shape(shape, "x.npz") == expected
    assert steps.apply(np.ones((2, *shape))).shape == (2, *expected)


def test_output_shape_errors() -> None:
    with pytest.raises(DataError, match=r"x\.npz has 3 channels"):
        Preprocessing(mean=(1.0, 2.0)).output_shape((4, 4, 3), "x.npz")
    with pytest.raises(DataError, match="only images"):
        Preprocessing(resize=(4, 4)).output_shape((64,), "x.npz")


@pytest.mark.parametrize(
    ("written", "fraction"),
    [
        (1 / 255, Fraction(1, 255)),
        (1 / 127.5, Fraction(2, 255)),
        (1 / 65535, Fraction(1, 65535)),
        (1 / 3, Fraction(1, 3)),
        (0.1, Fraction(1, 10)),
        (0.00784, Fraction(49, 6250)),
        (0.5, Fraction(1, 2)),
        (2.0, Fraction(2)),
        (np.float32(0.25), Fraction(1, 4)),
        (np.int64(3), Fraction(3)),
        (255, Fraction(255)),
        ("1/255", Fraction(1, 255)),
        (Fraction(3, 7), Fraction(3, 7)),
        (2**-24, Fraction(1, 2**24)),
    ],
)
def test_a_float_is_the_fraction_that_was_meant(written: float | str | Fraction, fraction: Fraction) -> None:
    """1/255 written in Python divides by 255, as on the command line: see the canary above."""
    assert steps(scale=written).scale == fraction


def steps(**options: Any) -> Preprocessing:
    return preprocessing(**({"layout": None, "scale": None, "resize": None, "mean": None, "std": None} | options))


@pytest.mark.parametrize("numerator", [1, 2, 3, 254, 16777215, 2**24])
def test_every_short_fraction_is_found_from_its_float(numerator: int) -> None:
    for denominator in [*range(1, 3000), *range(2**24 - 300, 2**24 + 1)]:
        meant = Fraction(numerator, denominator)
        assert steps(scale=numerator / denominator).scale == meant


@pytest.mark.parametrize(
    ("scale", "part"),
    [
        (float(np.float32(1 / 255)), "no short fraction"),
        (0.003921568, "no short fraction: write it as '1/255'"),
        (np.pi, "no short fraction"),
        (1e10, "no short fraction"),
        (-1 / 255, "positive fraction"),
        (0.0, "positive fraction"),
        (float("nan"), "not a positive number"),
        (float("inf"), "not a positive number"),
        (np.float32(1 / 255), "no short fraction"),
        ([1], "not a positive number"),
        (2**25, "2\\^24"),
    ],
)
def test_scales_that_are_refused(scale: Any, part: str) -> None:
    with pytest.raises(DataError, match=part):
        steps(scale=scale)


def test_sizes_and_values_as_python_has_them() -> None:
    for size in ("32x16", (32, 16), [32, 16], np.array([32, 16])):
        assert steps(resize=size).resize == (32, 16)
    for values in ("0.5,0.25", (0.5, 0.25), [0.5, 0.25], np.array([0.5, 0.25], np.float32)):
        assert steps(mean=values, std=values).mean == steps(mean=values, std=values).std == (0.5, 0.25)
    assert steps(mean=0.5, std=2).mean == (0.5,)
    for size in (32, (32,), (32, 16, 3), (32.0, 16), "32"):
        with pytest.raises(DataError, match="height and a width|of the form HxW"):
            steps(resize=size)
    with pytest.raises(DataError, match="are not numbers"):
        steps(mean=("a",))
