"""search: the shortest words that hold the accuracy of a trained network, and a claim that stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bittrue.analysis.cost.cost import cost as cost_of_plan
from bittrue.analysis.evaluating.engine import Engine, EngineLike, opened
from bittrue.analysis.progress import Progress, showing
from bittrue.analysis.ranges import measure_ranges
from bittrue.analysis.sensitivity_result import SiteLoss
from bittrue.analysis.site_words import BIASES, SCALES, SiteWords, Words, check_also, parse_words, site_words
from bittrue.analysis.standard import Standard
from bittrue.bits import Bits
from bittrue.data import DataLike
from bittrue.environment import exact_environment
from bittrue.files import make_folder, replacing_together
from bittrue.network import Network
from bittrue.plan import Override, Plan, PlanOptions, Point, Ranges
from bittrue.repairs.draft import Draft
from bittrue.repairs.memory import Memory
from bittrue.repairs.repair import HELD_BYTES, held_bytes, repair, tries
from bittrue.repairs.repaired import Repaired
from bittrue.searches.allocation import Allocation, allocations, thinned, total
from bittrue.searches.allowed import allowed_words, check_asked
from bittrue.searches.budget import Budget
from bittrue.searches.claim import Claim, claimed
from bittrue.searches.descent import exchanged, last_that_holds, last_within
from bittrue.searches.found import PLAN, SEARCH, WEIGHTS, Search, Tried, save_plan
from bittrue.searches.front import POINTS, FrontPoint
from bittrue.searches.journal import FILE, Journal
from bittrue.searches.loss_tables import Losses, LossTables, beside
from bittrue.searches.parts import SearchParts, search_parts
from bittrue.searches.prices import (
    Allowed,
    CostLike,
    Prices,
    check_limits,
    keeps_limits,
    parse_limits,
    prices_by_name,
)
from bittrue.searches.selection import Decided, Selection, check_selection

MAX_DROP = 0.5
"""Percentage points of accuracy that may be lost where nothing else is said."""
WORDS = "2:8"
BUDGETS = 64
"""Allocations, evenly spaced by price, among which exact simulation finds the cheapest that holds."""
BUDGETS_NEAR = 16
"""The same of the allocations near a plan that holds."""
LOSS_A_POINT = 0.1
"""Divergence for a point of accuracy that may be lost, in nats: a first guess, from which exact simulation goes on."""
ROUNDS = 3
"""How often the losses are measured again near the plan that was found."""
STEPS = 16
"""Simulations that the exchange of single bits may take."""
ERROR = 0.05
"""The probability that the answer for any plan differs from that of all selection images."""
VERSION = 5
"""Of how searches go; a journal of another version is of another search."""


@exact_environment()
def search(
    network: Network,
    dataset: DataLike,
    *,
    max_drop: float = MAX_DROP,
    cost: CostLike | Sequence[CostLike] = "weight-bits",
    words: Bits = WORDS,
    keep: Sequence[str] = (),
    limit: Sequence[str] = (),
    repairs: str | Sequence[str] = "none",
    point: Point = "least-squares",
    per_channel: bool = True,
    calibration: DataLike | None = None,
    calibrate: int | None = None,
    held_out: int | None = None,
    images: int | None = None,
    steps: int = STEPS,
    passes: int | None = None,
    scales: int = SCALES,
    biases: int = BIASES,
    also: Sequence[str] = (),
    softmax: str = "exact",
    layer_norm: str = "exact",
    overrides: Sequence[Override] = (),
    pareto: bool = False,
    seed: int = 0,
    out: str | Path | None = None,
    command: str | None = None,
    engine: EngineLike = None,
    progress: Progress | None = None,
) -> Search:
    """Find for each weight and each output of `network` a word of `words`, so that the plan is cheap by `cost` and
    loses no more than `max_drop` percentage points of accuracy on images of `dataset`.

    cost: a cost's name, a function of a `Cost`, or several, of which the mean share is made small. keep: `NAME=BITS`.
    limit: `COST=NUMBER`, which the plan may not exceed. repairs: see `bittrue.repair`; every plan that is simulated is
    repaired first. calibration, calibrate, held_out, images, seed: see `search_parts`. steps: simulations that
    exchanging single bits may take. passes: image passes, with those of the claim, beyond which no cheaper plan is
    looked for when one is found. scales, biases, also, overrides: see `site_words`; what isn't searched keeps its
    words. softmax, layer_norm: their form, "exact" or "table". pareto: whether plans at other prices are simulated,
    too. out: a folder for plan.json, weights.npz, search.json, and the journal from which the same search goes on where
    it was killed. command: kept with the result. engine: see `measure_ranges`; repairs are made in this process.

    Raises: DataError for parts that are too small or not apart; PlanError for words, sites and limits that contradict
    each other; BittrueError for costs that are none, and where the accuracy has no meaning.
    """
    standard = Standard(max_drop)
    functions, limits = prices_by_name(cost), parse_limits(limit)
    lengths = parse_words(words)
    tries(repairs)
    options = PlanOptions(softmax=softmax, layer_norm=layer_norm)
    check_also(also)

    def free_sites(ranges: Ranges, point: Point) -> SiteWords:
        return site_words(
            network,
            ranges,
            point=point,
            per_channel=per_channel,
            scales=scales,
            biases=biases,
            also=also,
            options=options,
            overrides=overrides,
        )

    any_ranges = measure_ranges(network, dataset if calibration is None else calibration, images=1)
    check_asked(free_sites(any_ranges, "range"), lengths, keep, limits)
    folder = None if out is None else Path(out)
    if folder is not None:
        make_folder(folder)
    parts = search_parts(
        network, dataset, calibration=calibration, calibrate=calibrate, held_out=held_out, images=images, seed=seed
    )
    check_selection(network, parts.selection, standard)
    with opened(engine) as shared:
        sites = free_sites(measure_ranges(network, parts.calibration, engine=shared, progress=progress), point)
        allowed = allowed_words(sites, lengths, keep)
        check_limits(sites, allowed, limits)
        study = {
            "version": VERSION,
            "network": network.hash,
            "base": sites.base.hash,
            "parts": [part.sha256 for part in (parts.calibration, parts.selection, parts.held_out)],
            "max_drop": max_drop,
            "cost": list(functions),
            "allowed": {name: list(of) for name, of in allowed.items()},
            "limits": limits,
            "repairs": repairs if isinstance(repairs, str) else list(repairs),
            "steps": steps,
            "passes": passes,
            "seed": seed,
        }
        journal = Journal(None if folder is None else folder / FILE, study)
        prices = Prices(sites, functions, allowed)
        run = _Run(
            sites, parts, allowed, prices, limits, repairs, standard, journal, passes, folder, shared, progress, seed
        )
        try:
            return run.search(steps, command, pareto=pareto)
        except KeyboardInterrupt:
            if folder is None or not (folder / PLAN).exists():
                raise
            raise KeyboardInterrupt(f"{folder / PLAN} is the best plan so far; the same command goes on") from None


@dataclass(eq=False)
class _Run:
    """A search under way."""

    sites: SiteWords
    parts: SearchParts
    allowed: Allowed
    prices: Prices
    limits: Mapping[str, float]
    repairs: str | Sequence[str]
    standard: Standard
    journal: Journal
    passes: int | None
    folder: Path | None
    engine: Engine
    progress: Progress | None
    seed: int

    def __post_init__(self) -> None:
        network, selection = self.sites.network, self.parts.selection
        self.path: list[Tried] = []
        self.best: float | None = None
        self.kept_plan = ""
        self._repaired: dict[str, Repaired] = {}
        self.memory = Memory()
        candidates = BUDGETS.bit_length() + 2 + ROUNDS * BUDGETS_NEAR.bit_length() + STEPS
        # All images to calibrate on, if what a repair holds of them fits.
        self.repaired_on = min(self.parts.calibration.images, max(HELD_BYTES // held_bytes(network), 2))
        images = self.parts.calibration.take(self.repaired_on) if self.repairs != "none" else self.parts.calibration
        self.tables = LossTables(
            self.sites, images, selection, self.journal, self.seed, self.engine, self.progress, self.passes
        )
        self.selection = Selection(network, selection, self.standard, ERROR / candidates, self.engine, self.progress)
        repairs = 0 if self.repairs == "none" else self.repaired_on * (len(tries(self.repairs)[0]) + 1)
        self.budget = Budget(
            self.journal, self.passes, claim=2 * self.parts.held_out.images, plan=selection.images + repairs
        )
        self.journal_once("ranges and float", selection.images + self.parts.calibration.images)

    def journal_once(self, what: str, image_passes: int) -> None:
        """Count what every run of the search does again as what one run takes."""
        if self.journal.find(what, "") is None:
            self.journal.add(what, "", {"image_passes": image_passes})

    def search(self, steps: int, command: str | None, *, pareto: bool) -> Search:
        table, losses = (
            self.prices.alone(),
            self.tables.alone(self.allowed, repaired=self.repairs != "none"),
        )  # a price that is none is refused before anything is simulated
        front = thinned(self.within_limits(allocations(table, losses)), BUDGETS)
        first = last_within(front, LOSS_A_POINT * self.standard.max_drop)
        chosen = last_that_holds(front, self.holds, first)
        if chosen is None:
            words = front[0].words
            limiting = max(words, key=lambda name: losses[name][words[name]])
        else:
            words, near, around = chosen.words, losses, self.allowed
            if self.repairs != "none":
                words = self.nearer(words, table)
                if steps and self.budget.affords_plan():
                    near, around = self.losses_near(words), beside(words, self.allowed)
            words = exchanged(words, around, table, near, self.holds, self.prices.of, steps)
            limiting = None
        points = self.front([*(one.words for one in thinned(front, POINTS)), words]) if pareto else ()
        return self.found(words, limiting, losses, points, command)

    def nearer(self, words: Words, table: Losses) -> Words:
        """A cheaper plan that holds, by the losses near this one: far off they don't add up; again until none."""
        for _ in range(ROUNDS):
            cases = beside(words, self.allowed)
            if not self.budget.affords_plan(self.tables.judged(cases) * sum(map(len, cases.values()))):
                break
            near = self.losses_near(words)
            prices = {name: {bits: table[name][bits] for bits in of} for name, of in near.items()}
            price = total(table, words)
            cheaper = [one for one in self.within_limits(allocations(prices, near)) if one.price < price]
            front = thinned(cheaper, BUDGETS_NEAR)
            chosen = last_that_holds(front, self.holds, last_within(front, total(near, words)))
            if chosen is None:
                break
            words = chosen.words
        return words

    def losses_near(self, words: Words) -> Losses:
        """What each site's neighbouring words cost where the others have these."""
        plan = self.sites.plan(words)

        def left() -> Draft:
            repaired = self.repaired(plan)[2]
            assert repaired is not None
            return repaired.draft

        return self.tables.repaired(plan.hash, left, beside(words, self.allowed), words)

    def front(self, plans: Sequence[Words]) -> tuple[FrontPoint, ...]:
        """The plans with these words, each once, simulated on all selection images; the dearest first."""
        found = {}
        for number, words in enumerate(plans, 1):
            plan = self.sites.plan(words)
            if plan.hash in found:
                continue
            known = self.journal.find("point", plan.hash)
            if known is None:
                network, formats, _, passes = self.repaired(plan)
                with showing(self.progress, f"front {number} of {len(plans)}", self.parts.selection.images) as advance:
                    decided = self.selection.decide(network, formats, advance, whole=True)
                cost = cost_of_plan(network, formats)
                point = FrontPoint(
                    plan=plan.hash,
                    price=self.prices.of(words),
                    costs=self.prices.called(cost),
                    bits=cost.mean_bits,
                    words=words,
                    images=decided.images,
                    lost=decided.lost,
                    gained=decided.gained,
                )
                kept = {"point": point.to_json(), "image_passes": decided.images + passes}
                known = self.journal.add("point", plan.hash, kept)
            found[plan.hash] = FrontPoint.from_json(known["point"])
        return tuple(sorted(found.values(), key=lambda point: (-point.price, point.plan)))

    def within_limits(self, front: list[Allocation]) -> list[Allocation]:
        """Those whose plans exceed no limit; the one with the shortest words is one of them, or was refused."""
        return [one for one in front if keeps_limits(self.sites, one.words, self.limits)]

    def holds(self, words: Words) -> bool:
        """Whether the plan with these words, repaired, holds the accuracy and the limits; as the journal has it, or by
        simulation."""
        if not keeps_limits(self.sites, words, self.limits):
            return False
        if self.best is not None and not self.budget.affords_plan():
            return False
        plan, price = self.sites.plan(words), self.prices.of(words)
        known = self.journal.find("plan", plan.hash)
        if known is None:
            called = f"plan {len(self.path) + 1}, price {price:.3f}" + (
                "" if self.best is None else f" (best {self.best:.3f})"
            )
            network, formats, _, passes = self.repaired(plan)
            with showing(self.progress, called, self.parts.selection.images) as advance:
                decided = self.selection.decide(network, formats, advance)
            self.journal.add("plan", plan.hash, {**decided.to_json(), "image_passes": decided.images + passes})
        else:
            decided = Decided(**{key: known[key] for key in ("within", "images", "lost", "gained")})
        self.path.append(Tried(plan.hash, price, **decided.to_json()))
        if decided.within and (self.best is None or price < self.best):
            self.best, self.kept_plan = price, plan.hash
            if known is None:
                self.keep(plan)
        return decided.within

    def keep(self, plan: Plan) -> None:
        """Leave the best plan so far in the folder, should the search be broken off."""
        if self.folder is None:
            return
        _, formats, repaired, _ = self.repaired(plan)
        with replacing_together(self.folder, (PLAN, WEIGHTS, SEARCH)) as temporary:
            save_plan(formats, repaired, temporary)

    def repaired(self, plan: Plan) -> tuple[Network, Plan, Repaired | None, int]:
        """The network and the plan to simulate, the repair where there is one, and the image passes that it took: its
        images once for each list of repairs that was tried, and once more."""
        if self.repairs == "none":
            return self.sites.network, plan, None, 0
        found = self._repaired.get(plan.hash)
        if found is None:
            found = repair(
                self.sites.network,
                plan,
                self.parts.calibration,
                self.repairs,
                images=self.repaired_on,
                seed=self.seed,
                progress=self.progress,
                memory=self.memory,
            )
            # Of the best plan, which is asked for again, and of this one.
            self._repaired = {name: of for name, of in self._repaired.items() if name == self.kept_plan}
            self._repaired[plan.hash] = found
        return found.network, found.plan, found, found.data["images"] * (len(found.steps) + 1)

    def found(
        self,
        words: Words,
        limiting: str | None,
        losses: Losses,
        points: tuple[FrontPoint, ...],
        command: str | None,
    ) -> Search:
        """limiting: where the accuracy was not reached."""
        plan = self.sites.plan(words)
        network, formats, repaired, _ = self.repaired(plan)
        held_out = self.parts.held_out
        kept = self.journal.find("claim", held_out.sha256)
        if kept is None:
            with showing(self.progress, "claim", held_out.images) as advance:
                claim = claimed(self.sites.network, network, formats, held_out, self.engine, self.progress)
                advance(held_out.images)
            kept = {"claim": claim.to_json(), "image_passes": 2 * held_out.images}
            self.journal.add("claim", held_out.sha256, kept)
        cost = cost_of_plan(network, formats)
        found = Search(
            reached=limiting is None,
            limiting=limiting,
            trained=self.sites.network.hash,
            network=network,
            plan=formats,
            repaired=repaired,
            words=words,
            max_drop=self.standard.max_drop,
            cost=cost,
            costs=self.prices.called(cost),
            path=tuple(self.path),
            parts={name: getattr(self.parts, name).images for name in ("calibration", "selection", "held_out")},
            image_passes=self.journal.image_passes(),
            claim=Claim.from_json(kept["claim"]),
            looks=self.journal.others("claim", held_out.sha256),
            seed=self.seed,
            losses=tuple(SiteLoss(name, bits, loss, None) for name, of in losses.items() for bits, loss in of.items()),
            front=points,
            limits=self.limits,
            data={"name": held_out.name, "sha256": held_out.sha256},
            command=command,
        )
        if self.folder is not None:
            found.save_into(self.folder)
        return found
