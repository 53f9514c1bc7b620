"""What a metric is: one object that says everything about it, so that nothing elsewhere asks for its name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bittrue.analysis.charts.specifications import Specification
from bittrue.analysis.evaluating.ending import Ending
from bittrue.analysis.evaluating.record import Arrays
from bittrue.analysis.standard import Standard
from bittrue.analysis.verdict import Row
from bittrue.data import Dataset
from bittrue.display import Column

Figures = Mapping[str, Any]
"""Fields of a Row by name."""

Tally = Callable[[NDArray[np.float64], NDArray[Any], Ending, int], Arrays]
"""(outputs, reference, ending, first image) -> what is kept of each image of a batch; for a set of images the batches'
arrays are joined, so that nothing depends on how it was cut.

outputs: (images, *shape), the exact values of the output codes. reference: what they are judged by: classes, int64
(images,); targets as the data hold them, (images, …); or float outputs. first image: the batch's place in the data set,
for errors.
"""


@dataclass(frozen=True)
class ByLabels:
    """For metrics that judge the outputs by one class an image, the float network's too.

    classes: how many classes the labels may name, for outputs of a shape; it raises BittrueError for a shape that has
    no answer. beside: the figures of a row from its per-image results and the float row's, in the images' order. named:
    how many classes an answer names, of which one must be right.
    """

    classes: Callable[[tuple[int, ...]], int]
    beside: Callable[[Arrays, Arrays], Figures]
    named: int = 1

    def check(self, shape: tuple[int, ...], dataset: Dataset) -> None:
        """Raise BittrueError where outputs of this shape, or these labels, have no answer."""
        dataset.check_classes(self.classes(shape))


@dataclass(frozen=True)
class ByTargets:
    """For metrics that judge the outputs by labels that may say more than one class an image: masks, several labels.

    check: raises BittrueError where outputs of a shape, or a data set's labels, have no answer.
    """

    check: Callable[[tuple[int, ...], Dataset], None]


@dataclass(frozen=True)
class ByFloat:
    """For metrics that judge the outputs by the float network's for the same images.

    itself: the figures of the float row, which is its own yardstick.
    """

    itself: Figures


@dataclass(frozen=True)
class Shown:
    """How rows are shown.

    section: of the report, which names the chart, too; heading, caption: its heading there and what stands below the
    chart of these rows. note: what the table's title explains, {reference} being what the rows are
    compared with. columns, cells: of the table, between the row's name and its
    overflows. chart: of all rows, the reference first.
    """

    section: Literal["accuracy", "score", "deviation"]
    heading: str
    caption: Callable[[Sequence[Row]], str]
    note: str
    columns: Sequence[Column]
    cells: Callable[[Row, Standard], Sequence[str]]
    chart: Callable[[Sequence[Row], Standard], Specification]


@dataclass(frozen=True)
class Metric:
    """A metric (B13).

    judged: by what, and so what it needs of data and network. tally: see Tally. summarise: the figures of a set of
    images from what was kept of each. verdict: one sentence on all rows, the reference first. sufficient: of the same,
    the row with the fewest bits that suffice; None where there is none, or nothing is tested.
    """

    name: str
    judged: ByLabels | ByTargets | ByFloat
    tally: Tally
    summarise: Callable[[Arrays], Figures]
    shown: Shown
    verdict: Callable[[Sequence[Row], Standard], str]
    sufficient: Callable[[Sequence[Row], Standard], Row | None]
