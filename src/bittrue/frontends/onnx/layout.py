"""How a tensor of a channels-first file lies in the network's channels-last value.

Files order axes as they like and move them by Transpose, Reshape, Flatten, Squeeze; a Network is channels last. Instead
of translating each movement into a node, a front end tracks where the file's axes lie: an axis is a run of *atoms*
(factors of its size), and the network's value has the same atoms in an order and a grouping of its own. Then a movement
in the file only renames atoms, and costs nothing until something needs them in another place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import numpy as np

from bittrue.shapes import Shape

NetworkAxes = tuple[tuple[int, ...], ...]
"""For each axis of the network's value the atoms that it runs over, outermost first; none for an axis of size 1."""

Keys = tuple[tuple[tuple[int, int], ...], ...]
"""The same with each atom named by the file's axis and its place in it, which two tensors have in common."""


@dataclass(frozen=True)
class Layout:
    """shape: the file's tensor, its batch axis of size 1 included. sizes: the atoms, all above 1, in row-major order of
    the file's tensor; no atom crosses an axis. axes: the network's value in terms of these atoms."""

    shape: Shape
    sizes: tuple[int, ...]
    axes: NetworkAxes

    @classmethod
    def of_axes(cls, shape: Shape, order: tuple[int, ...]) -> "Layout":
        """The layout in which the network's axes are the file's axes `order`."""
        sizes = tuple(size for size in shape if size != 1)
        numbers = [sum(size != 1 for size in shape[:axis]) for axis in range(len(shape))]
        return cls(shape, sizes, tuple((numbers[axis],) if shape[axis] != 1 else () for axis in order))

    @classmethod
    def flat(cls, shape: Shape) -> "Layout":
        """The layout in which the network has one axis, which runs over all values in the file's order."""
        sizes = tuple(size for size in shape if size != 1)
        return cls(shape, sizes, (tuple(range(len(sizes))),))

    @property
    def order(self) -> tuple[int, ...]:
        """All atoms as they lie in the network's value, outermost first."""
        return tuple(atom for axis in self.axes for atom in axis)

    @property
    def network_shape(self) -> Shape:
        return self.shape_of(self.axes)

    def shape_of(self, axes: NetworkAxes) -> Shape:
        return tuple(prod(self.sizes[atom] for atom in axis) for axis in axes)

    def atoms(self, axis: int) -> tuple[int, ...]:
        """The atoms of one axis of the file's tensor, outermost first."""
        atom = 0
        for size in self.shape[:axis]:
            atom = self._after(atom, size)
        return tuple(range(atom, self._after(atom, self.shape[axis])))

    def _after(self, atom: int, size: int) -> int:
        while size > 1:
            size //= self.sizes[atom]
            atom += 1
        return atom

    def split(self, sizes: tuple[int, ...]) -> "Layout":
        """The same with finer atoms: `sizes` factors this layout's sizes in place."""
        parts: list[tuple[int, ...]] = []
        start = 0
        for size in self.sizes:
            end = start
            while prod(sizes[start:end]) < size:
                end += 1
            parts.append(tuple(range(start, end)))
            start = end
        axes = tuple(tuple(part for atom in axis for part in parts[atom]) for axis in self.axes)
        return Layout(self.shape, sizes, axes)

    def reshaped(self, shape: Shape) -> "Layout | None":
        """The layout of the file's tensor in another shape; None where an axis would cut through an atom."""
        sizes = common_factors(self.sizes, tuple(size for size in shape if size != 1))
        return None if sizes is None else Layout(shape, sizes, self.split(sizes).axes)

    def without(self, axis: int) -> "Layout":
        """The layout after the file's `axis`, of size 1 and so without atoms, has gone; the network's value stays."""
        return Layout((*self.shape[:axis], *self.shape[axis + 1 :]), self.sizes, self.axes)

    def transposed(self, permutation: tuple[int, ...]) -> "Layout":
        """The layout after the file permutes its axes."""
        moved = [atom for axis in permutation for atom in self.atoms(axis)]
        numbers = {atom: number for number, atom in enumerate(moved)}
        return Layout(
            tuple(self.shape[axis] for axis in permutation),
            tuple(self.sizes[atom] for atom in moved),
            tuple(tuple(numbers[atom] for atom in axis) for axis in self.axes),
        )

    @property
    def keys(self) -> Keys:
        names = self._names
        return tuple(tuple(names[atom] for atom in axis) for axis in self.axes)

    def axes_of(self, keys: Keys) -> NetworkAxes:
        """The inverse of `keys`."""
        names = self._names
        return tuple(tuple(names.index(key) for key in axis) for axis in keys)

    @property
    def _names(self) -> list[tuple[int, int]]:
        return [(axis, place) for axis in range(len(self.shape)) for place in range(len(self.atoms(axis)))]

    def factors(self, axis: int) -> tuple[int, ...]:
        """The sizes of one axis's atoms."""
        return tuple(self.sizes[atom] for atom in self.atoms(axis))

    def refined(self, factors: Sequence[tuple[int, ...]]) -> "Layout":
        """The same with the atoms of each axis that isn't of size 1 split into these factors."""
        axes = zip(self.shape, factors, strict=True)
        return self.split(tuple(size for whole, parts in axes if whole != 1 for size in parts))

    def place(self, axis: int) -> int | None:
        """The network's axis that is exactly the file's `axis`, in its order; None where none is.

        An axis of size 1 has no place of its own.
        """
        atoms = self.atoms(axis)
        return self.axes.index(atoms) if atoms and atoms in self.axes else None

    def last(self, atoms: tuple[int, ...]) -> NetworkAxes:
        """The network's axes with these atoms in the last one, in the order in which they lie already."""
        order = tuple(atom for atom in self.order if atom in atoms)
        if self.axes and self.axes[-1] == order:
            return self.axes
        rest = [tuple(atom for atom in axis if atom not in atoms) for axis in self.axes]
        kept = [axis for axis, whole in zip(rest, self.axes, strict=True) if axis or not whole]
        # Axes of size 1 that stand beside the atoms, such as those of a pooled image, go into the same axis.
        return (*([axis for axis in kept if axis] if any(kept) else ()), order)

    def resized(self, axis: int, size: int, place: int) -> "Layout":
        """The layout after the file's `axis`, which is the network's axis `place`, has got another size."""
        old = self.atoms(axis)
        first = len([atom for before in range(axis) for atom in self.atoms(before)])
        added = (first,) if size != 1 else ()
        shift = len(added) - len(old)
        moved = tuple(tuple(atom if atom < first else atom + shift for atom in atoms) for atoms in self.axes)
        return Layout(
            (*self.shape[:axis], size, *self.shape[axis + 1 :]),
            (*self.sizes[:first], *((size,) if added else ()), *self.sizes[first + len(old) :]),
            (*moved[:place], added, *moved[place + 1 :]),
        )

    def constant(self, value: np.ndarray) -> np.ndarray:
        """A constant that the file would broadcast to this tensor, in the network's axes; 1 where it doesn't vary.

        Raises: ValueError where it doesn't broadcast to the tensor.
        """
        value = value.reshape((1,) * (len(self.shape) - value.ndim) + value.shape)
        np.broadcast_to(value, self.shape)
        varying = {atom for axis, size in enumerate(value.shape) if size != 1 for atom in self.atoms(axis)}
        factors = [size if atom in varying else 1 for atom, size in enumerate(self.sizes)]
        # A network axis along which only some atoms vary is written out in full.
        whole = [bool(varying & set(axis)) for axis in self.axes]
        full = [
            self.sizes[atom] if varies else 1 for axis, varies in zip(self.axes, whole, strict=True) for atom in axis
        ]
        moved = np.broadcast_to(value.reshape(factors).transpose(self.order), full)
        shape = [size if varies else 1 for size, varies in zip(self.network_shape, whole, strict=True)]
        return np.ascontiguousarray(moved).reshape(shape)

    def along(self, value: np.ndarray, axis: int, atoms: tuple[int, ...]) -> np.ndarray:
        """`value` whose `axis` runs over the file's order of `atoms`, with that axis in the order that they have here.

        For weights: their rows follow the values that they are multiplied with.
        """
        ascending = tuple(sorted(atoms))
        order = [ascending.index(atom) for atom in self.order if atom in atoms]
        index = np.arange(value.shape[axis]).reshape([self.sizes[atom] for atom in ascending]).transpose(order)
        return np.ascontiguousarray(np.take(value, index.reshape(-1), axis))


