"""One C function in the making: its inputs, constants, helpers and lines."""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bittrue.errors import CarrierError
from bittrue.exports.c.helpers import Helper
from bittrue.exports.c.integers import literal, number_type, width_of
from bittrue.exports.c.writer import Writer
from bittrue.exports.steps import StepsInOne
from bittrue.exports.storage import Storage, storage_between
from bittrue.fixed import Rounding
from bittrue.program import CodeType, Step

_NAME = re.compile(r"[A-Za-z_]\w*")
_OWN = re.compile(r"v\d*")
_LITERAL = re.compile(r"\(?-?\d+\)?")
_VARIABLE = re.compile(r"\s*const \w+ \*?(\w+) = ")
_CHANGED = re.compile(r"(?P<indent>\s*)(?P<type>(?:int|int32_t|int64_t) )?(?P<name>\w+) \+?= (?P<value>.*)")


@dataclass(frozen=True)
class Number:
    """A code that C holds, and what is proven of it.

    text: a variable, an element of an array, a call or a literal, so that it stands beside any operator.
    low, high: what it lies between, for every input.
    """

    text: str
    fraction_bits: int
    low: int
    high: int

    @property
    def width(self) -> int:
        """32 or 64: the bits of the type that arithmetic on it needs."""
        return width_of(self.low, self.high)

    def to(self, kind: str) -> str:
        """It in an integer type of C, `int32_t` or `int64_t`: a cast where it isn't known to have that type."""
        own = _OWN.fullmatch(self.text) or (_LITERAL.fullmatch(self.text) and self.width == 32)
        known = own is not None and kind == f"int{self.width}_t"
        return self.text if known else f"({kind}){self.text}"

    def cast(self, width: int) -> str:
        """It as an integer of `width` bits."""
        return self.to(f"int{width}_t")

    @property
    def is_variable(self) -> bool:
        """Whether it is a variable that `Draft.variable` made, in the type that its bounds ask for."""
        return _OWN.fullmatch(self.text) is not None


@dataclass(frozen=True, eq=False)
class Constant:
    """A constant array of the program: codes, kept in row-major order in the narrowest integers that hold them."""

    name: str
    codes: np.ndarray

    @property
    def low(self) -> int:
        return int(self.codes.min())

    @property
    def high(self) -> int:
        return int(self.codes.max())

    @property
    def storage(self) -> Storage:
        return storage_between(self.low, self.high)

    @property
    def c_type(self) -> str:
        return self.storage.c_type


