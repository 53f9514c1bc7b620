"""Rounding all weights of a Keras model in place, as the study did, with a report of what it did to them."""

import re
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bittrue.display import Column, Table, View
from bittrue.errors import FormatError, ModelError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding, describe, parse_overflow, parse_rounding
from bittrue.fixed.arrays import quantize_array
from bittrue.integrations.with_keras import keras
from bittrue.plan import STUDY_WORD_LENGTH
from bittrue.result import Result

ROLES = {"kernel": "weight", "moving_mean": "mean", "moving_variance": "variance"}
"""What sites are called (B5) where Keras has another name."""


@dataclass(frozen=True)
class WeightChange:
    """What rounding did to one weight.

    name: its site, `layer.role`. values: how many numbers it has; changed: of them not on the grid before; zeroed:
    rounded to zero and not zero before; overflows: outside of the word, as rounded. largest_change: in absolute value.
    """

    name: str
    values: int
    changed: int
    zeroed: int
    overflows: int
    largest_change: float


@dataclass(frozen=True, repr=False)
class WeightReport(Result):
    """What `quantize_weights` did: the quantizer, and each weight's change."""

    quantizer: str
    weights: tuple[WeightChange, ...]

    def view(self) -> View:
        headings = ("values", "changed", "to zero", "overflows", "largest change")
        columns = [Column("weight"), *(Column(heading, number=True) for heading in headings)]
        rows = []
        for weight in self.weights:
            counts = (weight.values, weight.changed, weight.zeroed, weight.overflows)
            rows.append((weight.name, *(f"{count:,}" for count in counts), f"{weight.largest_change:.3g}"))
        return (Table(columns, rows, f"Weights rounded to {self.quantizer}"),)

    def records(self) -> list[dict[str, Any]]:
        """A row a weight."""
        return [asdict(weight) for weight in self.weights]

    def to_json(self) -> dict[str, Any]:
        return {"bittrue": 1, "quantizer": self.quantizer, "weights": self.records()}


def quantize_weights(
    model: Any,
    fraction_bits: int,
    *,
    word_length: int = STUDY_WORD_LENGTH,
    signed: bool = True,
    rounding: Rounding | str = Rounding.NEAREST_EVEN,
    overflow: Overflow | str = Overflow.UNBOUNDED,
) -> WeightReport:
    """Round every weight of a Keras model in place to `fraction_bits`: kernels, biases, and a batch norm's gamma, beta,
    moving mean and moving variance. The defaults are the study's; `word_length` is a yardstick then (UNBOUNDED).

    Any built Keras 3 model will do, of any number of inputs and of any layers. Nothing is changed where one weight is
    refused. Raises: ModelError for a model without weights, or with one that is not in float32 or not finite;
    FormatError for a format that doesn't exist, or a rounded weight that float32 doesn't hold.
    """
    quantizer = Quantizer(
        FixedFormat(signed, word_length, fraction_bits),
        parse_rounding(rounding) if isinstance(rounding, str) else rounding,
        parse_overflow(overflow) if isinstance(overflow, str) else overflow,
    )
    if not model.weights:
        raise ModelError(f"the Keras model {model.name} has no weights yet: build it, or call it on a batch, first.")
    rounded = [_round(variable, _site(variable.path, model.name), quantizer) for variable in model.weights]
    for variable, (values, _) in zip(model.weights, rounded, strict=True):
        variable.assign(values)
    return WeightReport(describe(quantizer), tuple(change for _, change in rounded))


def _round(variable: Any, name: str, quantizer: Quantizer) -> tuple[np.ndarray, WeightChange]:
    if variable.dtype != "float32":
        raise ModelError(f"{name} is {variable.dtype}: load the model in float32, whose values it then takes.")
    trained = np.asarray(keras.ops.convert_to_numpy(variable))
    if not np.isfinite(trained).all():
        raise ModelError(f"{name} holds NaN or infinite values, which have no code: train the model again.")
    codes, overflows = quantize_array(trained, [quantizer])
    exact = np.ldexp(codes.astype(np.float64), -quantizer.format.fraction_bits)
    values = exact.astype(np.float32)
    if not np.array_equal(values, exact):
        raise FormatError(f"{name}: {describe(quantizer)} makes numbers of it that float32 doesn't hold; shorten it.")
    change = np.abs(exact - trained)
    zeroed = int(np.count_nonzero((values == 0) & (trained != 0)))
    return values, WeightChange(
        name, trained.size, int(np.count_nonzero(change)), zeroed, overflows, float(change.max(initial=0.0))
    )


def _site(path: str, model: str) -> str:
    """`conv1.weight`; Keras puts the model's own name before some paths."""
    *layers, role = path.removeprefix(f"{model}/").split("/")
    return f"{re.sub(r'[^A-Za-z0-9_]', '_', '_'.join(layers))}.{ROLES.get(role, role)}"
