"""HGQ's layers: the quantizers in HGQ 1's proxy models, which have Keras's own layers otherwise, and HGQ2's layers.

HGQ trains a word for each number (https://github.com/calad0i/HGQ, https://github.com/calad0i/HGQ2). Those of weights
are applied here, so that the network has the rounded weights, EXACT in the plan; those of values become nodes.
"""

from collections.abc import Mapping

import numpy as np

from bittrue.errors import ModelError
from bittrue.fixed import Overflow, Quantizer, Rounding, parse_overflow, parse_rounding
from bittrue.fixed.integers import apply_overflow, quantize_reals
from bittrue.frontends.keras.activations import ACTIVATIONS
from bittrue.frontends.keras.config import Settings, shown
from bittrue.frontends.keras.products import convolution, dense
from bittrue.frontends.keras.use import UNREAD, Graph, LayerKind, LayerUse, Part, Rule
from bittrue.frontends.keras.words import Words, as_the_layer, rounded
from bittrue.network import Operator, Parameter
from bittrue.plan import Spec, Word
from bittrue.shapes import Shape

_ROLES: Mapping[tuple[str, bool], tuple[str, ...]] = {
    ("kbi", False): ("b", "i", "k"),
    ("kbi", True): ("b", "k", "i", "decay"),
    ("kif", False): ("i", "f", "k"),
    ("kif", True): ("f", "k", "i", "decay"),
}
"""The arrays of an HGQ2 quantizer in Keras's order, trained ones first, by its kind and whether it wraps."""

_EXACT = {"weight": Word.EXACT, "bias": Word.EXACT}


def _modes(rounding: object, overflow: object) -> tuple[Rounding, Overflow]:
    """Raises: ModelError for modes that AMD's types have and bittrue has not."""
    if not isinstance(rounding, str) or not isinstance(overflow, str) or overflow == "WRAP_SM":
        raise ModelError(f"its modes {shown(rounding)} and {shown(overflow)} are not supported: use WRAP or SAT")
    # At inference the stochastic modes are the others.
    return parse_rounding(f"AP_{rounding.upper().removeprefix('S_')}"), parse_overflow(f"AP_{overflow.upper()}")


def _proxy_quantizer(use: LayerUse) -> Graph:
    """HGQ 1's FixedPointQuantizer: `bits` and `integers` count the sign."""
    settings = use.settings
    rounding, overflow = _modes(settings.values.get("RND"), settings.values.get("SAT"))
    signed, bits, integers = use.arrays((), 3)
    words = Words(signed, bits, bits.astype(np.int64) - integers, rounding, overflow)
    return as_the_layer(*rounded(words, use.shape))


def _words(use: LayerUse, attributes: tuple[str, ...], configuration: str) -> Words | None:
    """The words of a quantizer of an HGQ2 layer; None for one that does nothing."""
    described = Settings(use.settings.mapping(configuration)).mapping("config")
    kind = described.get("q_type")
    if kind == "dummy":
        return None
    if described.get("scaler") is not None or described.get("affine") is not None:
        raise ModelError(f"its {configuration} scales values, which is not supported: train without scaler and affine")
    rounding, overflow = _modes(described.get("round_mode"), described.get("overflow_mode"))
    roles = _ROLES.get((str(kind), overflow is Overflow.WRAP))
    if roles is None:
        raise ModelError(f"its {configuration} is of the kind {shown(kind)}, which is no fixed point: use kif or kbi")
    stored = dict(zip(roles, use.arrays((*attributes, "quantizer"), len(roles)), strict=True))
    whole_numbers = {role: np.rint(array).astype(np.int64) for role, array in stored.items() if role != "decay"}
    integer_bits, signed = whole_numbers["i"], whole_numbers["k"]
    fraction_bits = whole_numbers["f"] if "f" in whole_numbers else whole_numbers["b"] - integer_bits
    return Words(signed, signed + integer_bits + fraction_bits, fraction_bits, rounding, overflow)


