"""The Makefile and the README beside a generated network."""

from bittrue.exports.vectors.bench import Stream
from bittrue.exports.verilog.design import Design
from bittrue.exports.verilog.wrapper import axis_wrapper, device, padded, streams_of
from bittrue.fixed import describe
from bittrue.program import Step


def surroundings(design: Design, on_host: tuple[str, ...], clock: float) -> dict[str, str]:
    """The files by name. on_host: nodes that the design leaves to the host. clock: MHz."""
    return {
        f"{design.name}_axis.sv": axis_wrapper(design.name, design.program),
        "device.sv": device(design.name, design.program),
        "Makefile": _MAKEFILE.replace("@NAME@", design.name),
        "README.md": _readme(design, on_host, clock),
    }


def _readme(design: Design, on_host: tuple[str, ...], clock: float) -> str:
    """Formats, streams, latency, throughput, and what is left to the host."""
    source, result = streams_of(design.program)
    first, last = design.input, design.output
    rows = [
        f"| `{module.name}` | {', '.join(dict.fromkeys(step.node for step in module.group.steps))} "
        f"| {module.draft.multipliers} | {module.draft.other_multipliers} | {design.cycles_of[module.step.name]:,} |"
        for module in design.modules
    ]
    latency = sum(design.cycles_of.values())
    values = {
        "NAME": design.name,
        "NETWORK": design.program.network,
        "PLAN": design.program.plan,
        "IN": _row("in", source, first),
        "OUT": _row("out", result, last),
        "IN_BITS": str(-first.type.binary_point),
        "OUT_BITS": str(-last.type.binary_point),
        "HOST": f"Left to the host: {', '.join(on_host)}." if on_host else "All of the network is in it.",
        "CYCLES": f"{design.cycles:,}",
        "RATE": f"{clock * 1e6 / design.cycles:,.0f}",
        "CLOCK": f"{clock:g}",
        "LATENCY": f"{latency:,}",
        "ROWS": "\n".join(rows),
    }
    text = _README
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text


def _row(direction: str, stream: Stream, step: Step) -> str:
    what = "every bit" if step.quantizer is None else describe(step.quantizer)
    sign = "two's complement" if stream.signed else "no sign"
    return f"| {direction} | `{stream.site}` | {what} | {stream.width}, {sign} | {stream.words:,} | {padded(stream)} |"


_README = """\
# @NAME@

`@NAME@.sv` is the network, a module a layer (`modules/`) made of what stands in `library/`; `@NAME@_axis.sv` puts
AXI4-Streams around it. `$readmemh` reads `memory/` by names relative to the folder in which a simulation or a synthesis
runs: let it be this one.

- network `@NETWORK@`
- plan `@PLAN@`

| stream | site | format | bits of a code | words an image | bits of tdata |
|---|---|---|---|---|---|
@IN@
@OUT@

A code c of the input is the number c·2^(@IN_BITS@), of the output c·2^(@OUT_BITS@). One code a beat, taken at the
rising edge where valid and ready are both 1; row-major, channels last, one image after the other. A valid word stays
until it is taken. Reset is active low and may come at any time: what was on its way is gone, and the next word is an
image's first.

@HOST@

An image follows the one before it after @CYCLES@ cycles, where both ends are always ready: @RATE@ images per second at
@CLOCK@ MHz. One image alone is through after @LATENCY@ cycles at most, for a layer waits for no more than the whole of
the one before it; `make sim` counts.

| module | nodes | multipliers of sums | others | cycles an image |
|---|---|---|---|---|
@ROWS@

    make sim                    the golden vectors (export with --to verilog,vectors) through @NAME@_axis, in Verilator
    make sim SIMULATOR=icarus   the same in Icarus, which also finds unknown bits
    make sim SIMULATOR=cocotb   the same in cocotb 2, under Icarus
    make synth                  Yosys' synth_xilinx; its statistics are in synth_xilinx.txt
    make synth TARGET=ecp5      the same for Lattice's ECP5

`PLUSARGS=+backpressure` lets both ends pause at random.
"""

_MAKEFILE = """\
# make sim [SIMULATOR=verilator|icarus|cocotb] [PLUSARGS=+backpressure], make synth [TARGET=xilinx|ecp5], make clean
NAME = @NAME@
SOURCES = $(shell cat sources.f)
SIMULATOR ?= verilator
PLUSARGS ?=
TARGET ?= xilinx
VECTORS ?= ../vectors
PYTHON ?= python3
BENCH = $(VECTORS)/bench/bench.sv
WRAPPED = $(SOURCES) $(NAME)_axis.sv device.sv

sim: sim_$(SIMULATOR)

sim_verilator: $(BENCH)
	verilator --binary --timing -Wno-fatal -Wno-lint --top-module bench --Mdir build_verilator $(BENCH) $(WRAPPED)
	./build_verilator/Vbench +vectors=$(VECTORS)/hex $(PLUSARGS)

sim_icarus: $(BENCH)
	iverilog -g2012 -s bench -o bench.vvp $(BENCH) $(WRAPPED)
	vvp -N bench.vvp +vectors=$(VECTORS)/hex $(PLUSARGS)

sim_cocotb: $(BENCH)
	RUN=. $(PYTHON) $(VECTORS)/bench/test_device.py $(WRAPPED)

$(BENCH):
	@echo "There are no golden vectors in $(VECTORS): export with --to verilog,vectors, or name them: VECTORS=…" >&2
	@exit 1

synth: synth_$(TARGET).txt

synth_%.txt: $(SOURCES)
	yosys -q -p "read_verilog -defer -sv -DSYNTHESIS $(SOURCES); synth_$* -top $(NAME); tee -q -o $@ stat"

clean:
	rm -rf build_verilator bench.vvp results.xml synth_*.txt

.PHONY: sim sim_verilator sim_icarus sim_cocotb synth clean
"""

BUILT = ("build_verilator/*", "bench.vvp", "results.xml", "synth_*.txt")
"""What the Makefile leaves in the folder."""
