"""One module in the making: its inputs, memories, signals and instances."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bittrue.analysis.cost.hardware import Operand
from bittrue.exports.memory.layout import Image, Layout, packed
from bittrue.exports.steps import StepsInOne
from bittrue.exports.verilog.engine import Engine
from bittrue.exports.verilog.flow import Flow, bounds_of
from bittrue.exports.words import word_length_of
from bittrue.fixed import word_length_between
from bittrue.program import Step
from bittrue.shapes import Shape

Parameter = int | str


@dataclass(frozen=True, eq=False)
class Memory:
    """What a module reads with $readmemh. name: of the file, without its suffix: a site's, where it holds its codes.
    filled: the bits of its lines that hold no code."""

    name: str
    image: Image
    filled: int

    @property
    def path(self) -> str:
        return f"memory/{self.name}.hex"


@dataclass(frozen=True)
class Buffer:
    """An array of words that is written and read."""

    words: int
    width: int


@dataclass(frozen=True)
class Products:
    """Multipliers of a module, `count` of them for words of the same widths. shared_out: they are a sum's, which
    --parallel and --multipliers give; the others come with the plan."""

    count: int
    data: Operand
    factor: Operand
    shared_out: bool


@dataclass(frozen=True)
class Word:
    """How the codes of a stored step go over a stream: bits of a word, and whether it is in two's complement."""

    width: int
    signed: bool

    @classmethod
    def of(cls, step: Step) -> "Word":
        return cls(word_length_of(step), (step.type.low or 0) < 0)

    @property
    def operand(self) -> Operand:
        return Operand(self.width, self.signed)


