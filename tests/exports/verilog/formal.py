"""Two combinational modules that are the same function: proven by Yosys' SAT solver for every input."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def different(
    ours: str,
    theirs: str,
    sets: Sequence[Mapping[str, str]],
    extra: Sequence[Mapping[str, str]],
    source: str,
    folder: Path,
) -> list[int]:
    """The places of the sets of parameters under which the modules `ours` and `theirs`, from `value` to `code`, differ
    for an input.

    extra: parameters that `theirs` alone has. source: both modules' text. folder: an empty one for the files.
    """
    tops = [_miter(place, ours, theirs, *each) for place, each in enumerate(zip(sets, extra, strict=True))]
    (folder / "proof.sv").write_text("\n".join([source, *tops]))
    script = ["read_verilog -sv proof.sv"]
    for place in range(len(sets)):
        script += ["design -push-copy", f"hierarchy -top miter{place}", "proc", "flatten", "opt -full"]
        script += [f"log BEGIN {place}", "sat -prove same 1 -set-def-inputs -show-inputs", "design -pop"]
    (folder / "proof.ys").write_text("\n".join(script) + "\n")
    done = subprocess.run(["yosys", "-Q", "-T", "proof.ys"], cwd=folder, capture_output=True, text=True, check=True)
    parts = done.stdout.split("BEGIN ")[1:]
    assert len(parts) == len(sets)
    failed = []
    for place, part in enumerate(parts):
        proven, refuted = "SUCCESS!" in part, "FAIL!" in part
        assert proven != refuted, part
        if refuted:
            failed.append(place)
    return failed


def _miter(place: int, ours: str, theirs: str, parameters: Mapping[str, str], extra: Mapping[str, str]) -> str:
    width, out_width = parameters["IN_WIDTH"], parameters["OUT_WIDTH"]
    given = ", ".join(f".{name}({value})" for name, value in parameters.items())
    more = ", ".join(f".{name}({value})" for name, value in (parameters | extra).items())
    return f"""module miter{place} (input logic [{width}-1:0] value, output logic same);
    logic [{out_width}-1:0] got, expected;
    {ours} #({given}) left (.value(value), .code(got));
    {theirs} #({more}) right (.value(value), .code(expected));
    assign same = got == expected;
endmodule"""
