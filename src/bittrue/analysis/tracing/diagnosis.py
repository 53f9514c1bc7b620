"""One sentence a site, and a few for the whole: what happens, by the numbers, and how many bits put it right."""

from collections.abc import Callable

import numpy as np

from bittrue.analysis.tracing.smallest_set import ENOUGH
from bittrue.analysis.tracing.trace_result import Effect, SiteTrace, Trace
from bittrue.fixed import FixedFormat, Quantizer
from bittrue.fixed.arrays import quantize_array
from bittrue.network import Network
from bittrue.operators import BatchNormalization
from bittrue.plan import Guard, Site, Spec, Word, integer_bits
from bittrue.plan.spec import GUARD_BITS
from bittrue.wording import counted, percent, typographic

_WORTH_SAYING = 0.01
"""The share of numbers that must overflow or become 0 before a site is spoken of; of a batch norm's parameters, one."""

_HARMLESS = 1.01
"""The growth of a batch norm's output up to which its variances do no harm."""

_SHOWN, _SHOWN_OF_A_SET = 4, 8
"""How many sites the diagnosis of a network speaks of; up to how many of a set that must be freed together."""


def diagnose_site(site: SiteTrace, described: Site, spec: Spec, network: Network) -> str | None:
    """The sentence of one site; None where its quantizer does no harm worth a sentence."""
    parts = [part for part in (_overflow(site), _zeros(site, described, spec, network)) if part]
    return f"{site.site}: {'; '.join(parts)}." if parts else None


def _overflow(site: SiteTrace) -> str | None:
    if not site.overflowed:
        return None
    text = (
        f"{site.overflowed:,} of {site.values:,} values {site.overflow}"
        if site.values
        else (f"{counted(site.overflowed, 'value')} {site.overflow}")
    )
    first = site.first_overflow
    if first is not None:
        where = f" in image {first.image}" if first.image is not None else ""
        place = f" at {_place(first.index)}" if first.index else ""
        after = "" if first.product is None else f" after {counted(first.product, 'product')}"
        text += f" (first{where}{place}{after}: {first.exact} becomes {first.became})"
    if site.low is None or site.high is None:
        return text
    text += f"; they reach from {_number(site.low)} to {_number(site.high)} before it"
    bits = integer_bits(site.low, site.high)
    held = f"{counted(bits, 'integer bit')} {'holds' if bits == 1 else 'hold'} them"
    if site.bound is not None:
        most = integer_bits(-site.bound if site.low < 0 else 0.0, site.bound)
        return f"{text}; {held}, and {most} whatever the data"
    return f"{text}; {held}"


def _place(index: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, index))})"


def _zeros(site: SiteTrace, described: Site, spec: Spec, network: Network) -> str | None:
    if not site.zeroed or site.nonzero is None:
        return None
    at = "" if site.fraction_bits is None else f" at {typographic(counted(site.fraction_bits, 'fraction bit'))}"
    if site.role in ("variance", "gamma", "scale"):
        text = f"{site.zeroed:,} of {site.values:,} channels round to 0{at}"
        growth = _growth(described, spec, network) if site.role == "variance" else None
        if growth is not None:
            text += f"; the output grows up to {growth(0):.3g}×"
        if growth is not None and _is_far(site, site.keeps[1]):
            more = next((bits for bits in range(1, GUARD_BITS + 1) if growth(bits) < _HARMLESS), GUARD_BITS)
            bits = counted((site.fraction_bits or 0) + more, "fraction bit")
            return f"{text}; with {bits} none grows by more than 1 % (some are all but 0 in float, too)"
        return f"{text}; {_kept(site, 1)} all of them above 0"
    if site.zeroed < _WORTH_SAYING * site.nonzero:
        return None
    most, all_of_them = site.keeps
    noun = "weights" if site.role == "weight" else "values"
    share = percent(site.zeroed / site.nonzero)
    text = f"{site.zeroed:,} of {site.nonzero:,} {noun} that are not 0 ({share}) round to 0{at}"
    largest = max(abs(site.low or 0.0), abs(site.high or 0.0))
    if site.zeroed == site.nonzero:
        text += f", the largest being {_number(largest)}"
    if _is_far(site, most):
        return f"{text}; the most of those are all but 0 in float, too"
    kept = f"{text}; {_kept(site, 0)} 90 % of them"
    return kept if most == all_of_them or _is_far(site, all_of_them) else f"{kept}, {all_of_them} all"