def _rounded_parameter(parameter: Parameter, words: Words | None) -> Parameter:
    """Raises: ModelError where a weight wraps, which HGQ2 lets it not do."""
    if words is None:
        return parameter
    columns, codes = words.at(parameter.value.shape), np.zeros(parameter.value.shape, np.float64)
    for word in np.unique(columns.reshape(-1, 3), axis=0):
        if word[1] <= 0:
            continue
        chosen, quantizer = (columns == word).all(-1), words.quantizer(word)
        codes[chosen] = _values(parameter.value[chosen], quantizer)
    return Parameter(parameter.name, codes.astype(parameter.value.dtype))


def _values(values: np.ndarray, quantizer: Quantizer) -> np.ndarray:
    codes = quantize_reals(values, quantizer.format.fraction_bits, quantizer.rounding)
    limited = apply_overflow(codes, quantizer)
    if quantizer.overflow is Overflow.WRAP and (limited != codes).any():
        raise ModelError("its weights don't fit their words, which wrap: run hgq.utils.trace_minmax and save it again")
    return np.ldexp(limited.astype(np.float64), -quantizer.format.fraction_bits)


def _product(rule: Rule) -> Rule:
    def quantized(use: LayerUse) -> Graph:
        training = ("beta", "ebops") if use.settings.flag("enable_ebops") else ()

        def parameters(shapes: dict[str, Shape | None]) -> dict[str, Parameter]:
            found = use.parameters({**shapes, **dict.fromkeys((f"{UNREAD}{name}" for name in training), ())})
            quantizers = {"weight": (("kq",), "kq_conf"), "bias": (("bq",), "bq_conf")}
            return {
                role: _rounded_parameter(parameter, _words(use, *quantizers[role])) for role, parameter in found.items()
            }

        made = rule(LayerUse(use.settings, use.shapes, parameters))
        assert isinstance(made, Operator)
        before, specs, source = _before(use)
        behind, more = _behind(use)
        return Graph(before, made, (source,), behind, {**specs, **more, **_EXACT})

    return quantized


def _before(use: LayerUse) -> tuple[tuple[Part, ...], dict[str, Spec], str | int]:
    """The input under its quantizer: the parts, their quantizers, and which the layer reads."""
    words = _words(use, ("iq",), "iq_conf") if use.settings.flag("enable_iq") else None
    if words is None:
        return (), {}, 0
    parts, specs = rounded(words, use.shape)
    return _prefixed("in", parts), {f"in_{role}": spec for role, spec in specs.items()}, f"in_{parts[-1][0]}"


def _behind(use: LayerUse) -> tuple[tuple[Part, ...], dict[str, Spec]]:
    """The activation."""
    if use.settings.flag("enable_oq"):
        raise ModelError("it has a quantizer of its output, which is not supported: put hgq.layers.Quantizer behind it")
    activation = use.settings.values.get("activation")
    if activation in (None, "linear"):
        return (), {}
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise ModelError(f"its activation {shown(activation)} is not supported: use one of {', '.join(ACTIVATIONS)}")
    return ((activation, ACTIVATIONS[activation], ("",)),), {}


def _prefixed(prefix: str, parts: tuple[Part, ...]) -> tuple[Part, ...]:
    return tuple(
        (f"{prefix}_{name}", operator, tuple(place if place == 0 else f"{prefix}_{place}" for place in reads))
        for name, operator, reads in parts
    )


def _quantizer(use: LayerUse) -> Graph | Operator:
    words = _words(use, (), "config")
    if words is None:
        return ACTIVATIONS["linear"]
    return as_the_layer(*rounded(words, use.shape))


PROXY_LAYERS = {"FixedPointQuantizer": LayerKind(_proxy_quantizer)}
"""Of HGQ 1's proxy models."""

LAYERS = {
    "QConv1D": LayerKind(_product(convolution(1))),
    "QConv2D": LayerKind(_product(convolution(2))),
    "QDense": LayerKind(_product(dense)),
    "Quantizer": LayerKind(_quantizer),
}
"""Of HGQ2, by class."""
