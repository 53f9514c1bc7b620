"""A site's values beside the format that a plan gives it: what the word reaches, what its last bit resolves."""

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from bittrue.fixed import Quantizer, overflows, round_to_code
from bittrue.plan import Guard, Plan, Ranges, SiteRange, Spec


class Fit(Enum):
    """How a range lies to its format; the values are what readers see."""

    WITHIN = "fits"
    BEYOND = "reaches beyond the format"
    VANISHES = "is rounded to 0"
    NO_FORMAT = "has no format"


@dataclass(frozen=True)
class SiteReach:
    """One site, its range, and its format's ends.

    typical: the median of the magnitudes that are not 0, to within two of the histogram's bins. most: the magnitude
    that 99.8 % of the values don't exceed. largest: the largest magnitude. resolution, reach: the format's last bit and
    its largest magnitude; None where the plan gives no format.
    """

    site: str
    range: SiteRange
    spec: Spec | None
    typical: float
    most: float
    largest: float
    resolution: float | None
    reach: float | None
    fit: Fit

    @property
    def label(self) -> str:
        """The site's name where all sites are outputs: the node's."""
        return self.site.removesuffix(".output")

    @property
    def misfit(self) -> bool:
        return self.fit in (Fit.BEYOND, Fit.VANISHES)


def site_reaches(ranges: Ranges, plan: Plan | None) -> tuple[SiteReach, ...]:
    """Every measured site in the order of the network, with the plan's format where there is a plan that has one."""
    return tuple(_site_reach(name, site, plan.sites.get(name) if plan else None) for name, site in ranges.sites.items())


def median_magnitude(site: SiteRange) -> float:
    """The median of the values' magnitudes, zeros left out, read off the histogram; 0 where there are only zeros."""
    largest = max(abs(site.low), abs(site.high))
    width = (site.high - site.low) / len(site.histogram) if site.histogram else 0.0
    if width == 0:
        return largest
    zeros = site.zeros
    pieces: list[tuple[float, float, int]] = []
    for index, counted in enumerate(site.histogram):
        ends = sorted((abs(site.low + index * width), abs(site.low + (index + 1) * width)))
        holds_zero = site.low + index * width <= 0 <= site.low + (index + 1) * width
        without_zeros = max(counted - zeros, 0) if holds_zero else counted
        zeros -= counted - without_zeros
        pieces.append((0.0 if holds_zero else ends[0], ends[1], without_zeros))
    half = sum(count for _, _, count in pieces) / 2
    below = 0
    for near, far, count in sorted(pieces):
        if count and below + count >= half:
            return min(near + (far - near) * (half - below) / count, largest)
        below += count
    return 0.0


def _site_reach(name: str, site: SiteRange, spec: Spec | None) -> SiteReach:
    quantizer = _quantizer(spec)
    largest = max(abs(site.low), abs(site.high))
    tail = max((abs(value) for percent, value in site.percentiles if percent in (0.1, 99.9)), default=largest)
    return SiteReach(
        site=name,
        range=site,
        spec=spec,
        typical=median_magnitude(site),
        most=min(tail, largest),
        largest=largest,
        resolution=None if quantizer is None else float(quantizer.format.resolution),
        reach=None if quantizer is None else float(max(quantizer.format.max_value, -quantizer.format.min_value)),
        fit=Fit.NO_FORMAT if quantizer is None else _fit(site, quantizer),
    )


def _quantizer(spec: Spec | None) -> Quantizer | None:
    if isinstance(spec, Guard):
        return spec.quantizer
    return spec if isinstance(spec, Quantizer) else None


def _fit(site: SiteRange, quantizer: Quantizer) -> Fit:
    """By the codes of the smallest and the largest value, which bound all others': rounding keeps their order."""
    fraction_bits, rounding = quantizer.format.fraction_bits, quantizer.rounding
    codes = [round_to_code(Fraction(value), fraction_bits, rounding) for value in (site.low, site.high)]
    if any(overflows(code, quantizer) for code in codes):
        return Fit.BEYOND
    if codes == [0, 0] and (site.low, site.high) != (0, 0):
        return Fit.VANISHES
    return Fit.WITHIN