@dataclass
class Draft(StepsInOne):
    """What the rules of the instructions write into.

    name: of the module. steps: those that it computes: the first reads the module's inputs, each of the others the one
    before it. sources: the stored steps whose codes come in. shapes: what the first step takes them to be. engine: how
    a sum of products is computed; any where the first step is none.
    word_lengths: by site, of the constants.

    flows: the streams inside, in the order in which words go through them.

    needed: for each input how many of an image's words must have come in before 0, 1, 2, … words of the image have gone
    out. cycles: an image takes these at least, once its words are there. late: by the place of an input, the words of
    the next image that it begins with and that can't come in before this one is through; spare: those that it can hold
    beside the needed ones.
    """

    name: str
    steps: tuple[Step, ...]
    sources: tuple[Step, ...]
    shapes: tuple[Shape, ...]
    engine: Engine
    word_lengths: Mapping[str, int]
    body: list[str] = field(default_factory=list)
    flows: list[Flow] = field(default_factory=list)
    memories: list[Memory] = field(default_factory=list)
    buffers: list[Buffer] = field(default_factory=list)
    products: list[Products] = field(default_factory=list)
    needed: list[np.ndarray] = field(default_factory=list)
    modules: set[str] = field(default_factory=set)
    cycles: int = 0
    late: dict[int, int] = field(default_factory=dict)
    spare: dict[int, int] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    @property
    def multipliers(self) -> int:
        """Those of its sum."""
        return sum(each.count for each in self.products if each.shared_out)

    @property
    def other_multipliers(self) -> int:
        """Those of scales, averages, quotients and products of two values."""
        return sum(each.count for each in self.products if not each.shared_out)

    def line(self, text: str = "") -> None:
        self.body.append(f"    {text}" if text else "")

    def fresh(self, wanted: str) -> str:
        """A name that no signal or instance has yet."""
        place, chosen = 1, wanted
        while chosen in self._taken:
            place += 1
            chosen = f"{wanted}{place}"
        self._taken.add(chosen)
        return chosen

    def instance(self, module: str, parameters: Mapping[str, Parameter], ports: Mapping[str, str]) -> None:
        """An instance of a library module; clock and reset are connected where it has them."""
        self.modules.add(module)
        label = self.fresh(f"{module}_unit")
        self.line(f"bittrue_{module} #(")
        for place, (name, value) in enumerate(parameters.items()):
            comma = "," if place < len(parameters) - 1 else ""
            self.line(f"    .{name}({value}){comma}")
        self.line(f") {label} (")
        for place, (name, signal) in enumerate(ports.items()):
            comma = "," if place < len(ports) - 1 else ""
            self.line(f"    .{name}({signal}){comma}")
        self.line(");")
        self.line()

    def flow(self, wanted: str, fraction_bits: int, low: int, high: int) -> Flow:
        """A new stream, its signals declared."""
        made = Flow(self.fresh(wanted), fraction_bits, low, high)
        self._declare(made)
        self.line()
        return made

    def _declare(self, made: Flow) -> None:
        self.flows.append(made)
        self.line(f"logic {made.name}_valid;")
        self.line(f"logic {made.name}_ready;")
        self.line(f"logic signed [{made.width - 1}:0] {made.data};")

    def stage(self, module: str, parameters: Mapping[str, Parameter], x: Flow, y: Flow, **ports: str) -> Flow:
        """A library module between two streams."""
        self.instance(module, parameters, CLOCK | entering(x.name) | leaving(y.name) | ports)
        return y

    def input(self, place: int) -> Flow:
        """An input as signed numbers."""
        source, argument = self.sources[place], self.arguments[place]
        low, high = bounds_of(source.type, self.step)
        word = Word.of(source)
        made = Flow(self.fresh(f"{argument}_code"), source.type.binary_point, low, high)
        text = f"$signed({argument}_data)" if word.signed else f"$signed({{1'b0, {argument}_data}})"
        self._declare(made)
        self.line(f"assign {made.name}_valid = {argument}_valid;")
        self.line(f"assign {argument}_ready = {made.name}_ready;")
        self.line(f"assign {made.data} = {text};")
        self.line()
        return made

    def renamed(self, x: Flow, wanted: str, text: str, fraction_bits: int, low: int, high: int) -> Flow:
        """A stream whose words are computed from another's at once."""
        made = self.flow(wanted, fraction_bits, low, high)
        self.body.pop()
        self.line(f"assign {made.name}_valid = {x.name}_valid;")
        self.line(f"assign {x.name}_ready = {made.name}_ready;")
        self.line(f"assign {made.data} = {text};")
        self.line()
        return made

    def multiply(self, data: Operand, factor: Operand) -> None:
        """Note a multiplier, beside those of a sum."""
        self.products.append(Products(1, data, factor, shared_out=False))

    def word_length(self, step: Step, role: str, codes: np.ndarray) -> int:
        """The bits of a constant's words: its format's in the plan where that holds every code, else the fewest."""
        needed = word_length_between(int(codes.min()), int(codes.max()))
        return max(needed, self.word_lengths.get(f"{step.name}.{role}", 1))

    def memory(self, step: Step, role: str, lines: np.ndarray, word_length: int, filled: int = 0) -> str:
        """A memory with a row of words in each line, `lines` of shape (lines, words) or (lines,): its path, quoted.
        filled: the words that only fill up the lines."""
        words = lines.shape[1] if lines.ndim == 2 else 1
        (image,) = packed(lines, word_length, Layout(words=words))
        self.memories.append(Memory(f"{step.name}.{role}", image, filled * word_length))
        return f'"{self.memories[-1].path}"'


CLOCK: dict[str, str] = {"clk": "clk", "rst_n": "rst_n"}


def entering(name: str, port: str = "in") -> dict[str, str]:
    """The ports of a stream that comes into an instance."""
    return {f"{port}_{part}": f"{name}_{part}" for part in ("valid", "ready", "data")}


def leaving(name: str, port: str = "out") -> dict[str, str]:
    """The ports of a stream that goes out of one."""
    return entering(name, port)


def literal(value: int, width: int) -> str:
    """A signed constant of a parameter's width."""
    return f"{width}'sh{value & ((1 << width) - 1):x}"


def one_by_one(size: int) -> np.ndarray:
    """What is needed where each word that goes out follows one that came in."""
    return np.arange(size + 1)


def all_at_once(size_in: int, size_out: int) -> np.ndarray:
    """What is needed where all of an image comes in before its first word goes out."""
    needed = np.full(size_out + 1, size_in)
    needed[0] = 0
    return needed
