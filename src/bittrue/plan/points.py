"""Where a word's binary point goes: as far to the left as the range needs, or where the squared error is least."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bittrue.errors import PlanError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.plan.least_squares import fraction_bits_of_octaves, fraction_bits_of_values
from bittrue.plan.ranges import Ranges, fraction_bits_for
from bittrue.plan.sites import Site
from bittrue.plan.spec import Spec

Point = Literal["range", "least-squares"]
POINTS: tuple[Point, ...] = ("range", "least-squares")


def parse_point(text: str) -> Point:
    """The way called `text`; raises PlanError for any other name."""
    for point in POINTS:
        if text == point:
            return point
    raise PlanError(f"there is no binary point by {text!r}: choose one of {', '.join(POINTS)}.")


@dataclass(frozen=True)
class Points:
    """How binary points are chosen, and the modes of the quantizers that get them.

    ranges: of the sites that are no parameters; None where none were measured. point: "range", with which nothing that
    was measured overflows, or "least-squares", the least squared error of the rounded and saturated values.
    """

    ranges: Ranges | None
    rounding: Rounding
    overflow: Overflow
    point: Point = "range"

    def __post_init__(self) -> None:
        parse_point(self.point)
        if self.point == "least-squares" and self.overflow is Overflow.UNBOUNDED:
            raise PlanError(
                "least squares weighs what saturates against what is rounded off, and UNBOUNDED saturates nothing: "
                "give --overflow SATURATE, or leave --point out."
            )

    def spec(self, site: Site, word_length: int, *, per_channel: bool) -> Spec:
        """The quantizer of a site with words of this length; per_channel: one for each output channel of a weight.

        Unsigned where the site never goes below zero.
        """
        if site.values is None:
            return self._of_data(site, word_length)
        signed = bool((site.values < 0).any())
        if not per_channel or site.channels is None:
            return self._of_values(site.values.ravel(), word_length, signed)
        channels = np.ascontiguousarray(site.values.reshape(-1, site.channels).T)
        return tuple(self._of_values(channel, word_length, signed) for channel in channels)

    def _of_values(self, values: np.ndarray, word_length: int, signed: bool) -> Quantizer:
        covering = self._covering(float(np.min(values)), float(np.max(values)), word_length, signed)
        if self.point == "range":
            return covering
        return _at(covering, fraction_bits_of_values(values, covering))

    def _of_data(self, site: Site, word_length: int) -> Quantizer:
        low, high = self._range(site)
        covering = self._covering(low, high, word_length, low < 0)
        measured = None if self.ranges is None else self.ranges.sites.get(site.name)
        if self.point == "range" or measured is None:
            return covering
        if measured.count > measured.zeros and not measured.octaves:
            raise PlanError(
                f"the ranges say nothing of how the values of {site.name} are spread, which least squares needs; "
                "measure them again with `bittrue ranges`."
            )
        return _at(covering, fraction_bits_of_octaves(measured.octaves, covering))

    def _covering(self, low: float, high: float, word_length: int, signed: bool) -> Quantizer:
        fraction_bits = fraction_bits_for(low, high, word_length, signed, self.overflow)
        return Quantizer(FixedFormat(signed, word_length, fraction_bits), self.rounding, self.overflow)

    def _range(self, site: Site) -> tuple[float, float]:
        if self.ranges is None:
            raise PlanError(
                f"site {site.name}: without ranges a word length says nothing of its binary point; "
                "write a format, such as 'ap_fixed<8,3>', or use the recipe hardware."
            )
        if site.name in self.ranges.sites:
            measured = self.ranges.sites[site.name]
            return measured.low, measured.high
        if site.span_of is not None and site.span_of in self.ranges.sites:
            source = self.ranges.sites[site.span_of]
            return 0.0, source.high - source.low
        if site.bounds is not None:
            return site.bounds
        raise PlanError(f"the ranges say nothing of the site {site.name}; measure them again with `bittrue ranges`.")


def _at(covering: Quantizer, fraction_bits: int) -> Quantizer:
    format = covering.format
    return Quantizer(
        FixedFormat(format.signed, format.word_length, fraction_bits), covering.rounding, covering.overflow
    )
