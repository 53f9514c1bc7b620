"""bittrue: how many bits a trained network needs, and exactly what its fixed-point hardware computes.

The command line's twin, for notebooks; a name is imported at its first use, so that `import bittrue` alone is light.

    network = bittrue.load("model.keras")
    digits = bittrue.load_dataset("digits", shape=network.input.shape)
    plan = bittrue.study_plan(network, 8)
    bittrue.simulate(network, plan, digits)
    bittrue.verify(network, plan, digits)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bittrue._version import __version__ as __version__

if TYPE_CHECKING:
    from bittrue import keras, torch
    from bittrue.analysis.accumulators import AccumulatorWidths, accumulator_widths
    from bittrue.analysis.asked import SweepRow, make_plan, sweep_rows
    from bittrue.analysis.charts.chart import Chart, histogram, ranges_chart
    from bittrue.analysis.cost.cost import cost
    from bittrue.analysis.cost.result import Cost
    from bittrue.analysis.measure import Measurement, measure
    from bittrue.analysis.measured_sweep import sweep
    from bittrue.analysis.plan_difference import PlanDifference, diff
    from bittrue.analysis.ranges import calibration_images, measure_ranges
    from bittrue.analysis.recipe import HARDWARE, STUDY, UNIFORM, Recipe
    from bittrue.analysis.sensitivity import sensitivity
    from bittrue.analysis.sensitivity_result import Sensitivity
    from bittrue.analysis.simulate import Simulation, simulate
    from bittrue.analysis.sweep_result import Sweep
    from bittrue.analysis.tracing.trace import trace
    from bittrue.analysis.tracing.trace_result import Trace
    from bittrue.analysis.verdict import Row
    from bittrue.analysis.verify import Verification
    from bittrue.data import Dataset, load_dataset
    from bittrue.data import as_dataset as dataset
    from bittrue.data.split import split_dataset
    from bittrue.engines.doctor import Checkup, doctor
    from bittrue.errors import BittrueError
    from bittrue.exports.certificate import Certificate, certify
    from bittrue.exports.device.compare import DeviceComparison
    from bittrue.exports.export import Export, export
    from bittrue.exports.memory.reading import read_memory
    from bittrue.exports.mutation.mutate import MutationReport, mutate
    from bittrue.exports.witness import verify
    from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
    from bittrue.frontends import load, load_with_plan
    from bittrue.frontends.onnx.model import from_onnx
    from bittrue.frontends.torch.model import from_torch
    from bittrue.integrations.compare import Comparison, compare
    from bittrue.integrations.keras_weights import WeightReport, quantize_weights
    from bittrue.lowering import lower_network as lower
    from bittrue.network import Network
    from bittrue.plan import (
        Override,
        Plan,
        PlanOptions,
        Ranges,
        WordLengths,
        complete_plan,
        plan_from_ranges,
        study_plan,
        uniform_plan,
    )
    from bittrue.program import FixedNetwork
    from bittrue.repairs.repair import repair
    from bittrue.repairs.repaired import Repaired, load_repaired
    from bittrue.reports import build_report as report
    from bittrue.reports.study import StudyResult, study
    from bittrue.searches.found import Search
    from bittrue.searches.search import search

_HOMES = {
    "AccumulatorWidths": "bittrue.analysis.accumulators",
    "BittrueError": "bittrue.errors",
    "Certificate": "bittrue.exports.certificate",
    "Chart": "bittrue.analysis.charts.chart",
    "Cost": "bittrue.analysis.cost.result",
    "Checkup": "bittrue.engines.doctor",
    "Comparison": "bittrue.integrations.compare",
    "Dataset": "bittrue.data",
    "DeviceComparison": "bittrue.exports.device.compare",
    "Export": "bittrue.exports.export",
    "FixedFormat": "bittrue.fixed",
    "FixedNetwork": "bittrue.program",
    "HARDWARE": "bittrue.analysis.recipe",
    "Measurement": "bittrue.analysis.measure",
    "MutationReport": "bittrue.exports.mutation.mutate",
    "Network": "bittrue.network",
    "Overflow": "bittrue.fixed",
    "Override": "bittrue.plan",
    "Plan": "bittrue.plan",
    "PlanDifference": "bittrue.analysis.plan_difference",
    "PlanOptions": "bittrue.plan",
    "Quantizer": "bittrue.fixed",
    "Ranges": "bittrue.plan",
    "Recipe": "bittrue.analysis.recipe",
    "Repaired": "bittrue.repairs.repaired",
    "Rounding": "bittrue.fixed",
    "Row": "bittrue.analysis.verdict",
    "STUDY": "bittrue.analysis.recipe",
    "Search": "bittrue.searches.found",
    "Sensitivity": "bittrue.analysis.sensitivity_result",
    "Simulation": "bittrue.analysis.simulate",
    "StudyResult": "bittrue.reports.study",
    "Sweep": "bittrue.analysis.sweep_result",
    "SweepRow": "bittrue.analysis.asked",
    "Trace": "bittrue.analysis.tracing.trace_result",
    "UNIFORM": "bittrue.analysis.recipe",
    "Verification": "bittrue.analysis.verify",
    "WeightReport": "bittrue.integrations.keras_weights",
    "WordLengths": "bittrue.plan",
    "accumulator_widths": "bittrue.analysis.accumulators",
    "calibration_images": "bittrue.analysis.ranges",
    "certify": "bittrue.exports.certificate",
    "compare": "bittrue.integrations.compare",
    "complete_plan": "bittrue.plan",
    "cost": "bittrue.analysis.cost.cost",
    "diff": "bittrue.analysis.plan_difference",
    "doctor": "bittrue.engines.doctor",
    "export": "bittrue.exports.export",
    "dataset": "bittrue.data:as_dataset",
    "from_onnx": "bittrue.frontends.onnx.model",
    "from_torch": "bittrue.frontends.torch.model",
    "histogram": "bittrue.analysis.charts.chart",
    "load": "bittrue.frontends",
    "load_with_plan": "bittrue.frontends",
    "load_dataset": "bittrue.data",
    "load_repaired": "bittrue.repairs.repaired",
    "lower": "bittrue.lowering:lower_network",
    "make_plan": "bittrue.analysis.asked",
    "measure": "bittrue.analysis.measure",
    "measure_ranges": "bittrue.analysis.ranges",
    "mutate": "bittrue.exports.mutation.mutate",
    "plan_from_ranges": "bittrue.plan",
    "quantize_weights": "bittrue.integrations.keras_weights",
    "read_memory": "bittrue.exports.memory.reading",
    "repair": "bittrue.repairs.repair",
    "ranges_chart": "bittrue.analysis.charts.chart",
    "report": "bittrue.reports:build_report",
    "search": "bittrue.searches.search",
    "sensitivity": "bittrue.analysis.sensitivity",
    "simulate": "bittrue.analysis.simulate",
    "split_dataset": "bittrue.data.split",
    "study": "bittrue.reports.study",
    "study_plan": "bittrue.plan",
    "sweep": "bittrue.analysis.measured_sweep",
    "sweep_rows": "bittrue.analysis.asked",
    "trace": "bittrue.analysis.tracing.trace",
    "uniform_plan": "bittrue.plan",
    "verify": "bittrue.exports.witness",
}
"""Where each public name lives, with the name that it has there where that is another."""

_MODULES = ("keras", "torch")
"""Public modules of their own, each of which imports its framework."""

__all__ = [
    "HARDWARE",
    "STUDY",
    "UNIFORM",
    "AccumulatorWidths",
    "BittrueError",
    "Certificate",
    "Chart",
    "Checkup",
    "Comparison",
    "Cost",
    "Dataset",
    "DeviceComparison",
    "Export",
    "FixedFormat",
    "FixedNetwork",
    "Measurement",
    "MutationReport",
    "Network",
    "Overflow",
    "Override",
    "Plan",
    "PlanDifference",
    "PlanOptions",
    "Quantizer",
    "Ranges",
    "Recipe",
    "Repaired",
    "Rounding",
    "Row",
    "Search",
    "Sensitivity",
    "Simulation",
    "StudyResult",
    "Sweep",
    "SweepRow",
    "Trace",
    "Verification",
    "WeightReport",
    "WordLengths",
    "accumulator_widths",
    "calibration_images",
    "certify",
    "compare",
    "complete_plan",
    "cost",
    "dataset",
    "diff",
    "doctor",
    "export",
    "from_onnx",
    "from_torch",
    "histogram",
    "keras",
    "load",
    "load_dataset",
    "load_repaired",
    "load_with_plan",
    "lower",
    "make_plan",
    "measure",
    "measure_ranges",
    "mutate",
    "plan_from_ranges",
    "quantize_weights",
    "ranges_chart",
    "read_memory",
    "repair",
    "report",
    "search",
    "sensitivity",
    "simulate",
    "split_dataset",
    "study",
    "study_plan",
    "sweep",
    "sweep_rows",
    "torch",
    "trace",
    "uniform_plan",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, there = _HOMES[name].partition(":")
    return globals().setdefault(name, getattr(import_module(module), there or name))


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_MODULES})
