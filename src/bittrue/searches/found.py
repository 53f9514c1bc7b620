"""What a search found: the plan, how it was reached, and the claim."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from math import ceil, log, log1p
from pathlib import Path
from typing import Any

from bittrue.analysis.cost.result import Cost
from bittrue.analysis.sensitivity import measure_of
from bittrue.analysis.sensitivity_result import SiteLoss
from bittrue.display import Column, Table, View
from bittrue.files import replacing_together
from bittrue.network import Network
from bittrue.plan import Plan
from bittrue.repairs.repaired import Repaired
from bittrue.reports.search_page import build_search_report
from bittrue.result import Result
from bittrue.searches.claim import Claim
from bittrue.searches.front import FrontPoint, front_table
from bittrue.wording import counted, points

PLAN, WEIGHTS, SEARCH = "plan.json", "weights.npz", "search.json"

FLOAT_BITS = 32


@dataclass(frozen=True)
class Tried:
    """A plan that was simulated on the selection images: its price, whether it holds, and the images that decided it,
    so many of them lost and gained."""

    plan: str
    price: float
    within: bool
    images: int
    lost: int
    gained: int

    @property
    def loss(self) -> str:
        """`12.50 points on 256 images`."""
        lost = 100 * (self.lost - self.gained) / self.images
        return f"{lost:.2f} points on {counted(self.images, 'image')}".replace("-", "−")


@dataclass(frozen=True, repr=False)
class Search(Result):
    """The result of a search.

    reached: whether `plan` holds the accuracy on the selection images; else it is the plan that loses least, and
    `limiting` the site that costs most there. network: with which `plan` goes, a repaired one where `repaired` is
    something. words: of each free site. costs: those that were asked for. path: the plans that were simulated.
    image_passes: images through a network in all. looks: how often other searches of the folder had claimed something
    on the same held-out images. losses: what each site costs alone. front: where it was asked for, plans at other
    prices, the dearest first. limits: what costs may be at most. data: name and sha256 of the
    held-out images. command: with which all this was asked for.
    """

    reached: bool
    limiting: str | None
    trained: str
    network: Network
    plan: Plan
    repaired: Repaired | None
    words: Mapping[str, int]
    max_drop: float
    cost: Cost
    costs: Mapping[str, float]
    path: tuple[Tried, ...]
    parts: Mapping[str, int]
    image_passes: int
    claim: Claim
    looks: int
    seed: int
    losses: tuple[SiteLoss, ...] = ()
    front: tuple[FrontPoint, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    command: str | None = None

    @property
    def planned(self) -> str | None:
        """The plan of the front with the words that were found, if one has them."""
        return next((point.plan for point in self.front if point.words == self.words), None)

    @property
    def holds(self) -> bool:
        """Whether the accuracy was reached, and the held-out images measure no larger loss than is allowed."""
        return self.reached and self.claim.difference >= -self.max_drop / 100

    @cached_property
    def sentence(self) -> str:
        """The claim, as the last line says it."""
        stored = self.cost.of_kind("parameter")
        bits, words = sum(site.bits for site in stored), sum(site.words for site in stored)
        return (
            f"{self.cost.means} instead of {FLOAT_BITS}, {_bytes(bits)} of parameters instead of "
            f"{_bytes(FLOAT_BITS * words)}; {self.claim.sentence()}."
        )

    def view(self) -> View:
        lengths = sorted(set(self.words.values()))
        columns = [Column("site"), *(Column(str(bits), number=True) for bits in lengths)]
        rows = [(name, *("■" if bits == own else "" for bits in lengths)) for name, own in self.words.items()]
        costs = ", ".join(f"{name} {value:,}" for name, value in self.costs.items())
        parts: list[Table | str] = [Table(columns, rows, f"Bits of each site ({costs})")]
        if self.repaired is not None:
            parts.extend(self.repaired.view())
        if self.front:
            parts.append(front_table(self.front, self.planned, self.max_drop))
        parts.append(
            f"{counted(len(self.path), 'plan')} simulated, {sum(tried.within for tried in self.path)} of them within "
            f"{points(self.max_drop)} on {counted(self.parts['selection'], 'selection image')}; "
            f"{self.image_passes:,} image passes in all."
        )
        parts += self.notes
        parts.append(self.sentence[0].upper() + self.sentence[1:])
        return tuple(parts)

    @property
    def notes(self) -> list[str]:
        """What has to be said beside the claim: what wasn't reached, images that were looked at before, too few."""
        notes = []
        if not self.reached:
            notes.append(self._unreached())
        elif not self.holds:
            notes.append(
                f"On the held-out images the plan loses more than {points(self.max_drop)}, although it didn't on "
                "those it was chosen on; the interval says how much of that is chance. Take more images, or a smaller "
                "--max-drop."
            )
        if self.looks:
            notes.append(
                f"These held-out images were looked at by {counted(self.looks, 'search', 'searches')} of this folder "
                "before: whoever chooses among the claims needs others."
            )
        enough = enough_images(self.max_drop)
        if self.parts["selection"] < enough:
            notes.append(
                f"{self.parts['selection']:,} images to choose on are few: even a plan that loses none of them may "
                f"lose more than {points(self.max_drop)}; {enough:,} are the least that tell (95 %)."
            )
        return notes

    def _unreached(self) -> str:
        """Why no plan holds, and what would help."""
        measured = f" ({self.path[-1].loss})" if self.path else ""  # by halving, the last that is tried loses least
        bits = self.words.get(self.limiting or "")
        help_with = [f"a longer word for it (--keep '{self.limiting}={(bits or 0) + 2}', or longer --words)"]
        if self.repaired is None:
            help_with.append("repairs (--repair auto)")
        help_with += [f"a higher --limit {name} (it is {most:g})" for name, most in self.limits.items()]
        help_with.append("a higher --max-drop")
        return (
            f"No plan was found that loses no more than {points(self.max_drop)}: this one loses least{measured}, and "
            f"{self.limiting} with {bits} bits costs most in it. What may help: {', '.join(help_with[:-1])}, or "
            f"{help_with[-1]}."
        )

    def records(self) -> list[dict[str, Any]]:
        """A row a site."""
        return [{"site": name, "word_length": bits} for name, bits in self.words.items()]

    def to_json(self) -> dict[str, Any]:
        return {
            "bittrue": 1,
            "network": self.trained,
            "network_name": self.network.name,
            "sentence": self.sentence,
            "notes": self.notes,
            "data": dict(self.data),
            "command": self.command,
            "plan": self.plan.hash,
            "reached": self.reached,
            "holds": self.holds,
            "limiting": self.limiting,
            "max_drop": self.max_drop,
            "seed": self.seed,
            "cost": dict(self.costs),
            "limits": dict(self.limits),
            "bits": dict(self.cost.mean_bits),
            "sites": dict(self.words),
            "stored": [site for site in self.cost.records() if site["kind"] in ("parameter", "activation", "table")],
            "measure": measure_of(self.network),
            "sensitivity": [
                {"site": loss.site, "word_length": loss.word_length, "loss": loss.loss} for loss in self.losses
            ],
            "parts": dict(self.parts),
            "path": [asdict(tried) for tried in self.path],
            "front": [point.to_json() for point in self.front],
            "repairs": [] if self.repaired is None else self.repaired.records(),
            "image_passes": self.image_passes,
            "claim": self.claim.to_json(),
            "looks_before": self.looks,
        }

    def save_into(self, folder: str | Path) -> None:
        """Write search.json, the plan, the repaired weights where there are some, and the report.

        Raises: BittrueError where the folder can't be written.
        """
        with replacing_together(folder, (PLAN, WEIGHTS, SEARCH)) as temporary:
            save_plan(self.plan, self.repaired, temporary)
            self.save(temporary / SEARCH)
        build_search_report(Path(folder))


def enough_images(max_drop: float) -> int:
    """Of how many images none may be lost so that a loss of more than `max_drop` points is refused at 5 %."""
    return ceil(log(0.05) / log1p(-max_drop / 100))


def save_plan(plan: Plan, repaired: Repaired | None, folder: Path) -> None:
    """The plan, and the weights that go with it."""
    plan.save(folder / PLAN)
    if repaired is not None:
        repaired.save(folder / WEIGHTS)


def _bytes(bits: int) -> str:
    size = bits / 8
    for unit in ("bytes", "kB", "MB"):
        if size < 1000 or unit == "MB":
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("the last unit takes every size")
