"""A Keras model object to be run beside its Network, in Keras itself and under whichever backend it has."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from bittrue.environment import exact_products
from bittrue.frontends.images import random_images
from bittrue.frontends.live import Live, NoWitnessError
from bittrue.network import Network
from bittrue.wording import QUOTED, printable

FLOATS = ("float32", "float64")


def keras_live(model: Any, ends: Mapping[str, Sequence[str]], network: Network) -> Live:
    """ends: by a layer's name the nodes that its uses' outputs became; a name may stand in several nested models."""
    keras = sys.modules["keras"]
    [given] = model.inputs
    kind = keras.backend.standardize_dtype(given.dtype)
    shape = (1, *given.shape[1:])

    def run(images: Sequence[np.ndarray]) -> list[np.ndarray | None]:
        if network.argmax is None:
            return classes(images)
        return each(lambda image: dict(inner(image)).get(network.output), images)

    def classes(images: Sequence[np.ndarray]) -> list[np.ndarray | None]:
        return each(computed, images)

    def each(
        function: Callable[[np.ndarray], np.ndarray | None], images: Sequence[np.ndarray]
    ) -> list[np.ndarray | None]:
        others = {layer.compute_dtype for layer in _layers(model)} - {*FLOATS}
        if others:
            raise NoWitnessError(f"it computes in {', '.join(sorted(others))}, with roundings of its own")
        try:
            return [function(image) for image in images]
        except Exception as error:  # of the backend's, or of an author's layer
            raise NoWitnessError(f"Keras doesn't run it ({printable(str(error))[:QUOTED]})") from error

    def computed(image: np.ndarray) -> np.ndarray:
        with _in_float32():
            found = model(keras.ops.convert_to_tensor(image, dtype=kind), training=False)
        one: np.ndarray = _numbers(keras, found)[0]
        return one

    def inner(image: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        with _recorded(keras) as values:
            computed(image)
        for name, found in values:
            nodes = ends.get(name, ())
            if len(nodes) == 1 and [other for other, _ in values].count(name) == 1 and hasattr(found, "shape"):
                yield nodes[0], _numbers(keras, found)[0]

    return Live("Keras", random_images(shape, whole="int" in kind), run, lambda image: image[0], inner, classes)


def _layers(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        yield layer
        yield from _layers(layer) if hasattr(layer, "layers") else ()


def _numbers(keras: Any, tensor: Any) -> np.ndarray:
    found: np.ndarray = np.array(keras.ops.convert_to_numpy(tensor))
    return found


@contextlib.contextmanager
def _recorded(keras: Any) -> Iterator[list[tuple[str, Any]]]:
    """What every layer and operation gives while this lasts, by its name, in their order."""
    values: list[tuple[str, Any]] = []
    call = keras.Operation.__call__

    def recording(self: Any, *arguments: Any, **named: Any) -> Any:
        found = call(self, *arguments, **named)
        values.append((self.name, found))
        return found

    keras.Operation.__call__ = recording
    try:
        yield values
    finally:
        keras.Operation.__call__ = call


@contextlib.contextmanager
def _in_float32() -> Iterator[None]:
    """Without the shorter products of accelerators that the backends' defaults take."""
    with contextlib.ExitStack() as stack:
        for name, full in FULL_PRECISION.items():
            if name in sys.modules:
                stack.enter_context(full(sys.modules[name]))
        yield


@contextlib.contextmanager
def _tensorflow(tensorflow: Any) -> Iterator[None]:
    settings = tensorflow.config.experimental
    before = settings.tensor_float_32_execution_enabled()
    settings.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        settings.enable_tensor_float_32_execution(before)


FULL_PRECISION: Mapping[str, Callable[[Any], contextlib.AbstractContextManager[Any]]] = {
    "tensorflow": _tensorflow,
    "torch": lambda torch: exact_products(),
    "jax": lambda jax: jax.default_matmul_precision("highest"),
}
