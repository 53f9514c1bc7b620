"""What happens to raw values before the network sees them (rule B11), and how its options are written."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational, Real
from operator import index

import numpy as np
from numpy.typing import NDArray

from bittrue.data.resize import resize_bilinear
from bittrue.errors import DataError

LAYOUTS = ("nhwc", "nchw")
Scale = str | Fraction | float | None
Size = str | Sequence[int] | None
Values = str | float | Sequence[float] | None
_DECIMAL = r"\d{1,12}(?:\.\d{1,12})?"
_FLOAT32_INTEGERS = 2**24  # every integer up to here is a float32


@dataclass(frozen=True)
class Preprocessing:
    """From raw values to the float32 values that reach the input site, in the order of the fields.

    - `layout`: how the file holds images, `nhwc` or `nchw`; they leave with channels last;
    - `scale`: a positive fraction p/q: times p, then divided by q, each step rounded to float32 (a factor of 1 is left
      out, so 1/255 is one division);
    - `resize`: (height, width), bilinear as `tf.image.resize` does it;
    - `mean`, `std`: (x − mean) / std in float32, one value or one per channel.

    Raw integers and float64 become float32 first, rounded to nearest even. Raises DataError for values that make no
    sense.
    """

    layout: str = "nhwc"
    scale: Fraction = Fraction(1)
    resize: tuple[int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise DataError(f"The layout {self.layout!r} doesn't exist: write nhwc or nchw.")
        if self.scale <= 0:
            raise DataError(f"The scale {self.scale} would lose every image: write a positive fraction such as 1/255.")
        if max(self.scale.numerator, self.scale.denominator) > _FLOAT32_INTEGERS:
            raise DataError(
                f"The scale {self.scale} has a numerator or denominator above 2^24, which float32 can't hold: "
                "write a short fraction such as 1/255."
            )
        if self.resize is not None and min(self.resize) < 1:
            raise DataError(
                f"Images can't be resized to {self.resize[0]}x{self.resize[1]}: write HxW, both at least 1."
            )
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and not values:
                raise DataError(f"The {name} is empty: write one value, or one per channel.")
            if values is not None and not all(math.isfinite(np.float32(value)) for value in values):
                raise DataError(f"The {name} {_listed(values)} holds a value that is no finite float32 number.")
        if self.std is not None and not all(np.float32(value) > 0 for value in self.std):
            raise DataError(f"The std {_listed(self.std)} is divided by, so each value must be above zero in float32.")

    def output_shape(self, shape: tuple[int, ...], where: str) -> tuple[int, ...]:
        """The shape of an example afterwards, from its raw `shape` (channels last); errors name `where`."""
        if self.resize is not None:
            if len(shape) not in (2, 3):
                raise DataError(
                    f"{where} holds examples of shape {shape}, and only images (height, width, channels) resize."
                )
            shape = (*self.resize, shape[2] if len(shape) == 3 else 1)
        channels = 1 if len(shape) in (0, 2) else shape[-1]
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and len(values) not in (1, channels):
                raise DataError(
                    f"The {name} has {len(values)} values but {where} has {channels} channels: "
                    "write one value, or one per channel."
                )
        return shape

    def apply(self, raw: NDArray[np.generic]) -> NDArray[np.float32]:
        """Raw examples (N, …), channels last, to new, contiguous float32; a value beyond float32 becomes infinite."""
        with np.errstate(over="ignore", invalid="ignore"):  # the door looks for infinities and NaN and names the image
            x: NDArray[np.float32] = np.array(raw, dtype=np.float32, order="C")
            if self.scale.numerator != 1:
                x *= np.float32(self.scale.numerator)
            if self.scale.denominator != 1:
                x /= np.float32(self.scale.denominator)
            if self.resize is not None:
                x = resize_bilinear(x if x.ndim == 4 else x[..., None], *self.resize)
            if self.mean is not None:
                x -= np.array(self.mean, np.float32)
            if self.std is not None:
                x /= np.array(self.std, np.float32)
        return x

    def describe(self) -> str:
        """The steps as text; two that differ in any value differ in their text."""
        steps = [f"{self.layout} in", "float32"]
        if self.scale.numerator != 1:
            steps.append(f"× {self.scale.numerator}")
        if self.scale.denominator != 1:
            steps.append(f"÷ {self.scale.denominator}")
        if self.resize is not None:
            steps.append(f"bilinear to {self.resize[0]}x{self.resize[1]}")
        if self.mean is not None:
            steps.append(f"− mean {_listed(self.mean)}")
        if self.std is not None:
            steps.append(f"÷ std {_listed(self.std)}")
        return ", ".join(steps)


def parse_scale(text: str) -> Fraction:
    """A scale as a user writes it: `1/255`, `1/127.5`, `0.5`, `2`. Raises DataError."""
    if not re.fullmatch(f"{_DECIMAL}(?:/{_DECIMAL})?", text.strip()):
        raise DataError(f"The scale {text!r} is not a positive number or fraction: write it like 1/255.")
    numerator, _, denominator = text.strip().partition("/")
    divisor = Fraction(denominator or 1)
    if divisor == 0:
        raise DataError(f"The scale {text!r} divides by zero: write it like 1/255.")
    return Preprocessing(scale=Fraction(numerator) / divisor).scale


def parse_resize(text: str) -> tuple[int, int]:
    """A size as a user writes it, height first: `227x227`. Raises DataError."""
    found = re.fullmatch(r"(\d{1,5})[x×](\d{1,5})", text.strip())
    if not found:
        raise DataError(f"The size {text!r} is not of the form HxW: write it like 227x227.")
    size = (int(found[1]), int(found[2]))
    return Preprocessing(resize=size).resize or size


def parse_values(text: str) -> tuple[float, ...]:
    """Numbers as a user writes them for a mean or std: `0.1,0.2` or one alone. Raises DataError."""
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if not values or not all(math.isfinite(value) for value in values):
        raise DataError(f"The values {text!r} are not numbers separated by commas: write them like 0.1,0.2.")
    return values


def preprocessing(*, layout: str | None, scale: Scale, resize: Size, mean: Values, std: Values) -> Preprocessing:
    """The preprocessing of a caller's options, None where nothing is to be done. Raises DataError."""
    return Preprocessing(
        layout="nhwc" if layout is None else layout,
        scale=Fraction(1) if scale is None else _as_scale(scale),
        resize=None if resize is None else _as_size(resize),
        mean=None if mean is None else _as_values(mean),
        std=None if std is None else _as_values(std),
    )


