"""Which axis of a file's tensor is the batch, and the refusal of what works along it.

A network computes one image, and a file is read for a batch of one, where an operator along the batch axis would do
nothing, or something else than in the file. Transposes may move that axis, so it is followed from node to node.
"""

from bittrue.errors import ModelError
from bittrue.frontends.onnx.conversion import NodeUse, Tensor
from bittrue.frontends.onnx.rows import Along, Moved


def refuse_batch(use: NodeUse, along: Along) -> None:
    """Raises: ModelError where the node works along the batch axis of what it reads."""
    for name, x in _tensors(use):
        first = 0 if x.shape[:1] == (1,) and len(x.shape) > 1 else None
        batch = use.conversion.batch.get(name, first)
        if batch in set(along(use, len(x.shape))):
            raise ModelError("it mixes the images of a batch (axis 0), and a network computes one: leave that axis out")


def follow_batch(use: NodeUse, moved: Moved) -> None:
    """Note the batch axis of what the node has made; none where it can't be told."""
    known = [(use.conversion.batch[name], x.shape) for name, x in _tensors(use) if name in use.conversion.batch]
    for name in use.node.outputs:
        made = use.conversion.values.get(name)
        if known and isinstance(made, Tensor):
            found = {moved(use, batch, shape, made.shape) for batch, shape in known}
            [batch] = found if len(found) == 1 else [None]
            if batch is not None:
                use.conversion.batch[name] = batch


def _tensors(use: NodeUse) -> list[tuple[str, Tensor]]:
    found = ((name, use.conversion.values.get(name)) for name in use.node.inputs)
    return [(name, value) for name, value in found if isinstance(value, Tensor)]
