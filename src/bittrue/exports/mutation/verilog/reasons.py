"""Why no result changes: the words on each stream of the module, beside those of the unchanged design."""

from bittrue.exports.mutation.verilog.bench import VerilogBench
from bittrue.exports.verilog.design import Module

_ENDS = {"clipped": "clipped", "rounded": "rounded away or limited", "average": "rounded away"}
"""What a stream's step does to the numbers that come in, by its name; numbers behind it are the same again."""


def reason(bench: VerilogBench, module: Module, same: str) -> str | None:
    """What the last run shows of a mutation in a module; None where a code of it has changed.

    same: what it means that no number on the way changes.
    """
    if bench.changed_codes(module):
        return None
    traces = bench.traces(module)
    layer = module.step.site or module.step.name
    changed = [place for place, trace in enumerate(traces) if trace.changed]
    if not changed:
        return f"{same}: {sum(trace.words for trace in traces):,} numbers in {layer}'s module, none changes"
    last = changed[-1]
    how = "cut off as it goes out"
    if last + 1 < len(traces):
        after = traces[last + 1].stream
        how = _ENDS.get(after.rstrip("0123456789"), f"lost before {after}")
    trace = traces[last]
    return f"{how}: {trace.changed:,} of {trace.words:,} numbers of {trace.stream} change, and no code of {layer}"