def _kept(site: SiteTrace, which: int) -> str:
    bits = site.keeps[which] or 0
    return f"{typographic(counted(bits, 'fraction bit'))} {'keeps' if bits == 1 else 'keep'}"


def _is_far(site: SiteTrace, bits: int | None) -> bool:
    """Whether so many fraction bits are more than GUARD would give."""
    return bits is not None and site.fraction_bits is not None and bits > site.fraction_bits + GUARD_BITS


def _growth(described: Site, spec: Spec, network: Network) -> Callable[[int], float] | None:
    """The largest factor by which a channel's 1/√(σ²+ε) grows with σ² rounded to some more fraction bits than it is."""
    operator = network.by_name[described.node].operator
    if not isinstance(operator, BatchNormalization) or isinstance(spec, Word | tuple) or described.values is None:
        return None
    quantizer: Quantizer = spec.quantizer if isinstance(spec, Guard) else spec
    exact, epsilon = described.values.astype(np.float64), operator.epsilon

    def growth(more: int) -> float:
        own = quantizer.format
        finer = FixedFormat(own.signed, own.word_length + more, own.fraction_bits + more)
        codes, _ = quantize_array(exact, [Quantizer(finer, quantizer.rounding, quantizer.overflow)])
        rounded = codes.astype(np.float64) * float(finer.resolution)
        return float(np.sqrt((exact + epsilon) / (rounded + epsilon)).max())

    return growth


def diagnose_plan(trace: Trace) -> tuple[str, ...]:
    """What explains the plan's result, the most important first."""
    said = [] if trace.stop is None else [trace.stop.diagnosis]
    effects = {site.site: site.effect for site in trace.sites if site.effect is not None}
    named: list[str] = []
    if trace.together is not None:
        named = list(trace.together.freed)
        best = effects[trace.ranking[0]]
        alone = "No single site brings anything back"
        if best.back:
            alone = f"No single site brings the accuracy back ({trace.ranking[0]} the most: {_brought(best, trace)})"
        said.append(
            f"{alone}; freeing these {len(named)} sites brings {_brought(trace.together, trace)}: {', '.join(named)}."
        )
        named.sort(key=lambda name: (-(effects[name].back or 0.0), -trace.site(name).damage))
    elif trace.ranking:
        best = effects[trace.ranking[0]]
        if best.back is not None and best.back > 0:
            named = [trace.ranking[0]]
            enough = "" if best.back >= ENOUGH else ", the most that any site does alone"
            said.append(f"Freeing {named[0]} alone brings {_brought(best, trace)}{enough}.")
    by_damage = sorted(trace.sites, key=lambda site: -site.damage)
    others = [site.site for site in by_damage if site.diagnosis is not None and site.site not in named]
    for name in [*named, *others][: max(_SHOWN, min(len(named), _SHOWN_OF_A_SET))]:
        sentence = trace.site(name).diagnosis
        if sentence is not None:
            said.append(sentence)
    return tuple(said or ["No site overflows, rounds to 0 or loses predictions worth a word."])


def _brought(effect: Effect, trace: Trace) -> str:
    """`62 % of what is lost back (20 → 45 of 64 right, float 60)`."""
    share = f"{100 * effect.back:.0f} % of what is lost back" if effect.back else "nothing back"
    if effect.back is not None and effect.back >= 1:
        share = "all that is lost back" if effect.back == 1 else "all that is lost back, and more"
    if effect.correct is not None:
        now, images = f"{trace.plan_correct:,} → {effect.correct:,}", f"{trace.images:,}"
        return f"{share} ({now} of {images} right, float {trace.float_correct:,})"
    if effect.from_float is not None and trace.agreeing is not None:
        agreeing = trace.images - effect.from_float
        return f"{share} ({trace.agreeing:,} → {agreeing:,} of {trace.images:,} predictions are float's)"
    return f"{share} (squared error {trace.error:.3g} → {effect.error:.3g})"


def _number(value: float) -> str:
    return typographic(f"{value:.6g}")
