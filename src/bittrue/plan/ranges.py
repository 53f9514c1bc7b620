"""Ranges: what each site's values were in the float network, and the integer bits that follow."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, ClassVar

from bittrue.display import Bars, Cell, Column, Table, View
from bittrue.errors import PlanError
from bittrue.fixed import FixedFormat, Overflow, Quantizer
from bittrue.plan.sites import unknown_site
from bittrue.result import Result, SavedResult
from bittrue.wording import counted, excerpt

PERCENTILES = (0.1, 1.0, 50.0, 99.0, 99.9)


@dataclass(frozen=True)
class Octave:
    """Values of one sign whose magnitudes lie from 2^exponent to below twice that.

    count: how many; total: the sum of their magnitudes; squares: the sum of their squares, both to within a fine bin of
    the histogram that they were read off.
    """

    negative: bool
    exponent: int
    count: int
    total: float
    squares: float


@dataclass(frozen=True, repr=False)
class SiteRange(Result):
    """The values of one site. count: how many were seen; zeros: how many were 0.

    percentiles: (percent, value) pairs, read off the histogram (so to within one bin). histogram: counts in equal bins
    from `low` to `high`. octaves: of the values that are not 0, from the smallest magnitudes up; none in files from
    before they were measured.
    """

    low: float
    high: float
    count: int
    zeros: int
    percentiles: tuple[tuple[float, float], ...]
    histogram: tuple[int, ...]
    octaves: tuple[Octave, ...] = ()

    @property
    def signed(self) -> bool:
        return self.low < 0

    @property
    def integer_bits(self) -> int:
        """The fewest integer bits (the sign counted, as in ap_fixed) whose reach covers the range before rounding."""
        return integer_bits(self.low, self.high)

    @property
    def reason(self) -> str:
        """Why these integer bits, in words."""
        if self.low == self.high == 0:
            return "always 0"
        bits = self.integer_bits
        magnitude = max(abs(self.low), abs(self.high))
        if not self.signed:
            return f"never below 0, so unsigned; {magnitude:.6g} < 2^{bits}"
        if -self.low > self.high and not math.log2(-self.low).is_integer():
            return f"smallest value {self.low:.6g} ≥ −2^{bits - 1}"
        if -self.low > self.high:
            return f"smallest value {self.low:.6g} = −2^{bits - 1}, which two's complement holds"
        return f"largest value {self.high:.6g} < 2^{bits - 1}, and a sign bit"

    def view(self) -> View:
        facts: list[tuple[str, Cell]] = [
            ("smallest value", f"{self.low:.6g}"),
            *((f"{percent:g} % are at most", f"{value:.6g}") for percent, value in self.percentiles),
            ("largest value", f"{self.high:.6g}"),
            ("zeros", f"{100 * self.zeros / self.count:.1f} %"),
            ("integer bits", f"{self.integer_bits}: {self.reason}"),
            ("histogram", Bars(self.histogram)),
        ]
        return (Table((Column(counted(self.count, "value")), Column("")), facts),)

    def records(self) -> list[dict[str, Any]]:
        """A row a bin of the histogram, with the values at its ends."""
        width = (self.high - self.low) / len(self.histogram)
        ends = [self.low + width * place for place in range(len(self.histogram))]
        return [
            {"from": end, "to": end + width, "count": count} for end, count in zip(ends, self.histogram, strict=True)
        ]

    def to_json(self) -> dict[str, Any]:
        """The site's object in ranges.json."""
        return {
            "min": self.low,
            "max": self.high,
            "count": self.count,
            "zeros": self.zeros,
            "percentiles": {f"{percent:g}": value for percent, value in self.percentiles},
            "histogram": list(self.histogram),
            "octaves": [asdict(octave) for octave in self.octaves],
            "signed": self.signed,
            "integer_bits": self.integer_bits,
            "reason": self.reason,
        }


def _octave(content: Mapping[str, Any]) -> Octave:
    return Octave(
        bool(content["negative"]),
        int(content["exponent"]),
        int(content["count"]),
        float(content["total"]),
        float(content["squares"]),
    )


