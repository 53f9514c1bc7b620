"""mutate: N changes of the exported files, each tried on the check that comes with them, and what became of each."""

import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from bittrue.analysis.evaluating.batches import chosen_images
from bittrue.analysis.progress import Progress, showing
from bittrue.data import DataLike
from bittrue.display import Column, Table, View
from bittrue.errors import BittrueError
from bittrue.exports.export import searched_images
from bittrue.exports.job import Job, until
from bittrue.exports.mutation.kinds import KINDS
from bittrue.exports.mutation.mutant import CAUGHT, ESCAPED, EXPLAINED, BenchT, Draw, Mutant, Mutation, Trial
from bittrue.exports.verilog.options import VerilogOptions
from bittrue.lowering import lower_network
from bittrue.network import Network
from bittrue.plan import Plan
from bittrue.result import SavedResult
from bittrue.wording import counted

C = "c"
"""The export whose files are changed where nothing else is said."""

_ORDER = tuple(dict.fromkeys(kind for changed in KINDS.values() for kind in changed.kinds))
"""Kinds as a report lists them."""

_DRAWS = 50
"""Draws of a kind after which it has no place left that wasn't changed before."""


@dataclass(frozen=True, repr=False)
class MutationReport(SavedResult):
    """What became of changes in exported files.

    images: of the data, beside which hostile inputs stand. mutants: in the order in which they were drawn. command:
    what was typed; None from Python.
    """

    network: str
    network_name: str
    plan: str
    data: Mapping[str, Any]
    output: str
    images: int
    seed: int
    mutants: tuple[Mutant, ...]
    command: str | None

    file: ClassVar[str] = "mutation report"

    def count(self, outcome: str, kind: str | None = None) -> int:
        return sum(each.outcome == outcome and kind in (None, each.mutation.kind) for each in self.mutants)

    @property
    def mismatches(self) -> int:
        """Mutations that no check noticed, and for which there is no reason."""
        return self.count(ESCAPED)

    @property
    def survivors(self) -> tuple[Mutant, ...]:
        """What no check noticed, with a reason or without."""
        return tuple(each for each in self.mutants if each.outcome != CAUGHT)

    def view(self) -> View:
        columns = [Column("changed"), Column("mutations", number=True), Column("caught", number=True)]
        columns += [Column("no result changes", number=True), Column("escaped", number=True)]
        kinds = list(dict.fromkeys(each.mutation.kind for each in self.mutants))
        rows = [
            (kind, *(f"{self.count(outcome, kind):,}" for outcome in (CAUGHT, EXPLAINED, ESCAPED)))
            for kind in sorted(kinds, key=_ORDER.index)
        ]
        rows = [(kind, f"{sum(map(_number, counts)):,}", *counts) for kind, *counts in rows]
        parts: list[Any] = [Table(columns, rows, f"Mutations of {self.network_name}, seed {self.seed}")]
        if self.survivors:
            columns = [Column("file"), Column("place"), Column("change"), Column("why no check notices it")]
            found = [
                (
                    each.mutation.file,
                    each.mutation.place,
                    f"{each.mutation.before} → {each.mutation.after}",
                    each.reason or "ESCAPED: no reason was found",
                )
                for each in self.survivors
            ]
            parts.append(Table(columns, found, "Not caught"))
        caught, explained = self.count(CAUGHT), self.count(EXPLAINED)
        parts.append(
            f"{counted(len(self.mutants), 'mutation')}: {caught:,} caught, {explained:,} change no result (each was "
            f"computed again), {self.mismatches:,} escaped."
        )
        return tuple(parts)

    def records(self) -> list[dict[str, Any]]:
        """A row a mutation."""
        return [
            asdict(each.mutation) | {"outcome": each.outcome, "by": each.by, "reason": each.reason}
            for each in self.mutants
        ]

    def to_json(self) -> dict[str, Any]:
        return {
            "bittrue": 1,
            **{entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name != "mutants"},
            "data": dict(self.data),
            "mutations": len(self.mutants),
            "caught": self.count(CAUGHT),
            "explained": self.count(EXPLAINED),
            "escaped": self.mismatches,
            "mutants": self.records(),
        }

    @classmethod
    def from_json(cls, content: Any, source: str) -> "MutationReport":
        try:
            values = {entry.name: content[entry.name] for entry in fields(cls)}
            names = [entry.name for entry in fields(Mutation)]
            mutants = tuple(
                Mutant(Mutation(**{name: each[name] for name in names}), each["outcome"], each["by"], each["reason"])
                for each in values["mutants"]
            )
            return cls(**values | {"mutants": mutants})
        except (KeyError, TypeError, ValueError) as error:
            raise BittrueError(
                f"{source}: not a mutation report ({error!r}); make one with `bittrue verify --mutate`."
            ) from None


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def mutate(
    network: Network,
    plan: Plan,
    dataset: DataLike,
    mutations: int,
    *,
    against: str = C,
    seed: int = 0,
    images: int | None = None,
    until_node: str | None = None,
    command: str | None = None,
    progress: Progress | None = None,
    verilog: VerilogOptions | None = None,
) -> MutationReport:
    """Change one thing at a time in exported files, `mutations` times, and see that the check of the export notices.

    against: `c` for the C, the memories and the vectors; `verilog` for what is built and run in Verilator, whose sums
    are as parallel as `verilog` says (None: `VerilogOptions()`).

    The vectors are those of the first `images` examples (None: 2) and the hostile inputs. What no check notices is
    computed again beside the unchanged layer; a mutation that changes a result all the same has escaped. seed: draws
    them. until_node: the last node on the device.

    Raises: BittrueError for another `against`, what the export can't have, without its tools, and where it fails as it
    is.
    """
    if against not in KINDS:
        raise BittrueError(
            f"--mutate changes no files of {against[:60]!r}, since each change would take its build: choose "
            f"{' or '.join(KINDS)}."
        )
    whole = chosen_images(network, dataset, None)
    chosen = whole.take(min(images or 2, whole.images))
    program = lower_network(network, plan)
    if until_node is not None:
        program = until(program, until_node)
    searched = searched_images(plan, whole, None)
    options = verilog or VerilogOptions()
    job = Job(network, plan, program, chosen, data=whole, searched=searched, verilog=options)
    with tempfile.TemporaryDirectory(prefix="bittrue-") as place:
        bench = KINDS[against].bench(job, Path(place))
        random = Random(seed)
        seen: Counter[Mutation] = Counter()
        kinds = dict(KINDS[against].kinds)
        mutants: list[Mutant] = []
        with showing(progress, "mutations", mutations) as advance:
            while len(mutants) < mutations and kinds:
                name = random.choice(list(kinds))
                trial = _drawn(kinds[name], bench, random, seen)
                if trial is None:
                    del kinds[name]
                    continue
                mutants.append(_became(trial))
                advance(1)
    return MutationReport(
        network=network.hash,
        network_name=network.name,
        plan=plan.hash,
        data={"name": chosen.name, "sha256": chosen.sha256, "images": chosen.images},
        output=program.output,
        images=chosen.images,
        seed=seed,
        mutants=tuple(mutants),
        command=command,
    )


def _drawn(draw: Draw[BenchT], bench: BenchT, random: Random, seen: Counter[Mutation]) -> Trial | None:
    """A mutation that wasn't tried before; None where the export has none of this kind."""
    for _ in range(_DRAWS):
        trial = draw(bench, random)
        if trial is None:
            return None
        seen[trial.mutation] += 1
        if seen[trial.mutation] == 1:
            return trial
    return None


def _became(trial: Trial) -> Mutant:
    by = trial.run()
    if by is not None:
        return Mutant(trial.mutation, CAUGHT, by, None)
    reason = trial.explain()
    return Mutant(trial.mutation, ESCAPED if reason is None else EXPLAINED, None, reason)
