"""What TensorFlow computed of a SavedModel's graph in the process that converted it, as `running.py` left it."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bittrue.frontends.live import Live, NoWitnessError
from bittrue.frontends.onnx.conversion import Reading
from bittrue.frontends.onnx.live import placed


def tensorflow_live(reading: Reading, target: Path) -> Live:
    """The graph on the images on which it was run."""
    arrays: dict[str, np.ndarray] = {}
    names: list[str] | str = "it broke off over it, or took too long or too much memory"
    if (target / "live.json").is_file():
        names = json.loads((target / "live.json").read_text())
    if not isinstance(names, str):
        with np.load(target / "live.npz", allow_pickle=False) as file:
            arrays = dict(file)
    images = [arrays[name] for name in arrays if name.startswith("image")]

    def run(images: Sequence[np.ndarray]) -> list[np.ndarray | None]:
        if isinstance(names, str):
            raise NoWitnessError(names)
        view = reading.views[reading.output]
        place = names.index(reading.output) if reading.output in names[1:] else 0
        return [placed(view, arrays[f"{number}_{place}"]) for number in range(len(images))]

    def classes(images: Sequence[np.ndarray]) -> list[np.ndarray | None]:
        return [arrays[f"{number}_0"][:1] for number in range(len(images))]

    def inner(image: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        [number] = [number for number, other in enumerate(images) if other is image]
        for node, name in reading.last_views(names).items():
            value = placed(reading.views[name], arrays[f"{number}_{names.index(name)}"])
            if value is not None:
                yield node, value

    return Live("TensorFlow", images, run, reading.views[reading.graph.input.name].place, inner, classes)