def integer_bits(low: float, high: float) -> int:
    """The fewest integer bits I, sign counted if low < 0, with low ≥ −2^(I−1) and high < 2^(I−1) (unsigned: high <
    2^I).

    May be negative for small numbers; 0 for a range that is only zero.
    """
    bits = 0
    if high > 0:
        bits = math.frexp(high)[1] + (1 if low < 0 else 0)
    if low < 0:
        mantissa, exponent = math.frexp(-low)
        need = (exponent - 1 if mantissa == 0.5 else exponent) + 1
        bits = max(bits, need) if high > 0 else need
    return bits


def fraction_bits_for(low: float, high: float, word_length: int, signed: bool, overflow: Overflow) -> int:
    """The most fraction bits with which a word covers the range before rounding and no rounding mode makes it overflow.

    A tie at half a unit beyond the highest code counts as an overflow, since some modes round it up, and so does
    anything below the lowest code, which AP_TRN rounds down: that of symmetric limits may lie above the range.
    """
    bits = integer_bits(low, high) if signed == (low < 0) else integer_bits(low, high) + 1
    fraction_bits = word_length - bits
    limits = Quantizer(FixedFormat(signed, word_length, 0), overflow=overflow)
    scale = Fraction(2) ** fraction_bits
    if Fraction(high) * scale >= limits.max_code + Fraction(1, 2) or Fraction(low) * scale < limits.min_code:
        fraction_bits -= 1
    return fraction_bits


@dataclass(frozen=True, repr=False)
class Ranges(SavedResult):
    """Ranges of every data site (parameters' ranges are their own values), measured in float.

    network: its hash. data: name, sha256 and images of what was measured. sites: by name.
    """

    network: str
    data: Mapping[str, Any]
    sites: Mapping[str, SiteRange]

    file: ClassVar[str] = "ranges file"

    def __getitem__(self, site: str) -> SiteRange:
        """The range of one site; raises PlanError with the nearest names."""
        if site not in self.sites:
            raise unknown_site(site, self.sites)
        return self.sites[site]

    def view(self) -> View:
        rows = [
            (
                name,
                f"{site.low:.6g}",
                f"{site.high:.6g}",
                Bars(site.histogram),
                f"{100 * site.zeros / site.count:.1f}",
                str(site.integer_bits),
                site.reason,
            )
            for name, site in self.sites.items()
        ]
        columns = (
            Column("site"),
            Column("smallest", number=True),
            Column("largest", number=True),
            Column("histogram"),
            Column("zeros %", number=True),
            Column("bits", number=True),
            Column("because", folds=True),
        )
        images, name = counted(self.data["images"], "image"), self.data["name"]
        title = f"Ranges in float, on {images} of {name}; bits: the integer bits that they need"
        return (Table(columns, rows, title),)

    def records(self) -> list[dict[str, Any]]:
        """A row a site; its histogram is left out."""
        return [
            {"site": name}
            | {
                key: value
                for key, value in site.to_json().items()
                if key not in ("histogram", "octaves", "percentiles")
            }
            | {f"{percent:g} %": value for percent, value in site.percentiles}
            for name, site in self.sites.items()
        ]

    def to_json(self) -> dict[str, Any]:
        return {
            "bittrue": 1,
            "network": self.network,
            "data": dict(self.data),
            "sites": {name: site.to_json() for name, site in self.sites.items()},
        }

    @classmethod
    def from_json(cls, content: Any, source: str) -> "Ranges":
        """Read back to_json's object; raises PlanError that names `source`."""
        try:
            if content["bittrue"] != 1:
                version = excerpt(content["bittrue"])
                raise PlanError(f"{source}: version {version} of the file is not known; measure the ranges again.")
            data = content["data"]
            return cls(
                str(content["network"]),
                {**data, "name": str(data["name"]), "images": int(data["images"])},
                {
                    name: SiteRange(
                        float(site["min"]),
                        float(site["max"]),
                        int(site["count"]),
                        int(site["zeros"]),
                        tuple((float(percent), float(value)) for percent, value in site["percentiles"].items()),
                        tuple(int(count) for count in site["histogram"]),
                        tuple(_octave(octave) for octave in site.get("octaves", ())),
                    )
                    for name, site in content["sites"].items()
                },
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            flaw = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
            raise PlanError(f"{source}: not a ranges file ({flaw}); make one with `bittrue ranges`.") from None