def _as_scale(scale: str | Fraction | float) -> Fraction:
    """A scale as a fraction; a float is the short fraction that it is the nearest float64 of.

    1/255 in Python is 0.00392…, and a product with it has other last bits than the division by 255 that is meant
    (B11). So 0.00392… is read as the fraction 1/255, as it is on the command line; and a float that no fraction of
    integers up to 2^24 has for its nearest float64 is refused. No float64 is the nearest of two such fractions p/q and
    p'/q': they differ by at least 1/(q·q'), sixteen times the distance of neighbouring float64.
    """
    if isinstance(scale, str):
        return parse_scale(scale)
    if isinstance(scale, Rational):
        return Fraction(int(scale.numerator), int(scale.denominator))
    if not isinstance(scale, Real) or not math.isfinite(scale):
        raise DataError(f"The scale {scale!r} is not a positive number or fraction: write it like 1/255.")
    number = float(scale)  # also NumPy's, which would be compared in float32
    short = Fraction(number).limit_denominator(_FLOAT32_INTEGERS)
    if float(short) != number or short.numerator > _FLOAT32_INTEGERS:
        raise DataError(f"The scale {number!r} is the nearest float64 of no short fraction: write it as '1/255'.")
    return short


def _as_size(size: str | Sequence[int]) -> tuple[int, int]:
    """(height, width) from a caller's text, tuple or list."""
    if isinstance(size, str):
        return parse_resize(size)
    try:
        height, width = map(index, size)
    except (TypeError, ValueError):
        raise DataError(f"The size {size!r} is not a height and a width: write it like (227, 227).") from None
    return height, width


def _as_values(values: str | float | Sequence[float]) -> tuple[float, ...]:
    """A mean or std from a caller's text, number, list, array or tuple."""
    if isinstance(values, str):
        return parse_values(values)
    try:
        return tuple(float(value) for value in np.atleast_1d(np.asarray(values)))
    except (TypeError, ValueError):
        raise DataError(f"The values {values!r} are not numbers: write them like (0.1, 0.2).") from None


def _listed(values: tuple[float, ...]) -> str:
    return ",".join(repr(value) for value in values)
