"""Binary points of activations moved where that brings the outputs nearer to the float network's, computed bit for bit
on some images: one site after the other by one place, until no move helps.

A move is made where the mean gain is twice its standard error: what a few images gain, others lose.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bittrue.analysis.evaluating.yardstick import Yardstick, plan_before_softmax
from bittrue.data import Dataset
from bittrue.environment import exact_environment
from bittrue.fixed import FixedFormat, Quantizer
from bittrue.lowering import Lowered, lower_keeping, lower_variant
from bittrue.plan import Plan
from bittrue.repairs.draft import Draft
from bittrue.simulation.simulator import KeptBatch, Simulator

_IMAGES = 256
_ROUNDS = 2
_STANDARD_ERRORS = 2


@exact_environment()
def move_points(draft: Draft, images: Dataset) -> Draft:
    """The draft with the binary points of outputs moved; parameters stay as they are."""
    yardstick = Yardstick(draft.target, images.take(min(_IMAGES, images.images)))
    network, plan = plan_before_softmax(*draft.finished())
    base = _Base.of(lower_keeping(network, plan), yardstick)
    for _ in range(_ROUNDS):
        before = base
        for site in [name for name in plan.sites if name.endswith(".output")]:
            for move in (-1, 1):
                base = base.moved(site, move, yardstick)
        if base is before:
            break
    return replace(draft, sites={**draft.sites, **base.lowered.plan.sites})


class _Base:
    """A plan with all values on the images, from which its neighbours are computed."""

    def __init__(
        self, lowered: Lowered, simulator: Simulator, kept: list[KeptBatch], losses: NDArray[np.float64]
    ) -> None:
        self.lowered, self.simulator, self.kept, self.losses = lowered, simulator, kept, losses

    @classmethod
    def of(cls, lowered: Lowered, yardstick: Yardstick) -> "_Base":
        simulator = Simulator(lowered.program)
        kept = [simulator.run_keeping(batch.x) for batch in yardstick.batches()]
        return cls(lowered, simulator, kept, yardstick.each([batch.result.outputs for batch in kept]))

    def moved(self, site: str, move: int, yardstick: Yardstick) -> "_Base":
        """With a site's binary point moved, where that is better; else itself."""
        plan = self.lowered.plan
        spec = plan.sites[site]
        if not isinstance(spec, Quantizer):
            return self
        bits = spec.format.fraction_bits + move
        format = FixedFormat(spec.format.signed, spec.format.word_length, bits)
        tried = Plan(plan.network, plan.options, {**plan.sites, site: replace(spec, format=format)})
        simulator = Simulator(lower_variant(self.lowered, tried), self.simulator)
        outputs = [simulator.run_from(batch).astype(float) for batch in self.kept]
        gains = self.losses - yardstick.each(outputs)
        if gains.mean() <= _STANDARD_ERRORS * gains.std() / np.sqrt(len(gains)):
            return self
        return _Base.of(lower_keeping(self.lowered.network, tried), yardstick)
