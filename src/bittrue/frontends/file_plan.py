"""The plan that a file's quantizers are: their formats where they round, and what the file rounds nowhere.

That is EXACT where it can be (sums, maxima, biases). A batch norm is irrational, and files have no quantizer right
behind it but behind its ReLU: it gets that one, as one fused step (B12). Rounding and saturating leave the order of
numbers as it is, and 0 where it is, so they come to the same before a ReLU, a maximum or a movement as behind it. What
is left is FLOAT (weights that are no codes yet, softmax, an input without a quantizer).
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding, quantize
from bittrue.fixed.dyadic import exact_codes
from bittrue.network import Network, Node
from bittrue.operators import (
    Flatten,
    GlobalMaxPooling,
    Identity,
    Input,
    MaxPooling,
    ReduceMaximum,
    ReLU,
    Reshape,
    Transpose,
)
from bittrue.plan import Plan, PlanOptions, Site, Spec, Word, sites_of
from bittrue.wording import counted


def plan_of(network: Network, formats: Mapping[str, Spec]) -> Plan:
    """The plan of a network whose file holds these formats, by site."""
    options = PlanOptions(batch_norm="raw", rounding_points="every-node")
    sites = {name: site for name, site in sites_of(network, options).items() if not site.optional}
    return Plan(network.hash, options, {name: _spec(network, site, formats) for name, site in sites.items()})


def tell_left_out(where: str, formats: Mapping[str, Spec], told: Callable[[str], None] | None) -> None:
    """Say of a model that is read without its quantizers that it has some; where no one listens it is a warning."""
    if formats:
        (told or warnings.warn)(
            f"{where} holds quantizers ({counted(len(formats), 'site')}), which the float network "
            "leaves out: `bittrue plan MODEL --from-model` (bittrue.load_with_plan) reads them as a plan"
        )


def _spec(network: Network, site: Site, formats: Mapping[str, Spec]) -> Spec:
    if site.name in formats:
        return formats[site.name]
    node = network.by_name[site.node]
    if isinstance(node.operator, Input):
        return _of_the_input(network, node, formats)
    if site.finite:
        return Word.EXACT if site.role != "weight" or _are_codes(site.values) else Word.FLOAT
    return _of_the_reader(network, node, formats) or Word.FLOAT


def _are_codes(weights: np.ndarray | None) -> bool:
    """Whether a file holds weights that were rounded before: codes shorter than a float32's significand."""
    if weights is None:
        return False
    codes, _ = exact_codes(weights)
    return max(-int(codes.min(initial=0)), int(codes.max(initial=0))).bit_length() < SIGNIFICAND_BITS


SIGNIFICAND_BITS = 24


def _of_the_input(network: Network, node: Node, formats: Mapping[str, Spec]) -> Spec:
    """A word before which the quantizers of all its readers come to the same as before the float32 numbers; FLOAT where
    there is none.

    One reader's own; else a word that rounds down with one bit more than rounding to the nearest looks at, and wraps at
    a multiple of where they wrap.
    """
    readers = [formats.get(f"{name}.output") for name in network.consumers[node.name]]
    found = [quantizer for quantizer in readers if isinstance(quantizer, Quantizer)]
    if not found or len(found) < len(readers):
        return Word.FLOAT
    if all(quantizer == found[0] for quantizer in found):
        return found[0]
    if any(quantizer.rounding not in _MORE_BITS or quantizer.overflow is not Overflow.WRAP for quantizer in found):
        return Word.FLOAT
    fraction_bits = max(each.format.fraction_bits + _MORE_BITS[each.rounding] for each in found)
    integer_bits = max(each.format.word_length - each.format.fraction_bits for each in found)
    covering = FixedFormat(True, integer_bits + fraction_bits, fraction_bits)
    return Quantizer(covering, Rounding.FLOOR, Overflow.WRAP)


_MORE_BITS = {Rounding.FLOOR: 0, Rounding.NEAREST_UP: 1}
"""Bits behind a word's last that decide how it is rounded, by the modes for which some number of bits does."""


def _whole(operator: Any, quantizer: Quantizer) -> Quantizer:
    """Before a movement or a maximum the same quantizer."""
    return quantizer


def _before_relu(operator: ReLU, quantizer: Quantizer) -> Quantizer | None:
    """An unsigned word takes a sign, since what the ReLU cuts off overflows nothing. The ReLU's bound has to be on the
    grid, and nothing but 0 below it."""
    highest = operator.max_value
    if operator.negative_slope or operator.threshold or (highest is not None and not _on_grid(highest, quantizer)):
        return None
    own = quantizer.format
    signed = own if own.signed else FixedFormat(True, own.word_length + 1, own.fraction_bits)
    return replace(quantizer, format=signed)


def _on_grid(value: float, quantizer: Quantizer) -> bool:
    exact = Fraction(value)
    return Fraction(quantize(exact, quantizer)) / Fraction(2) ** quantizer.format.fraction_bits == exact


EARLIER: dict[type, Callable[[Any, Quantizer], Quantizer | None]] = {
    ReLU: _before_relu,
    **dict.fromkeys((Flatten, GlobalMaxPooling, Identity, MaxPooling, ReduceMaximum, Reshape, Transpose), _whole),
}
"""The quantizer before an operator that does what another does behind it; None where there is none."""


def _of_the_reader(network: Network, node: Node, formats: Mapping[str, Spec]) -> Quantizer | None:
    """The quantizer of what reads the node, and nothing else does, brought before it; None where that can't be."""
    readers = network.consumers[node.name]
    if len(readers) != 1 or node.name == network.output:
        return None
    reader = network.by_name[readers[0]]
    earlier = EARLIER.get(type(reader.operator))
    if earlier is None:
        return None
    found = formats.get(f"{reader.name}.output") or _of_the_reader(network, reader, formats)
    return earlier(reader.operator, found) if isinstance(found, Quantizer) else None
