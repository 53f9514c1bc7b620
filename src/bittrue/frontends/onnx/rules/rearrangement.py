"""ONNX's rearrangements that only the layout follows: pixel shuffles, and sequences of an axis's parts."""

from bittrue.errors import ModelError
from bittrue.frontends.onnx.axes import Axes
from bittrue.frontends.onnx.conversion import NodeUse, Parts, Value
from bittrue.frontends.onnx.rows import OnnxOperator, Table
from bittrue.frontends.onnx.rules.movement import regrouped
from bittrue.frontends.onnx.rules.pieces import along_one, axis_of, split_into
from bittrue.network import format_shape

DEPTH_TO_SPACE = {"DCR": ((1, 2, 3, 4, 5), (0, 3, 4, 1, 5, 2)), "CRD": ((3, 1, 2, 4, 5), (0, 1, 4, 2, 5, 3))}
"""By mode: the order of (1, block, block, channels, height, width) that the channels are split into, as axes of the six
without the first; and the permutation behind which the blocks lie beside the image's axes."""

SPACE_TO_DEPTH = {"DCR": (0, 3, 5, 1, 2, 4), "CRD": (0, 1, 3, 5, 2, 4)}
"""By mode: the permutation of (1, channels, rows, block, columns, block) that puts the blocks beside the channels."""


def _block(use: NodeUse) -> tuple[int, tuple[int, int, int]]:
    """The block's size, and the image's channels, height and width."""
    shape, block = use.tensor(0).shape, use.node.integer("blocksize", 0)
    if len(shape) != 4 or shape[0] != 1 or block < 1:
        raise ModelError(f"blocks of {block} don't fit an input of {format_shape(shape)}: export the model again")
    return block, (shape[1], shape[2], shape[3])


def _depth_to_space(use: NodeUse) -> Value:
    block, (channels, height, width) = _block(use)
    mode = use.node.text("mode", "DCR")
    if mode not in DEPTH_TO_SPACE or channels % block**2:
        raise ModelError(f"its mode {mode} with blocks of {block} doesn't fit {channels} channels")
    sizes = (1, block, block, channels // block**2, height, width)
    order, permutation = DEPTH_TO_SPACE[mode]
    x = regrouped(use, use.tensor(0), (1, *(sizes[axis] for axis in order)))
    moved = x.transposed(permutation)
    return regrouped(use, moved, (1, channels // block**2, height * block, width * block))


def _space_to_depth(use: NodeUse) -> Value:
    block, (channels, height, width) = _block(use)
    mode = use.node.text("mode", "DCR")
    if mode not in SPACE_TO_DEPTH or height % block or width % block:
        raise ModelError(f"its mode {mode} with blocks of {block} doesn't fit an image of {height}×{width}")
    x = regrouped(use, use.tensor(0), (1, channels, height // block, block, width // block, block))
    return regrouped(use, x.transposed(SPACE_TO_DEPTH[mode]), (1, channels * block**2, height // block, width // block))


def _split_to_sequence(use: NodeUse) -> Value:
    """Parts of one size, the last one smaller where they don't fill the axis; or of the sizes given."""
    x = use.tensor(0)
    axis = axis_of(use, len(x.shape))
    if not use.has(1):
        raise ModelError("it splits an axis into single places, which is not supported: use unbind or slices")
    size, stated = x.shape[axis], use.constant(1).value
    if stated.ndim == 1:
        return Parts(split_into(use, x, axis, use.numbers(1)))
    part = use.whole(1)
    if part < 1 or size > part * MOST_PARTS:
        raise ModelError(f"{size} values can't be split into parts of {part}: export the model again")
    whole, rest = divmod(size, part)
    return Parts(split_into(use, x, axis, (*(part,) * whole, *((rest,) if rest else ()))))


MOST_PARTS = 4096


def _sequence_at(use: NodeUse) -> Value:
    tensors, place = use.parts(0).tensors, use.whole(1)
    if not -len(tensors) <= place < len(tensors):
        raise ModelError(f"it reads place {place} of a sequence of {len(tensors)}: export the model again")
    return tensors[place]


OPERATORS: Table = {
    "DepthToSpace": OnnxOperator(_depth_to_space, axes=Axes.CHANNELS_FIRST),
    "SequenceAt": OnnxOperator(_sequence_at, axes=Axes.OWN),
    "SpaceToDepth": OnnxOperator(_space_to_depth, axes=Axes.CHANNELS_FIRST),
    "SplitToSequence": OnnxOperator(_split_to_sequence, axes=Axes.OWN, along=along_one),
}
