"""Where an operand's element lies for an element of a result that it broadcasts to, as an expression of C."""

from math import prod

from bittrue.shapes import Shape


def place_of(shape: Shape, result: Shape, index: str) -> str:
    """The flat place in `shape` of the element of `result`, to which it broadcasts, whose flat place is `index`."""
    if prod(shape) == 1:
        return "0"
    aligned = (1,) * (len(result) - len(shape)) + shape
    if prod(aligned) == prod(result):
        return index
    terms = []
    for axis, size in enumerate(aligned):
        if size == 1:
            continue
        below, own = prod(result[axis + 1 :]), prod(aligned[axis + 1 :])
        # Axes that are whole from here on down count as one.
        if aligned[axis:] == result[axis:]:
            terms.append(_remainder(index, size * below, first=prod(result[:axis]) == 1))
            break
        place = index if below == 1 else f"{index} / {below}"
        place = _remainder(place, size, first=prod(result[:axis]) == 1)
        terms.append(place if own == 1 else f"({place}) * {own}")
    return " + ".join(terms)


def _remainder(index: str, size: int, *, first: bool) -> str:
    """`index` within `size`; the first axis that has more than one place needs no remainder."""
    return index if first else f"{index} % {size}"
