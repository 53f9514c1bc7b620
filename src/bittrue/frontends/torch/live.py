"""A PyTorch model to be run beside its Network: the module or program, and inside it the exporter's graph."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree

from bittrue.environment import exact_products
from bittrue.frontends.images import random_images
from bittrue.frontends.live import Live
from bittrue.frontends.onnx.conversion import Reading
from bittrue.frontends.torch.example import evaluating, one_image
from bittrue.frontends.torch.quiet import quiet


def torch_live(source: Any, example_input: Any, program: Any, reading: Reading) -> Live | None:
    """A module with its example input or an exported program, in evaluation mode; None where it doesn't compute in
    float32 or float64, and so with other roundings than the Network.

    program: what the exporter made of it, whose values have the names of the file's.
    """
    is_program = isinstance(source, torch.export.ExportedProgram)
    given = source.example_inputs if is_program else (one_image(example_input), {})
    tensors = [leaf for leaf in _pytree.tree_leaves(given) if isinstance(leaf, torch.Tensor)]
    if len(tensors) != 1:
        return None
    [example] = tensors
    if example.dtype not in (torch.float32, torch.float64):
        return None
    module = source.module() if is_program else source
    output = reading.views[reading.output]

    def run(images: Sequence[np.ndarray]) -> list[np.ndarray | None]:
        if reading.network.argmax is None:
            found = results(images)
        else:
            found = [recorded(image).get(reading.output) for image in images]
        return [None if one is None or not one.is_floating_point() else output.place(_one(one)) for one in found]

    def classes(images: Sequence[np.ndarray]) -> list[np.ndarray | None]:
        return [None if found is None else _one(found if found.ndim else found[None]) for found in results(images)]

    def results(images: Sequence[np.ndarray]) -> list[torch.Tensor | None]:
        with _still(source):
            return [result(image) for image in images]

    def result(image: np.ndarray) -> torch.Tensor | None:
        try:
            found = _pytree.tree_leaves(module(_batch(image, example)))
        except Exception:  # the user's own code may not take random numbers
            return None
        tensors = [leaf for leaf in found if isinstance(leaf, torch.Tensor)]
        return tensors[0] if len(tensors) == 1 else None

    def recorded(image: np.ndarray) -> dict[str, torch.Tensor]:
        with _still(source):
            return _Recorder(program.module(), _batch(image, example)).values

    def inner(image: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        values = recorded(image)
        for node, name in reading.last_views(values).items():
            view = reading.views[name]
            if tuple(values[name].shape[1:]) == view.layout.shape[1:]:
                yield node, view.place(_one(values[name]))

    first = _one(example)
    images = [first.astype(np.float32), *random_images(first.shape)]
    return Live("PyTorch", images, run, reading.views[reading.graph.input.name].place, inner, classes)


@contextlib.contextmanager
def _still(source: Any) -> Iterator[None]:
    """In evaluation mode, in float32 on every device, without gradients and without talk."""
    with torch.no_grad(), exact_products(), quiet(), evaluating(source):
        yield


class _Recorder(torch.fx.Interpreter):
    """The values of a graph by its nodes' names."""

    def __init__(self, module: Any, image: torch.Tensor) -> None:
        super().__init__(module)
        self.values: dict[str, torch.Tensor] = {}
        self.run(image)

    def run_node(self, n: torch.fx.Node) -> Any:
        found = super().run_node(n)
        if isinstance(found, torch.Tensor):
            self.values[n.name] = found
        return found


def _batch(image: np.ndarray, example: torch.Tensor) -> torch.Tensor:
    """The image as often as the example holds one: a program may be for as many and no others."""
    return torch.from_numpy(image.repeat(len(example), 0)).to(example.device, example.dtype)


def _one(batch: torch.Tensor) -> np.ndarray:
    """The first of a batch, as one of its own."""
    found: np.ndarray = batch[:1].detach().cpu().numpy()
    return found
