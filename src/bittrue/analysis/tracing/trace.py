"""Why a plan does what it does: every site's overflows and zeros, and what freeing it alone brings.

All is exact: a freed site is the same program with EXACT or GUARD in one place, computed from the first node that
differs, and only as far as something differs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path

from bittrue.analysis.evaluating.batches import chosen_images
from bittrue.analysis.evaluating.engine import EngineLike, opened
from bittrue.analysis.evaluating.executor import Executor
from bittrue.analysis.evaluating.prefixes import Prefixes
from bittrue.analysis.evaluating.variants import PLAN_IS_WRONG, Outputs, Variants, run_variants
from bittrue.analysis.progress import Progress, showing
from bittrue.analysis.tracing.diagnosis import diagnose_plan, diagnose_site
from bittrue.analysis.tracing.freeing import free, freed_spec, sites_freed
from bittrue.analysis.tracing.judging import Judge
from bittrue.analysis.tracing.plan_counts import PlanCounts
from bittrue.analysis.tracing.smallest_set import ENOUGH, smallest_set
from bittrue.analysis.tracing.stops import Stops
from bittrue.analysis.tracing.trace_result import Effect, SiteTrace, Trace
from bittrue.data import DataLike, Dataset
from bittrue.environment import exact_environment
from bittrue.errors import CarrierError
from bittrue.files import make_folder
from bittrue.lowering import lower_seen, lower_variant
from bittrue.network import Network
from bittrue.plan import Plan, PlanLike, Site, Spec, as_plan, sites_of
from bittrue.program import CodeType, FixedNetwork, MultiplyAccumulate, Step
from bittrue.simulation.carrier import Carrier
from bittrue.simulation.simulator import KeptBatch, Simulator
from bittrue.simulation.sums.bounds import SumBounds

IMAGES = 64
"""How many images are traced where nothing else is said."""

SLOW_PRODUCTS = 1 << 24
"""From how many products an image on sums beyond float64, which has a fast kernel, are not waited for."""

SETS = 24
"""How many sets of sites are tried."""


@exact_environment()
def trace(
    network: Network,
    plan: PlanLike,
    dataset: DataLike,
    *,
    trained: Network | None = None,
    images: int | None = IMAGES,
    batch_size: int | None = None,
    out: str | Path | None = None,
    engine: EngineLike = None,
    progress: Progress | None = None,
) -> Trace:
    """Trace the first `images` examples (None: all) through the network under a plan.

    trained: the network of which `network` is a repaired one, and whose float outputs are compared; None: itself. The
    images bound the work: each site that is freed costs up to one more simulation of them all. out: a folder for
    `trace.json`, which the report of that folder shows. engine: of the plans with sites freed, see `measure_ranges`.

    Raises: DataError where data and network don't fit; PlanError for another network's plan; CarrierError where no
    exact result can be promised; BittrueError where `out` can't be written.
    """
    plan = as_plan(plan)
    folder = None if out is None else Path(out)
    if folder is not None:
        make_folder(folder)
    chosen = chosen_images(network, dataset, images)
    run = _Run(network, plan, chosen, batch_size, network if trained is None else trained)
    with opened(engine) as carrying_out:
        if carrying_out.is_apart:
            run.executor = carrying_out.executor(chosen, run.prefixes.batch_size, progress)
        with showing(progress, f"each of {len(run.specs)} sites freed", chosen.images * len(run.specs)) as advance:
            run.prefixes.each(lambda kept, first: run.add(kept, first, advance))
            run.finish(advance)
        found = run.result(progress)
    if folder is not None:
        found.save(folder / "trace.json")
    return found


class _Run:
    """A trace under way."""

    def __init__(self, network: Network, plan: Plan, images: Dataset, batch_size: int | None, trained: Network) -> None:
        self.network, self.plan, self.images = network, plan, images
        self.prefixes = Prefixes(network, plan, images, batch_size)
        self.lowered, self.base = self.prefixes.lowered, self.prefixes.base
        found = sites_of(network, plan.options)
        self.sites: Mapping[str, Site] = {name: site for name, site in found.items() if name in plan.sites}
        self.counts = PlanCounts(self.lowered, self.base, self.sites)
        self.judge = Judge(trained, images)
        self.stops = Stops(self.lowered.program)
        self.specs: dict[str, Spec] = {}
        self.stuck: dict[str, str] = {}
        for name, site in self.sites.items():
            spec = freed_spec(site, plan.sites[name], self.lowered.program)
            if spec is not None:
                self.specs[name] = spec
        self.executor: Executor | None = None
        self.variants = Variants(network, plan)
        self._elsewhere: list[tuple[str, range]] = []
        self._programs: dict[str, FixedNetwork] = {}
        self._seen: dict[str, tuple[int, int]] = {}

    def add(self, kept: KeptBatch, first: int, advance: Callable[[int], None]) -> None:
        """Count one batch, and run it with each site freed."""
        self.judge.begin(kept.x, first, self.stops.add_float)
        self.judge.add_plan(kept.result.judged, first)
        self.stops.add(kept)
        for name, value in kept.values.items():
            if value.fraction_bits is not None:
                low, high = self._seen.get(name, (value.low, value.high))
                self._seen[name] = min(low, value.low), max(high, value.high)
        altered = self.counts.add(kept, first)
        for name in self.specs:
            waits = False
            if name not in self.stuck:
                is_same = altered.get(name) == 0 or self._is_whole_parameter(name)
                waits = self._add_freed(name, kept, first, is_same=is_same)
            if not waits:
                advance(len(kept.x))

    def _add_freed(self, name: str, kept: KeptBatch, first: int, *, is_same: bool) -> bool:
        """Run a batch with one site freed; whether that waits for an executor. `is_same`: its numbers pass its
        quantizer unchanged, and so nothing does."""
        if is_same:
            self.judge.add(name, kept.result.judged, first)
            return False
        try:
            program = self._program(name)
            if self.executor is not None:
                self._elsewhere.append((name, range(first, first + len(kept.x))))
                return True
            self.judge.add(name, Simulator(program, self.base).run_from(kept), first)
        except PLAN_IS_WRONG as error:
            self.stuck[name] = str(error)
        return False

    def finish(self, advance: Callable[[int], None]) -> None:
        """Have the executor, if there is one, run what waits for it."""
        if self.executor is None:
            return
        waiting = [(name, images) for name, images in self._elsewhere if name not in self.stuck]
        advance(sum(len(images) for _, images in self._elsewhere) - sum(len(images) for _, images in waiting))
        plans = {name: free(self.plan, {name: self.specs[name]}) for name, _ in waiting}
        asked = [(plans[name], images) for name, images in waiting]
        found = run_variants(self.executor, self.variants, asked, advance)
        for name, plan in plans.items():
            self._judge(name, found[plan.hash])

    def _judge(self, case: str, found: Mapping[int, Outputs | str]) -> bool:
        """Add what was found of a case elsewhere; whether it is whole. What doesn't come, of a site, says why."""
        for first, outputs in sorted(found.items()):
            if isinstance(outputs, str):
                self.stuck[case] = outputs
                return False
            self.judge.add(case, outputs, first)
        return True

    def _is_whole_parameter(self, name: str) -> bool:
        return self.sites[name].values is not None and self.counts.altered(name) == 0

    def _program(self, name: str) -> FixedNetwork:
        if name not in self._programs:
            self._programs[name] = self._freed([name])
        return self._programs[name]

    def _freed(self, names: Sequence[str]) -> FixedNetwork:
        """The program with sites freed; raises CarrierError where its sums would take too long."""
        program = lower_variant(self.lowered, free(self.plan, {name: self.specs[name] for name in names}))
        for step in program.steps:
            if isinstance(step.instruction, MultiplyAccumulate) and self.lowered.program.by_name.get(step.name) != step:
                self._check_speed(step, step.instruction, program.by_name[step.inputs[0]].type)
        return program

    def _check_speed(self, step: Step, instruction: MultiplyAccumulate, kind: CodeType) -> None:
        """Raise CarrierError where the sums of a step, on an input of this type, would take too long."""
        products = prod(step.type.shape) * prod(instruction.weight.shape[:-1])
        if products < SLOW_PRODUCTS or kind.fraction_bits is None:
            return
        known = self.lowered.program.by_name[step.inputs[0]].type.fraction_bits
        largest = max(map(abs, self._seen[step.inputs[0]])) << max(kind.fraction_bits - (known or 0), 0)
        bound = SumBounds(instruction, kind.fraction_bits, step.name).bound(largest)
        if bound >> Carrier.FLOAT64.bits:
            raise CarrierError(
                f"the sums of {step.name} would need {bound.bit_length() + 1} bits, which is too slow on a layer of "
                f"{products:,} products"
            )

    def result(self, progress: Progress | None) -> Trace:
        effects = {name: self._effect(name, [name]) for name in self.specs if name not in self.stuck}
        bounded = lower_seen(self.lowered, self._seen)
        found = [self._with_effect(site, effects.get(site.site)) for site in self.counts.result(bounded)]
        by_name = {site.site: site for site in found}
        order = list(by_name)
        ranking = sorted(
            (name for name in effects if name in by_name),
            key=lambda name: (*self.judge.rank(name), -by_name[name].damage, order.index(name)),
        )
        together = self._together(ranking, effects, by_name, progress)
        stop = self.stops.found(self.network, by_name, self.images.images)
        plain = Trace(
            network=self.network.hash,
            network_name=self.network.name,
            plan=self.plan.hash,
            data={"name": self.images.name, "sha256": self.images.sha256, "images": self.images.images},
            images=self.images.images,
            float_correct=self.judge.float_correct,
            plan_correct=self.judge.plan_correct,
            agreeing=self.judge.agreeing,
            error=self.judge.plan_error,
            sites=tuple(found),
            ranking=tuple(ranking),
            together=together,
            stop=stop,
            diagnosis=(),
            edges=tuple((node.name, node.inputs) for node in self.network.nodes),
        )
        return replace(plain, diagnosis=diagnose_plan(plain))

    def _with_effect(self, site: SiteTrace, effect: Effect | None) -> SiteTrace:
        diagnosis = diagnose_site(site, self.sites[site.site], self.plan.sites[site.site], self.network)
        return replace(site, effect=effect, stuck=self.stuck.get(site.site), diagnosis=diagnosis)

    def _effect(self, name: str, freed: Sequence[str]) -> Effect:
        return self.judge.effect(name, sites_freed(freed, self.specs))

    def _together(
        self,
        ranking: Sequence[str],
        effects: Mapping[str, Effect],
        sites: Mapping[str, SiteTrace],
        progress: Progress | None,
    ) -> Effect | None:
        """The smallest set found that brings back what no single site does."""
        alone = max((effects[name].back or 0.0 for name in ranking), default=0.0)
        useful = [name for name in ranking if (effects[name].back or 0.0) > 0]
        rest = [name for name in ranking if name not in useful and sites[name].altered != 0]
        order = useful + sorted(rest, key=lambda name: -sites[name].damage)
        if not self.judge.has_lost or alone >= ENOUGH or len(order) < 2:
            return None
        tried: dict[tuple[str, ...], Effect | None] = {}

        def back(names: Sequence[str]) -> float:
            key = tuple(names)
            if len(key) == 1:
                return effects[key[0]].back or 0.0
            if key not in tried:
                tried[key] = self._evaluate(key, advance)
            found = tried[key]
            return 0.0 if found is None else found.back or 0.0

        with showing(progress, f"up to {SETS} sets of sites", self.images.images * SETS) as advance:
            best = tuple(smallest_set(order, back, SETS))
        return tried[best] if len(best) > 1 and back(best) > alone else None

    def _evaluate(self, names: tuple[str, ...], advance: Callable[[int], None]) -> Effect | None:
        """The network with all of these freed; None where that can't be computed, or not in time."""
        case = " ".join(names)
        try:
            program = self._freed(names)
            if self.executor is not None:
                plan = free(self.plan, {name: self.specs[name] for name in names})
                asked = [(plan, images) for images in self.prefixes.batches]
                found = run_variants(self.executor, self.variants, asked, advance)
                return self._effect(case, names) if self._judge(case, found[plan.hash]) else None
            simulator = Simulator(program, self.base)

            def add(kept: KeptBatch, first: int) -> None:
                self.judge.add(case, simulator.run_from(kept), first)
                advance(len(kept.x))

            self.prefixes.each(add)
        except PLAN_IS_WRONG:
            return None
        return self._effect(case, names)
