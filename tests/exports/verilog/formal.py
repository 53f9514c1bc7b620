"""Combinational modules beside their specification: proven by Yosys' SAT solver for every input."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_MEANS = ("MULTIPLIER", "MULTIPLIER_WIDTH", "SHIFT")

SPECIFICATION = Path(__file__).parent / "modules" / "specification.sv"


def unlike_the_specification(
    module: str, sets: Sequence[Mapping[str, str]], bits: Sequence[int], source: str, folder: Path
) -> list[int]:
    """The places of the sets of parameters under which a module from `value` to `code` isn't what the specification
    says, for some input.

    bits: of the specification's integers. source: the module's text. folder: an empty one for the files.
    """
    tops = [_miter(place, module, *each) for place, each in enumerate(zip(sets, bits, strict=True))]
    (folder / "proof.sv").write_text("\n".join([source, SPECIFICATION.read_text(), *tops]))
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


def _miter(place: int, module: str, parameters: Mapping[str, str], bits: int) -> str:
    width, out_width = parameters["IN_WIDTH"], parameters["OUT_WIDTH"]
    given = ", ".join(f".{name}({value})" for name, value in parameters.items())
    # The specification knows no multiplier.
    meant = {name: value for name, value in parameters.items() if name not in _MEANS} | {"BITS": str(bits)}
    specified = ", ".join(f".{name}({value})" for name, value in meant.items())
    return f"""module miter{place} (input logic [{width}-1:0] value, output logic same);
    logic [{out_width}-1:0] got, expected;
    {module} #({given}) left (.value(value), .code(got));
    specification #({specified}) right (.value(value), .code(expected));
    assign same = got == expected;
endmodule"""
