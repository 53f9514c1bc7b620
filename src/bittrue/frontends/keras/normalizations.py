"""Keras's normalizations and its softmax."""

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.keras.config import Settings
from bittrue.frontends.keras.use import COUNTER, LayerUse
from bittrue.frontends.keras.values import numbers
from bittrue.network import Operator, Parameter
from bittrue.operators import BatchNormalization, LayerNormalization, Softmax


def batch_normalization(use: LayerUse) -> Operator:
    settings = use.settings
    _refuse_other_axis(use, "batch normalization")
    channels = (use.shape[-1],)
    # With batch renormalization Keras stores three arrays more, which only training reads.
    training_only = {f"renorm {index}": channels for index in range(3 if settings.values.get("renorm") else 0)}
    parameters = use.parameters(
        {
            "gamma": use.parameter_shape("scale", *channels),
            "beta": use.parameter_shape("center", *channels),
            "mean": channels,
            "variance": channels,
            **training_only,
        }
    )
    return BatchNormalization(
        parameters.get("gamma"),
        parameters.get("beta"),
        parameters["mean"],
        parameters["variance"],
        settings.number("epsilon"),
    )


def layer_normalization(use: LayerUse) -> Operator:
    settings, rank = use.settings, len(use.shape)
    value = settings.values.get("axis")
    axes = sorted(
        Settings({"axis": axis}).axis("axis", rank) for axis in (value if isinstance(value, list) else [value])
    )
    if axes != list(range(rank - len(axes), rank)) or not axes:
        raise ModelError("layer normalization over other axes than the last ones is not supported: put them last")
    if settings.values.get("rms_scaling"):
        raise ModelError("rms_scaling divides by the variance and is not supported: train the layer without it")
    shape = use.shape[-len(axes) :]
    parameters = use.parameters(
        {"gamma": use.parameter_shape("scale", *shape), "beta": use.parameter_shape("center", *shape)}
    )
    epsilon = settings.number("epsilon")
    return LayerNormalization(parameters.get("gamma"), parameters.get("beta"), epsilon, len(axes))


def softmax(use: LayerUse) -> Operator:
    _refuse_other_axis(use, "softmax")
    return Softmax()


LEAST_DEVIATION = 1e-7
"""What Keras's Normalization divides by at least."""


def normalization(use: LayerUse) -> Operator:
    """(x − mean)/√variance, a batch normalization without gamma, beta and epsilon, of constants or adapted numbers."""
    settings, channels = use.settings, use.shape[-1]
    if settings.values.get("invert"):
        raise ModelError("invert=True is not supported: leave the layer out and multiply by the deviation afterwards")
    by_channel = settings.values.get("axis") not in (None, [])
    if by_channel and settings.axes("axis", len(use.shape)) != (len(use.shape) - 1,):
        raise ModelError("normalization over another axis than the last is not supported: put the channels last")
    if settings.values.get("mean") is None:
        shape = (channels,) if by_channel else ()
        stored = use.parameters({"mean": shape, "variance": shape, COUNTER: ()})
        mean, variance = stored["mean"].value, stored["variance"].value
    else:
        mean, variance = numbers(use, "mean"), numbers(use, "variance")
    if any(value.size not in (1, channels) for value in (mean, variance)):
        raise ModelError(f"its mean holds {mean.size} numbers for {channels} channels")
    variance = np.maximum(variance, np.float32(LEAST_DEVIATION**2))
    mean, variance = (np.broadcast_to(value.reshape(-1), (channels,)).copy() for value in (mean, variance))
    names = use.parameter_name("mean"), use.parameter_name("variance")
    return BatchNormalization(None, None, Parameter(names[0], mean), Parameter(names[1], variance), 0.0)


def _refuse_other_axis(use: LayerUse, what: str) -> None:
    """Softmax and batch normalization work over the last axis alone."""
    if use.settings.axis("axis", len(use.shape)) != len(use.shape) - 1:
        raise ModelError(f"{what} over another axis than the last is not supported: put the channels last")
