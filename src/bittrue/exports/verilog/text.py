"""The text of a design's modules and of the top that connects them."""

from collections.abc import Iterator, Sequence

from bittrue.exports.verilog.design import OUTPUT, Design, Edge, Module
from bittrue.exports.verilog.draft import Word
from bittrue.fixed import describe
from bittrue.program import Step


def module_text(module: Module) -> str:
    """A group's module."""
    draft = module.draft
    lines = [f"// {_described(step)}" for step in module.group.steps]
    ports = ["input  logic clk", "input  logic rst_n"]
    for argument, source in zip(draft.arguments, draft.sources, strict=True):
        width = Word.of(source).width
        ports += [
            f"input  logic {argument}_valid",
            f"output logic {argument}_ready",
            f"input  logic [{width - 1}:0] {argument}_data",
        ]
    ports += [
        "output logic y_valid",
        "input  logic y_ready",
        f"output logic [{Word.of(module.step).width - 1}:0] y_data",
    ]
    return "\n".join([*lines, *_module(module.name, ports, draft.body)]) + "\n"


def top_text(design: Design) -> str:
    """The module that connects the others: a stream of the input's codes in, one of the output's out."""
    source, result = Word.of(design.input), Word.of(design.output)
    head = [
        f"// {design.name}: a network in fixed point, a code a beat, row-major, channels last.",
        f"// network {design.program.network}",
        f"// plan {design.program.plan}",
        f"// in:  {_described(design.input)}",
        f"// out: {_described(design.output)}",
    ]
    ports = [
        "input  logic clk",
        "input  logic rst_n",
        "input  logic in_valid",
        "output logic in_ready",
        f"input  logic [{source.width - 1}:0] in_data",
        "output logic out_valid",
        "input  logic out_ready",
        f"output logic [{result.width - 1}:0] out_data",
    ]
    body: list[str] = []
    for step in design.stored:
        body += _signals(design.names[step.name], Word.of(step).width)
    first = design.names[design.input.name]
    body += [
        "",
        f"assign {first}_valid = in_valid;",
        f"assign in_ready = {first}_ready;",
        f"assign {first}_data = in_data;",
    ]
    for step in design.stored:
        body += _tap(design, step)
        body += _readers(design, step, [edge for edge in design.edges if edge.source == step.name])
    for module in design.modules:
        body += _instance(design, module)
    return "\n".join([*head, *_module(design.name, ports, [f"    {line}" if line else "" for line in body])]) + "\n"


def _module(name: str, ports: Sequence[str], body: Sequence[str]) -> list[str]:
    listed = [f"    {port}{',' if place < len(ports) - 1 else ''}" for place, port in enumerate(ports)]
    return [f"module {name} (", *listed, ");", *body, "endmodule"]


def _described(step: Step) -> str:
    quantizer = "every bit" if step.quantizer is None else describe(step.quantizer)
    shape = "×".join(map(str, step.type.shape)) or "1"
    return f"{step.name} ({type(step.instruction).__name__}), {shape}: {quantizer}"


def _signals(name: str, width: int) -> list[str]:
    return [f"logic {name}_valid;", f"logic {name}_ready;", f"logic [{width - 1}:0] {name}_data;"]


def stream_of(edge: Edge, design: Design) -> str:
    """The name of the signals that a reader's port is connected to."""
    source = design.names[edge.source]
    edges = [other for other in design.edges if other.source == edge.source]
    if len(edges) == 1:
        return source
    reader = "out" if edge.reader == OUTPUT else design.names[edge.reader].removeprefix(f"{design.name}_")
    return f"{source}__{reader}" + (f"__{edge.place}" if edge.place else "")


def _tap(design: Design, step: Step) -> Iterator[str]:
    name, width = design.names[step.name], Word.of(step).width
    yield ""
    yield f'bittrue_tap #(.WIDTH({width}), .FILE("codes/{step.site or step.name}.hex")) {name}__tap ('
    yield f"    .clk(clk), .rst_n(rst_n), .valid({name}_valid), .ready({name}_ready), .data({name}_data)"
    yield ");"


def _readers(design: Design, step: Step, edges: Sequence[Edge]) -> Iterator[str]:
    """The fork to several readers, with the queues that they need, and the network's output."""
    name, width = design.names[step.name], Word.of(step).width
    if len(edges) > 1:
        for edge in edges:
            stream = stream_of(edge, design)
            yield from _signals(stream, width)
            if edge.queue:
                yield f"logic {stream}__queue_valid;"
                yield f"logic {stream}__queue_ready;"
        into = [f"{stream_of(edge, design)}{'__queue' if edge.queue else ''}" for edge in edges]
        yield f"bittrue_fork #(.READERS({len(edges)})) {name}__fork ("
        yield f"    .clk(clk), .rst_n(rst_n), .in_valid({name}_valid), .in_ready({name}_ready),"
        yield f"    .out_valid({{{', '.join(f'{each}_valid' for each in reversed(into))}}}),"
        yield f"    .out_ready({{{', '.join(f'{each}_ready' for each in reversed(into))}}})"
        yield ");"
        for edge in edges:
            stream = stream_of(edge, design)
            if edge.queue:
                yield f"bittrue_fifo #(.WIDTH({width}), .DEPTH({edge.queue})) {stream}__fifo ("
                yield "    .clk(clk), .rst_n(rst_n),"
                yield f"    .in_valid({stream}__queue_valid), .in_ready({stream}__queue_ready),"
                yield f"    .in_data({name}_data), .out_valid({stream}_valid), .out_ready({stream}_ready),"
                yield f"    .out_data({stream}_data)"
                yield ");"
            else:
                yield f"assign {stream}_data = {name}_data;"
    for edge in edges:
        if edge.reader == OUTPUT:
            stream = stream_of(edge, design)
            yield f"assign out_valid = {stream}_valid;"
            yield f"assign {stream}_ready = out_ready;"
            yield f"assign out_data = {stream}_data;"


def _instance(design: Design, module: Module) -> Iterator[str]:
    streams = {edge.place: stream_of(edge, design) for edge in design.edges if edge.reader == module.step.name}
    yield ""
    yield f"{module.name} {module.name}__unit ("
    yield "    .clk(clk), .rst_n(rst_n),"
    for place, argument in enumerate(module.draft.arguments):
        stream = streams[place]
        ports = ", ".join(f".{argument}_{part}({stream}_{part})" for part in ("valid", "ready", "data"))
        yield f"    {ports},"
    yield f"    {', '.join(f'.y_{part}({module.name}_{part})' for part in ('valid', 'ready', 'data'))}"
    yield ");"