def file_order(shape: Shape) -> tuple[int, ...]:
    """The file's axes in their order, without the batch axis."""
    return tuple(range(shape[0] == 1 and len(shape) > 1, len(shape)))


def common_factors(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...] | None:
    """The coarsest row-major factors that refine both lists, which have one product; None where there are none."""
    strides = {prod(first[position:]) for position in range(len(first) + 1)}
    strides |= {prod(second[position:]) for position in range(len(second) + 1)}
    ordered = sorted(strides, reverse=True)
    if any(outer % inner for outer, inner in pairwise(ordered)):
        return None
    return tuple(outer // inner for outer, inner in pairwise(ordered))


def shared_factors(layouts: Sequence[Layout], shape: Shape) -> list[tuple[int, ...]] | None:
    """For each axis of `shape` the factors that all tensors with an axis of that size can be split into; None where
    there are none."""
    factors: list[tuple[int, ...]] = []
    for axis, size in enumerate(shape):
        common: tuple[int, ...] | None = (size,) if size != 1 else ()
        for layout in layouts:
            if layout.shape[axis] == size and common is not None:
                common = common_factors(common, layout.factors(axis))
        if common is None:
            return None
        factors.append(common)
    return factors


def runs_kept_together(axes: NetworkAxes, wanted: NetworkAxes) -> NetworkAxes:
    """The network's axes cut into the longest runs that the axes `wanted` keep together; none of size 1."""
    follows = {atom: after for axis in wanted for atom, after in pairwise(axis)}
    blocks: list[tuple[int, ...]] = []
    for axis in axes:
        for place, atom in enumerate(axis):
            if place and follows.get(blocks[-1][-1]) == atom:
                blocks[-1] = (*blocks[-1], atom)
            else:
                blocks.append((atom,))
    return tuple(blocks)


def reshapes_around(layout: Layout, blocks: NetworkAxes, wanted: NetworkAxes) -> int:
    """How many reshapes stand around a transpose of these blocks."""
    places = {atom: place for place, atom in enumerate(atom for axis in wanted for atom in axis)}
    moved = sorted(blocks, key=lambda block: places.get(block[0], len(places)))
    before = layout.network_shape != layout.shape_of(blocks)
    return before + (layout.shape_of(tuple(moved)) != layout.shape_of(wanted))
