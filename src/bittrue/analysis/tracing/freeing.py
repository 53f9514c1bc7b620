"""A plan with sites freed: EXACT in the place of a quantizer, or GUARD where that is impossible or too wide (B5)."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from bittrue.fixed import Quantizer
from bittrue.plan import Guard, Plan, Site, Spec, Word
from bittrue.plan.spec import GUARD_BITS
from bittrue.program import FixedNetwork


def freed_spec(site: Site, spec: Spec, program: FixedNetwork) -> Spec | None:
    """What frees a site; None where it is free already (EXACT, GUARD, FLOAT).

    EXACT where the number has a code with no more fraction bits than GUARD would give it, else GUARD. Weights with a
    binary point a channel get what GUARD means, channel by channel.
    """
    if isinstance(spec, Word | Guard):
        return None
    if site.role == "accumulator":
        return Word.EXACT
    if isinstance(spec, tuple):
        return tuple(Guard(quantizer).quantizer for quantizer in spec)
    return Word.EXACT if site.finite and _is_near(site, spec, program) else Guard(spec)


def free(plan: Plan, freed: Mapping[str, Spec]) -> Plan:
    """The plan with other specs at some sites."""
    return replace(plan, sites={name: freed.get(name, spec) for name, spec in plan.sites.items()})


def sites_freed(names: Iterable[str], specs: Mapping[str, Spec]) -> dict[str, str]:
    """By site the word for what frees it."""
    return {name: spec.value if isinstance(spec := specs[name], Word) else "GUARD" for name in names}


def _is_near(site: Site, quantizer: Quantizer, program: FixedNetwork) -> bool:
    """Whether GUARD's fraction bits hold the exact number, too."""
    bits = quantizer.format.fraction_bits + GUARD_BITS
    if site.values is not None:
        scaled = np.ldexp(site.values.astype(np.float64), bits)
        return bool((np.isfinite(scaled) & (np.rint(scaled) == scaled)).all())
    step = next((step for step in program.steps if step.site == site.name), None)
    if step is None:  # a part of a table form: a difference, a product or a sum of codes
        return True
    return step.exact.fraction_bits is not None and step.exact.fraction_bits <= bits
