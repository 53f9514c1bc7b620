"""ONNX's Einsum of one or two inputs: a product of matrices, once their axes lie as a product needs them.

A letter of two tensors and the output is a batch axis of the product, one that the output lacks is summed over, and one
of a single tensor is a row or a column.
"""

import re
from dataclasses import replace
from math import prod

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.onnx.axes import Axes
from bittrue.frontends.onnx.conversion import Constant, NodeUse, Tensor, Value
from bittrue.frontends.onnx.rows import OnnxOperator, Table
from bittrue.frontends.onnx.rules.movement import regrouped
from bittrue.frontends.onnx.rules.products import contract, multiplied
from bittrue.shapes import Shape

EQUATION = re.compile(r"([A-Za-z]+)(?:,([A-Za-z]+))?->([A-Za-z]+)")


def _einsum(use: NodeUse) -> Value:
    equation = use.node.text("equation", "").replace(" ", "")
    found = EQUATION.fullmatch(equation)
    *terms, output = [term for term in (found.groups() if found else ("",)) if term is not None]
    letters = [set(term) for term in (*terms, output)]
    repeated = any(len(set(term)) != len(term) for term in (*terms, output))
    if found is None or len(terms) != len(use.node.inputs) or repeated:
        raise _unsupported(equation)
    sizes: dict[str, int] = {}
    for index, term in enumerate(terms):
        value = use.value(index)
        shape = value.value.shape if isinstance(value, Constant) else use.tensor(index).shape
        fits = len(shape) == len(term)
        if not fits or any(sizes.setdefault(key, size) != size for key, size in zip(term, shape, strict=True)):
            raise ModelError(f"its equation {equation} doesn't fit its inputs: export the model again")
    if len(terms) == 1 and letters[0] == letters[1]:
        return use.tensor(0).transposed(_order(terms[0], output))
    if len(terms) == 1 or letters[2] - letters[0] - letters[1] or (letters[0] ^ letters[1]) - letters[2]:
        raise _unsupported(equation)
    first, second = use.value(0), use.value(1)
    if isinstance(second, Constant):
        return _with_constant(use, use.tensor(0), terms[0], second, terms[1], output, sizes)
    if isinstance(first, Constant):
        return _with_constant(use, use.tensor(1), terms[1], first, terms[0], output, sizes)
    return _of_tensors(use, terms, output, sizes)


def _unsupported(equation: str) -> ModelError:
    return ModelError(f"its equation {equation!r} is no product of two matrices: use matmul and sums")


def _order(term: str, wanted: str) -> tuple[int, ...]:
    return tuple(term.index(letter) for letter in wanted)


def _of_tensors(use: NodeUse, terms: list[str], output: str, sizes: dict[str, int]) -> Tensor:
    # The tensor whose own letters the output names first gives the rows.
    indices = sorted(
        (0, 1),
        key=lambda index: min((output.find(key) for key in terms[index] if key not in terms[1 - index]), default=0),
    )
    left, right = (terms[index] for index in indices)
    batch = [letter for letter in output if letter in left and letter in right]
    summed = [letter for letter in left if letter in right and letter not in output]
    rows = [letter for letter in left if letter not in right]
    columns = [letter for letter in right if letter not in left]

    def shape(letters: list[str]) -> Shape:
        return tuple(sizes[letter] for letter in letters)

    def matrices(index: int, first: list[str], second: list[str]) -> Tensor:
        moved = use.tensor(index).transposed(_order(terms[index], "".join((*batch, *first, *second))))
        return regrouped(use, moved, (*shape(batch), prod(shape(first)), prod(shape(second))))

    product = multiplied(use, matrices(indices[0], rows, summed), matrices(indices[1], summed, columns))
    whole = regrouped(use, product, shape([*batch, *rows, *columns]))
    return whole.transposed(_order("".join((*batch, *rows, *columns)), output))


def _with_constant(
    use: NodeUse, x: Tensor, term: str, constant: Constant, stored: str, output: str, sizes: dict[str, int]
) -> Tensor:
    """A dense layer: its weights are the constant, with the letters that are summed over as its rows."""
    summed = [letter for letter in term if letter in stored and letter not in output]
    kept = [letter for letter in term if letter not in summed]
    columns = [letter for letter in stored if letter not in summed]
    if not summed or set(kept) & set(columns) or (constant.quantizers is not None and len(constant.quantizers) > 1):
        raise _unsupported(f"{term},{stored}->{output}")
    weight = constant.value.transpose(_order(stored, "".join((*summed, *columns))))
    matrix = np.ascontiguousarray(weight).reshape(prod(sizes[letter] for letter in summed), -1)
    shape = tuple(sizes[letter] for letter in kept)
    moved = regrouped(use, x.transposed(_order(term, "".join((*kept, *summed)))), (*shape, matrix.shape[0]))
    origin = None if constant.origin is None else f"{constant.origin} as {stored} to {''.join((*summed, *columns))}"
    product = contract(use, moved, len(shape), replace(constant, origin=origin), matrix, None)
    whole = regrouped(use, product, (*shape, *(sizes[letter] for letter in columns)))
    return whole.transposed(_order("".join((*kept, *columns)), output))


def _moved(use: NodeUse, batch: int, shape: Shape, made: Shape) -> int | None:
    """Its letters say where each axis goes, but a letter of two inputs may be an axis of size 1 in one of them."""
    return None


OPERATORS: Table = {"Einsum": OnnxOperator(_einsum, axes=Axes.OWN, moved=_moved)}