@dataclass
class Draft(StepsInOne):
    """What the rules of the instructions write into.

    names: of the steps in C, unique. steps: those that it computes, one after the other for each number: the first
    reads the function's inputs, and each of the others the one before it. inputs: the types of the first one's
    inputs. can_fail: whether the function gives 1 back where a divisor is 0.
    """

    names: Mapping[str, str]
    steps: tuple[Step, ...]
    inputs: tuple[CodeType, ...]
    writer: Writer = field(default_factory=Writer)
    constants: list[Constant] = field(default_factory=list)
    helpers: set[Helper] = field(default_factory=set)
    can_fail: bool = False
    _variables: int = 0

    @property
    def body(self) -> list[str]:
        """The lines, without the variables that nothing reads; a sum or an argument that nothing reads is named so."""
        kept: list[str] = []
        read: set[str] = set()
        for line in reversed(self.writer.lines):
            declared, changed = _VARIABLE.match(line), _CHANGED.match(line)
            if declared is not None and declared[1] not in read:
                continue
            if changed is not None and changed["type"] and changed["name"] not in read:
                kept.append(f"{changed['indent']}(void){changed['name']};")
            kept.append(line)
            read.update(_NAME.findall(line if changed is None else changed["value"]))
        unread = [f"(void){argument};" for argument in self.arguments if argument not in read]
        return unread + kept[::-1]

    def line(self, text: str) -> None:
        self.writer.line(text)

    def block(self, opening: str) -> contextlib.AbstractContextManager[None]:
        return self.writer.block(opening)

    def loop(self, variable: str, count: int, step: str = "") -> contextlib.AbstractContextManager[None]:
        """A loop over 0 … count − 1; `step` is what advances beside the variable (", ++i")."""
        return self.block(f"for (int32_t {variable} = 0; {variable} < {count}; ++{variable}{step})")

    @contextlib.contextmanager
    def nest(self, variable: str, counts: Sequence[int], step: str = "") -> Iterator[list[str]]:
        """Loops over every axis of `counts`; yields their variables (`p0`, `p1`, …). step: what the innermost loop
        advances beside its variable."""
        names = [f"{variable}{axis}" for axis in range(len(counts))]
        with contextlib.ExitStack() as stack:
            for name, count in zip(names, counts, strict=True):
                stack.enter_context(self.loop(name, count, step if name == names[-1] else ""))
            yield names

    def constant(self, step: Step, role: str, codes: np.ndarray) -> Constant:
        """A constant array of the program, for a step of the function.

        Raises: CarrierError where 64 bits don't hold its codes.
        """
        number_type(f"node {step.name}", int(codes.min()), int(codes.max()))
        made = Constant(f"{self.names[step.name]}__{role}", codes)
        self.constants.append(made)
        return made

    def element(self, step: Step, role: str, codes: np.ndarray, place: str, fraction_bits: int) -> Number:
        """The code at a flat `place` of a constant array; a literal where all are the same."""
        low, high = int(codes.min()), int(codes.max())
        if low == high:
            return Number(literal(low), fraction_bits, low, high)
        return Number(f"{self.constant(step, role, codes).name}[{place}]", fraction_bits, low, high)

    def call(self, kind: str, width: int, *arguments: str, rounding: Rounding | None = None) -> str:
        """A call of a helper function."""
        helper = Helper(kind, width, rounding)
        self.helpers.update((helper, *helper.needs))
        return f"{helper.name}({', '.join(arguments)})"

    def code(self, place: int, index: str) -> Number:
        """The code of an input at a flat index."""
        kind = self.inputs[place]
        low, high = bounds_of(kind, self.step)
        return Number(f"{self.arguments[place]}[{index}]", kind.binary_point, low, high)

    def zero(self, fraction_bits: int) -> Number:
        return Number("0", fraction_bits, 0, 0)

    def variable(self, text: str, fraction_bits: int, low: int, high: int) -> Number:
        """A new variable that holds `text`, an expression without overflow in the variable's own type.

        Raises: CarrierError where 64 bits don't hold it.
        """
        name = f"v{self._variables}" if self._variables else "v"
        self._variables += 1
        self.line(f"const {self.type_for(low, high)} {name} = {text};")
        return Number(name, fraction_bits, low, high)

    def type_for(self, *bounds: int) -> str:
        """C's type for numbers that reach `bounds`. Raises: CarrierError where 64 bits don't hold them."""
        return number_type(f"node {self.step.name}", *bounds)

    def shifted(self, number: Number, fraction_bits: int) -> Number:
        """The same value with `fraction_bits`, no fewer than it has."""
        shift = fraction_bits - number.fraction_bits
        if shift == 0:
            return number
        if number.low == number.high == 0:
            return self.zero(fraction_bits)
        low, high = number.low << shift, number.high << shift
        return self.variable(f"{number.to(self.type_for(low, high))} * {literal(1 << shift)}", fraction_bits, low, high)

    def times(self, x: Number, w: Number) -> Number:
        """x·w, exactly."""
        ends = [a * b for a in (x.low, x.high) for b in (w.low, w.high)]
        low, high, bits = min(ends), max(ends), x.fraction_bits + w.fraction_bits
        if x.low == x.high == 1:
            return Number(w.text, bits, low, high)
        if w.low == w.high == 1:
            return Number(x.text, bits, low, high)
        kind = self.type_for(low, high, x.low, x.high, w.low, w.high)
        return self.variable(in_type(f"{x.to(kind)} * {w.to(kind)}", kind, low, high), bits, low, high)

    def plus(self, x: Number, y: Number) -> Number:
        """x + y, exactly, at the larger of their fraction bits."""
        bits = max(x.fraction_bits, y.fraction_bits)
        x, y = self.shifted(x, bits), self.shifted(y, bits)
        if y.low == y.high == 0:
            return x
        low, high = x.low + y.low, x.high + y.high
        kind = self.type_for(low, high, x.low, x.high, y.low, y.high)
        return self.variable(in_type(f"{x.to(kind)} + {y.to(kind)}", kind, low, high), bits, low, high)


def in_type(text: str, kind: str, low: int, high: int) -> str:
    """An expression of the type `kind` for a variable between `low` and `high`."""
    return f"(int32_t)({text})" if kind == "int64_t" and width_of(low, high) == 32 else text


def bounds_of(kind: CodeType, step: Step) -> tuple[int, int]:
    """A type's bounds. Raises: CarrierError where there are none."""
    if kind.low is None or kind.high is None:
        raise CarrierError(
            f"node {step.name}: nothing bounds the codes that it reads, and C needs words of a fixed length; give the "
            "input's site a format that saturates or wraps."
        )
    return kind.low, kind.high
