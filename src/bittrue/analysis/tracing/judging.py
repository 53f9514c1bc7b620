"""What becomes of the predictions when a site is freed, beside the plan's own and the float network's."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from bittrue.analysis.evaluating.ending import ending_of
from bittrue.analysis.evaluating.evaluation import metric_by_shape
from bittrue.analysis.tracing.trace_result import Effect
from bittrue.data import Dataset
from bittrue.network import Network
from bittrue.simulation.float_model import FloatModel

_NOTICEABLE = 0.02
"""The share of the images that must be lost before anything is looked for that brings them back."""


class Judge:
    """The predictions of the float network, the plan, and the plan with sites freed ("cases"), on the same images."""

    def __init__(self, network: Network, images: Dataset) -> None:
        metric_by_shape(network, images)  # refuses labels that no output stands for
        self._ending = ending_of(network)
        self.predicts = self._ending.predicts
        self._labels = images.labels if self.predicts else None
        self._images = images.images
        self._model = FloatModel(network)
        self._float_outputs = np.zeros((images.images, *self._ending.shape))
        self._float, self._plan = self._empty(), self._empty()
        self._cases: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}

    def begin(self, x: NDArray[np.float32], first: int, observe: Callable[[str, torch.Tensor], None]) -> None:
        """The float network on the images from `first` on."""
        self._float_outputs[first : first + len(x)] = self._model.outputs(x, observe)
        self._put(self._float, self._float_outputs[first : first + len(x)], first)

    def add_plan(self, outputs: NDArray[np.float64], first: int) -> None:
        """The plan's outputs for the images from `first` on."""
        self._put(self._plan, outputs, first)

    def add(self, case: str, outputs: NDArray[np.float64], first: int) -> None:
        """Those of a plan with sites freed."""
        self._put(self._cases.setdefault(case, self._empty()), outputs, first)

    @property
    def float_correct(self) -> int | None:
        """The float network's right predictions; None without labels."""
        return self._correct(self._float[0])

    @property
    def plan_correct(self) -> int | None:
        """The plan's."""
        return self._correct(self._plan[0])

    @property
    def agreeing(self) -> int | None:
        """The plan's predictions that are the float network's; None where there are none."""
        return int((self._plan[0] == self._float[0]).sum()) if self.predicts else None

    @property
    def plan_error(self) -> float:
        """The plan's mean squared error against the float outputs."""
        return float(self._plan[1].mean())

    @property
    def has_lost(self) -> bool:
        """Whether the plan has lost predictions worth looking for."""
        return self.predicts and self._reached(self._float) - self._reached(self._plan) >= max(
            _NOTICEABLE * self._images, 1
        )

    def rank(self, case: str) -> tuple[float, float]:
        """A key that sorts cases, the best first."""
        found = self._cases[case]
        return (-self._reached(found) if self.predicts else 0.0), float(found[1].mean())

    def effect(self, case: str, freed: Mapping[str, str]) -> Effect:
        """What a case does beside the plan and the float network."""
        predictions, errors = self._cases[case]
        plan, floating = self._plan[0], self._float[0]
        lost, gained = self._flips(plan, predictions)
        lost_to_float, gained_over_float = self._flips(floating, predictions)
        return Effect(
            freed=freed,
            flipped=int((predictions != plan).sum()) if self.predicts else None,
            lost=lost,
            gained=gained,
            from_float=int((predictions != floating).sum()) if self.predicts else None,
            lost_to_float=lost_to_float,
            gained_over_float=gained_over_float,
            correct=self._correct(predictions),
            error=float(errors.mean()),
            back=self._back(self._cases[case]),
        )

    def _back(self, case: tuple[NDArray[np.int64], NDArray[np.float64]]) -> float | None:
        if not self.predicts:
            return 1 - float(case[1].mean()) / self.plan_error if self.plan_error > 0 else None
        plan, floating = self._reached(self._plan), self._reached(self._float)
        return (self._reached(case) - plan) / (floating - plan) if floating > plan else None

    def _reached(self, case: tuple[NDArray[np.int64], NDArray[np.float64]]) -> int:
        """How many predictions are right, or else float's."""
        return int((case[0] == (self._float[0] if self._labels is None else self._labels)).sum())

    def _correct(self, predictions: NDArray[np.int64]) -> int | None:
        return None if self._labels is None else int((predictions == self._labels).sum())

    def _flips(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> tuple[int | None, int | None]:
        """Images that only the first gets right, and those that only the second does."""
        if self._labels is None:
            return None, None
        before, after = first == self._labels, second == self._labels
        return int((before & ~after).sum()), int((~before & after).sum())

    def _empty(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Predictions and mean squared errors against the float outputs, an entry an image."""
        return np.zeros(self._images, np.int64), np.zeros(self._images)

    def _put(
        self, case: tuple[NDArray[np.int64], NDArray[np.float64]], outputs: NDArray[np.float64], first: int
    ) -> None:
        places = slice(first, first + len(outputs))
        difference = outputs - self._float_outputs[places]
        case[1][places] = np.square(difference).reshape(len(outputs), -1).mean(1)
        if self.predicts:
            case[0][places] = self._ending.predictions(outputs)
