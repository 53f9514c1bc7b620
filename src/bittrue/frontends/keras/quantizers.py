"""QKeras's quantizers as the fixed-point formats that they are, from a file's description of them.

The meaning is that of `qkeras/quantizers.py` (https://github.com/google/qkeras): numbers are rounded to the nearest
code, ties to the even one (with a scale that training found: away from zero), and clipped. `integer` leaves the sign
out.
"""

import ast
from collections.abc import Callable, Mapping
from math import frexp

import numpy as np

from bittrue.errors import ModelError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.frontends.keras.config import Settings, shown
from bittrue.plan import Spec

QONNX = "give the model as QONNX (qonnx.converters.from_keras) with --from-model"

_DEFAULTS: Mapping[str, Mapping[str, object]] = {
    "quantized_bits": {"bits": 8, "integer": 0, "symmetric": 0, "keep_negative": True, "alpha": None},
    "quantized_linear": {"bits": 8, "integer": 0, "symmetric": 1, "keep_negative": True, "alpha": None},
    "quantized_relu": {"bits": 8, "integer": 0, "use_sigmoid": 0, "negative_slope": 0.0},
}
"""The arguments that are read, in the order of their places in a call, with QKeras's defaults."""


def quantizer_class(description: object) -> tuple[str, Settings]:
    """The class and the arguments of a quantizer, described as an object or written as the call that makes it.

    Raises: ModelError where the description is that of no quantizer that is known here.
    """
    name: object = None
    arguments: object = {}
    if isinstance(description, str):
        name, arguments = _call(description) if "(" in description else (description, {})
    elif isinstance(description, dict):
        name, arguments = description.get("class_name"), description.get("config")
    if not isinstance(name, str) or name not in _DEFAULTS or not isinstance(arguments, dict):
        called = description.get("class_name") if isinstance(description, dict) else description
        raise ModelError(
            f"its quantizer {shown(called)} is no fixed-point format: train with quantized_bits, quantized_linear or "
            "quantized_relu"
        )
    return name, Settings({**_DEFAULTS[name], **arguments})


def _call(text: str) -> tuple[str | None, dict[str, object]]:
    """A call such as `quantized_bits(6,0,alpha=1)`, of which only plain arguments are read and nothing is run."""
    try:
        call = ast.parse(text, mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            return None, {}
        places = tuple(_DEFAULTS.get(call.func.id, ()))
        if len(call.args) > len(places):
            return None, {}
        arguments = dict(zip(places, map(ast.literal_eval, call.args), strict=False))
        return call.func.id, {**arguments, **{str(word.arg): ast.literal_eval(word.value) for word in call.keywords}}
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None, {}


def quantizer_of(description: object, *, trained: bool = False) -> Spec:
    """The format, or one a channel, of a quantizer that is described in a layer's arguments.

    trained: for a kernel, which QKeras scales by its values where `alpha` is not given.

    Raises: ModelError for a quantizer that no fixed-point format is.
    """
    name, settings = quantizer_class(description)
    return _FORMATS[name](settings, trained)


def _bits(settings: Settings, trained: bool) -> Spec:
    alpha = _alpha(settings, trained)
    if alpha is None:
        scales = _stored_scales(settings)
        formats = (_format(settings, _exponent(scale)) for scale in scales)
        specs = tuple(Quantizer(each, Rounding.NEAREST_AWAY, Overflow.SATURATE_SYMMETRIC) for each in formats)
        return specs[0] if len(specs) == 1 else specs
    if alpha != 1:
        raise ModelError(f"its quantizer multiplies by alpha={alpha:g} what it has rounded: use alpha=1")
    return Quantizer(_format(settings, 0), Rounding.NEAREST_EVEN, _overflow(settings))


def _linear(settings: Settings, trained: bool) -> Spec:
    alpha = _alpha(settings, trained)
    if alpha is None:
        raise _scaled_by_data()
    return Quantizer(_format(settings, _exponent(alpha)), Rounding.NEAREST_EVEN, _overflow(settings))


def _relu(settings: Settings, trained: bool) -> Spec:
    if settings.flag("use_sigmoid") or settings.number("negative_slope"):
        raise ModelError(
            "its quantized_relu has a sigmoid or a slope below 0, which is not supported: use quantized_relu(bits, "
            "integer), or LeakyReLU before quantized_bits"
        )
    bits = settings.integer("bits")
    return Quantizer(FixedFormat(False, bits, bits - settings.integer("integer", -64)))


_FORMATS: Mapping[str, Callable[[Settings, bool], Spec]] = {
    "quantized_bits": _bits,
    "quantized_linear": _linear,
    "quantized_relu": _relu,
}


def _format(settings: Settings, exponent: int) -> FixedFormat:
    """The format with steps 2^exponent times those that bits and integer say."""
    bits, signed = settings.integer("bits"), settings.flag("keep_negative")
    if bits == 1 and signed:
        raise ModelError("its quantizer of one bit makes signs, −1 and 1, which no format does: use two bits")
    return FixedFormat(signed, bits, bits - signed - settings.integer("integer", -64) - exponent)


def _overflow(settings: Settings) -> Overflow:
    return Overflow.SATURATE_SYMMETRIC if settings.flag("symmetric") else Overflow.SATURATE


def _alpha(settings: Settings, trained: bool) -> float | None:
    """The scale that the arguments give; None where training finds it."""
    alpha = settings.values.get("alpha")
    if alpha is None and not trained:
        return 1.0
    if alpha is None or isinstance(alpha, str):
        return None
    return settings.number("alpha")


def _stored_scales(settings: Settings) -> list[float]:
    """What `post_training_scale` keeps of a scale that training found."""
    stored = settings.values.get("post_training_scale")
    if isinstance(stored, dict):  # an array in Keras 3's form
        stored = Settings(stored).mapping("config").get("value")
    if stored is None:
        raise _scaled_by_data()
    try:
        scales = np.array(stored, np.float64).reshape(-1)
    except (TypeError, ValueError):
        raise ModelError(f"its post_training_scale is {shown(stored)}, expected numbers") from None
    return [float(scale) for scale in scales] if scales.size else [float("nan")]


def _scaled_by_data() -> ModelError:
    return ModelError(
        "its quantizer takes its scale from the weights as it runs, and the file doesn't hold it: train with alpha=1, "
        f"or {QONNX}"
    )


def _exponent(scale: float) -> int:
    """Raises: ModelError where the scale is no power of two."""
    mantissa, exponent = frexp(scale)
    if mantissa != 0.5:
        raise ModelError(
            f"its quantizer's scale {scale:g} is not a power of two, and fixed-point formats have no others: train "
            "with alpha=1 or alpha='auto_po2'"
        )
    return exponent - 1
