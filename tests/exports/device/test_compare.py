"""What a device wrote beside the simulation: equal, or the first wrong code and a guess that was tried."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bittrue.data import as_dataset
from bittrue.errors import DataError
from bittrue.exports.device.compare import DeviceComparison, compare_codes
from bittrue.exports.device.guesses import Codes
from bittrue.lowering import lower_network
from bittrue.plan import Override, PlanOptions, uniform_plan
from bittrue.program import FixedNetwork, Step
from bittrue.simulation.simulator import Simulator
from bittrue.simulation.values import Value
from cases import CASES, inputs_of

CASE = next(case for case in CASES if case.name == "whole")


def program_with(conv: str = "ap_fixed<7,3,AP_RND_CONV,AP_SAT>") -> FixedNetwork:
    """The case at 7 bits, its convolution rounded and limited as `conv` says."""
    options = PlanOptions(rounding_points="every-node")
    return lower_network(
        CASE.network, uniform_plan(CASE.network, 7, 4, options=options, overrides=[Override("conv.output", conv)])
    )


def codes_of(program: FixedNetwork, name: str) -> Codes:
    found: list[Codes] = []

    def observe(step: Step, value: Value) -> None:
        if step.name == name:
            found.append(value.integers())

    Simulator(program).run(inputs_of(CASE), observe)
    return found[0]


def compared(folder: Path) -> DeviceComparison:
    return compare_codes(program_with(), as_dataset(inputs_of(CASE)), folder)


def hexadecimal(codes: Codes) -> str:
    return "".join(f"{code & 0x7F:02x}\n" for code in codes.reshape(-1).tolist())


WRITERS: dict[str, Callable[[Path, Codes], object]] = {
    ".hex": lambda path, codes: path.write_text("// layer 1\n" + hexadecimal(codes)),
    ".mem": lambda path, codes: path.write_text("// as $writememh has it\n@00000000\n" + hexadecimal(codes).upper()),
    ".memb": lambda path, codes: path.write_text(" ".join(f"{code & 0x7F:07b}" for code in codes.reshape(-1).tolist())),
    ".txt": lambda path, codes: path.write_text(", ".join(map(str, codes.reshape(-1).tolist()))),
    ".npy": lambda path, codes: np.save(path, codes),
    ".bin": lambda path, codes: codes.astype(np.int8).tofile(path),
}


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_notation_is_read(suffix: str, tmp_path: Path) -> None:
    codes = codes_of(program_with(), "conv")
    WRITERS[suffix](tmp_path / f"conv.output{suffix}", codes)
    found = compared(tmp_path)
    assert (found.values, found.mismatches, found.first) == (codes.size, 0, None)


@pytest.mark.parametrize("suffix", WRITERS)
def test_one_wrong_bit_is_found(suffix: str, tmp_path: Path) -> None:
    codes = codes_of(program_with(), "conv").copy()
    codes.reshape(-1)[7] ^= 1
    WRITERS[suffix](tmp_path / f"conv.output{suffix}", codes)
    found = compared(tmp_path)
    assert found.mismatches == 1
    assert found.first is not None
    assert (found.first.index, found.first.got, found.first.expected ^ found.first.got) == (7, codes.reshape(-1)[7], 1)
    assert found.guess is None


MISTAKES = {
    "truncated (FLOOR) instead of NEAREST_EVEN": lambda: codes_of(program_with("ap_fixed<7,3,AP_TRN,AP_SAT>"), "conv"),
    "NEAREST_UP instead of NEAREST_EVEN": lambda: codes_of(program_with("ap_fixed<7,3,AP_RND,AP_SAT>"), "conv"),
    "wrapped (WRAP) instead of SATURATE": lambda: codes_of(program_with("ap_fixed<7,3,AP_RND_CONV,AP_WRAP>"), "conv"),
    "channels first": lambda: np.moveaxis(codes_of(program_with(), "conv"), -1, 1),
    "off by one position, one late": lambda: np.roll(
        codes_of(program_with(), "conv").reshape(len(inputs_of(CASE)), -1), 1, axis=1
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_usual_mistakes_are_guessed(mistake: str, tmp_path: Path) -> None:
    np.save(tmp_path / "conv.output.npy", MISTAKES[mistake]())
    found = compared(tmp_path)
    assert found.mismatches
    assert found.guess is not None
    assert mistake in found.guess


SIZE = int(np.prod(program_with().by_name["conv"].type.shape))

BAD = {
    "of the wrong length": (".txt", "1 2 3", r"holds 3 codes.*: dump all of them\."),
    "of fewer images": (".txt", "1 " * SIZE, r"holds \d+ codes.*: dump all of them, or give --images 1\."),
    "no array": (".npy", "hello", "is no NumPy array of numbers"),
    "with unknown bits": (".hex", "xx\nzz\n", "unknown bits"),
    "in another radix": (".txt", "7f", "no number in decimal digits"),
    "too long": (".hex", "1ff", "more than the 7 bits"),
    "with a gap": (
        ".mem",
        "@10\n00",
        "address @10 leaves a gap or goes back, as the next word is number 0: dump every",
    ),
    "with a damaged address": (".mem", "@g\n00", "is no address in hexadecimal digits"),
    "of half a word": (".bin", "", "holds 0 codes"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_dump_is_one_sentence(what: str, tmp_path: Path) -> None:
    suffix, text, expected = BAD[what]
    (tmp_path / f"conv.output{suffix}").write_text(text)
    with pytest.raises(DataError, match=expected):
        compared(tmp_path)


def test_a_folder_without_a_site_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"name each by its site, as in .*\.hex"):
        compared(tmp_path)
