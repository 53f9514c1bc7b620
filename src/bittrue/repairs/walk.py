"""One pass through a network: layer after layer repaired, then run bit for bit, so that the next one sees what it will
really get.

What lies in memory are the values of all images that are still to be read, of the target network and in fixed point.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from bittrue.analysis.evaluating.batches import default_batch_size
from bittrue.analysis.progress import Progress, showing
from bittrue.data import Dataset
from bittrue.environment import exact_environment
from bittrue.lowering import LoweringContext, lower_node
from bittrue.network import Node
from bittrue.operators.float_value import float_value
from bittrue.plan import Plan
from bittrue.repairs.draft import Draft
from bittrue.repairs.layer import Change, Layer, Live
from bittrue.repairs.memory import Memory, WalkMemory
from bittrue.simulation.simulator import BatchResult, KeptBatch, Simulator
from bittrue.simulation.values import Codes

_NO_RESULT = BatchResult(np.empty(0), np.empty(0), {}, {})

LayerRepair = Callable[[Layer], Change | None]
"""What it makes of a layer; None where the layer is none of its kind."""


@exact_environment()
def walk(
    draft: Draft,
    repairs: Sequence[LayerRepair],
    images: Dataset,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    what: str = "repair",
    memory: WalkMemory | None = None,
) -> Draft:
    """The draft with every layer repaired in turn, each against the actual codes of those before it.

    memory: of what the same repairs made on the same images before; the repairs may look at no node beyond the one
    that a layer is rounded with.
    """
    size = default_batch_size(draft.network)
    inputs = [batch.x for batch in images.batches(size)]
    batches = [Live(start * size, {}, {}) for start in range(len(inputs))]
    context = LoweringContext(draft.network, Plan(draft.network.hash, draft.options, draft.sites))
    simulator: Simulator | None = None
    memory = Memory().walk(what) if memory is None else memory
    waiting = {node.name: set(draft.network.consumers[node.name]) for node in draft.network.nodes}
    with showing(progress, what, images.images) as advance, torch.inference_mode():
        nodes = len(draft.target.nodes)
        for place, node in enumerate(draft.target.nodes):
            compute = float_value[type(node.operator)](node.operator)
            for x, live in zip(inputs, batches, strict=True):
                given = [live.target[name] for name in node.inputs] if node.inputs else [torch.from_numpy(x)]
                live.target[node.name] = compute(*given)
            context.begin(node)
            is_layer = node.inputs and not context.uses_float() and _on_torch(node, batches)
            made = partial(_changes, Layer(node, draft, batches, seed), repairs if is_layer else ())
            for change in memory.changes(draft, node, made):
                draft = draft.with_operators(change.operators, change.sites)
            context.go_on_under(Plan(draft.network.hash, draft.options, draft.sites))
            context.begin(draft.network.by_name[node.name])
            simulator = _run(context, simulator, inputs, batches)
            _release(node, waiting, batches)
            advance(images.images * (place + 1) // nodes - images.images * place // nodes)
    return draft


def _changes(layer: Layer, repairs: Sequence[LayerRepair]) -> Sequence[Change]:
    """What the repairs make of the layer, one after the other."""
    made = []
    for repair in repairs:
        change = repair(layer)
        if change is not None:
            layer = layer.changed(change)
            made.append(change)
    return made


def _run(
    context: LoweringContext,
    simulator: Simulator | None,
    inputs: Sequence[np.ndarray],
    batches: Sequence[Live],
) -> Simulator:
    """Lower the context's node and compute its steps on all batches; returns the simulator of all so far."""
    before = 0 if simulator is None else len(simulator.program.steps)
    lower_node(context)
    program = replace(context.program(), output=context.node.name)
    simulator = Simulator(program, simulator)
    for step in program.steps[before:]:
        for x, live in zip(inputs, batches, strict=True):
            kept = KeptBatch(program, x, live.fixed, _NO_RESULT)
            live.fixed[step.name] = simulator.compute(step.name, kept)
    return simulator


def _on_torch(node: Node, batches: Sequence[Live]) -> bool:
    """Whether all of the node's inputs are codes that torch holds; longer ones are left as they are."""
    return all(isinstance(live.fixed[name], Codes) for live in batches for name in node.inputs)


def _release(node: Node, waiting: dict[str, set[str]], batches: Sequence[Live]) -> None:
    """Forget the values that no later node reads."""
    for readers in waiting.values():
        readers.discard(node.name)
    for live in batches:
        for name in [name for name in live.target if not waiting[name] and name != node.name]:
            del live.target[name]
        for step in [step for step in live.fixed if step.partition(".")[0] not in live.target]:
            del live.fixed[step]
        for step in [step for step in live.fixed if step.startswith(f"{node.name}.")]:
            del live.fixed[step]
