"""The codes of a folder of dumps beside those of the simulation, site by site."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bittrue.analysis.evaluating.batches import chosen_images
from bittrue.analysis.evaluating.codes import codes_of
from bittrue.data import DataLike, Dataset
from bittrue.display import Column, Table, View
from bittrue.errors import BittrueError, DataError
from bittrue.exports.device.dumps import READERS, Word, read_codes
from bittrue.exports.device.guesses import guess
from bittrue.exports.storage import storage_of
from bittrue.exports.words import word_length_of
from bittrue.fixed import decode
from bittrue.lowering import lower_network
from bittrue.network import Network
from bittrue.plan import Plan
from bittrue.program import FixedNetwork, Step
from bittrue.result import SavedResult
from bittrue.wording import counted

Codes = NDArray[np.int64]

_LARGEST_DIFFERENCES = 9
"""Entries of a histogram of differences: the most frequent ones."""


@dataclass(frozen=True)
class WrongCode:
    """The first wrong code of a site: image, place in its tensor (flat, row-major, and by axis), both codes, and the
    bits of
    the site's words."""

    site: str
    image: int
    index: int
    place: tuple[int, ...]
    expected: int
    got: int
    expected_value: float
    got_value: float
    word_length: int


@dataclass(frozen=True)
class SiteComparison:
    """differences: how often got − expected is how much, the most frequent first; `largest` in units of the last
    bit."""

    site: str
    file: str
    values: int
    mismatches: int
    largest: int
    differences: Mapping[int, int]
    first: WrongCode | None


@dataclass(frozen=True, repr=False)
class DeviceComparison(SavedResult):
    """What a device computed beside the simulation. guess: what explains the first wrong site, tried and exact; or
    None.

    missing: sites without a file. said: what a witness says of its run.
    """

    network: str
    plan: str
    data: Mapping[str, Any]
    against: str
    images: int
    sites: tuple[SiteComparison, ...]
    guess: str | None
    missing: tuple[str, ...]
    said: tuple[str, ...] = ()

    file: ClassVar[str] = "comparison"

    @property
    def values(self) -> int:
        return sum(site.values for site in self.sites)

    @property
    def mismatches(self) -> int:
        return sum(site.mismatches for site in self.sites)

    @property
    def first(self) -> WrongCode | None:
        """The first wrong code, in the order of the network."""
        return next((site.first for site in self.sites if site.first is not None), None)

    def view(self) -> View:
        columns = [Column("site"), Column("values", number=True), Column("wrong", number=True)]
        columns += [Column("largest, LSB", number=True), Column("differences, LSB: how often")]
        rows = [
            (
                site.site,
                f"{site.values:,}",
                f"{site.mismatches:,}",
                f"{site.largest:,}" if site.mismatches else "",
                ", ".join(f"{difference:+}: {count:,}" for difference, count in site.differences.items()),
            )
            for site in self.sites
        ]
        values, images = counted(self.values, "value"), counted(self.images, "image")
        return (
            Table(columns, rows, f"Against {self.against}"),
            f"Against {self.against}: {values} on {images}, {counted(self.mismatches, 'mismatch', 'mismatches')}.",
            *self._sentences(),
        )

    def _sentences(self) -> Sequence[str]:
        sentences = []
        if self.first is not None:
            first = self.first
            sentences.append(
                f"The first wrong site is {first.site}: image {first.image}, index {first.index} {list(first.place)}."
            )
            right = _shown(first.expected, first.expected_value, first.word_length)
            mistaken = _shown(first.got, first.got_value, first.word_length)
            sentences.append(f"Expected {right}, got {mistaken}.")
            sentences.append(f"A guess: {self.guess}." if self.guess else "No usual mistake explains it.")
        if self.missing:
            shown = ", ".join(self.missing[:6]) + (", …" if len(self.missing) > 6 else "")
            sentences.append(f"Without a file and so not compared: {shown}.")
        return [*sentences, *self.said]

    def records(self) -> list[dict[str, Any]]:
        """A row a site."""
        return [
            {"site": site.site, "values": site.values, "mismatches": site.mismatches, "largest": site.largest}
            for site in self.sites
        ]

    def to_json(self) -> dict[str, Any]:
        return {
            "bittrue": 1,
            "network": self.network,
            "plan": self.plan,
            "data": dict(self.data),
            "against": self.against,
            "images": self.images,
            "values": self.values,
            "mismatches": self.mismatches,
            "first": None if self.first is None else asdict(self.first),
            "guess": self.guess,
            "sites": [
                asdict(site) | {"differences": {str(key): count for key, count in site.differences.items()}}
                for site in self.sites
            ],
            "missing": list(self.missing),
            "said": list(self.said),
        }

    @classmethod
    def from_json(cls, content: Any, source: str) -> "DeviceComparison":
        try:
            sites = tuple(_site_from_json(site) for site in content["sites"])
            same = ("network", "plan", "data", "against", "images", "guess")
            missing, said = tuple(content["missing"]), tuple(content.get("said", ()))
            return cls(**{name: content[name] for name in same}, sites=sites, missing=missing, said=said)
        except (KeyError, TypeError, ValueError) as error:
            raise BittrueError(f"{source}: not a comparison ({error!r}); make one with `bittrue verify`.") from None


def _site_from_json(content: Mapping[str, Any]) -> SiteComparison:
    first = content["first"]
    return SiteComparison(
        **{key: content[key] for key in ("site", "file", "values", "mismatches", "largest")},
        differences={int(key): count for key, count in content["differences"].items()},
        first=None if first is None else WrongCode(**first | {"place": tuple(first["place"])}),
    )


def _shown(code: int, value: float, word_length: int) -> str:
    """In decimal, as the word's hexadecimal digits, and as the value."""
    word = code & ((1 << word_length) - 1)
    return f"{code} (0x{word:0{-(-word_length // 4)}x}, the value {value:g})"


def compare_with_folder(
    network: Network, plan: Plan, dataset: DataLike, folder: str | Path, *, images: int | None = None
) -> DeviceComparison:
    """Compare the dumps in `folder` with the codes of the first `images` examples (None: all of the data).

    Each file is named by its site and says by its suffix what it holds (see `dumps`); it has the codes of all images,
    one after the other, row-major with channels last.

    Raises: DataError for a folder without a file of a site, two files of one, and a file that can't be read as codes
    of it.
    """
    chosen = chosen_images(network, dataset, images)
    return compare_codes(lower_network(network, plan), chosen, Path(folder))


def compare_codes(
    program: FixedNetwork, images: Dataset, folder: Path, *, against: str | None = None
) -> DeviceComparison:
    """The same for a program. against: what the device is called, if not by its folder."""
    steps = [step for step in program.steps if step.site is not None and not step.type.is_float]
    files = _files(folder, [str(step.site) for step in steps])
    present = [step for step in steps if step.site in files]
    expected = codes_of(program, images, [step.name for step in present])
    sites = []
    for step in present:
        path = files[str(step.site)]
        got = read_codes(path, Word(word_length_of(step), (step.type.low or 0) < 0, storage_of(step)))
        sites.append(_compared(step, path, expected[step.name], got))
    return DeviceComparison(
        network=program.network,
        plan=program.plan,
        data={"name": images.name, "sha256": images.sha256, "images": images.images},
        against=against or str(folder),
        images=images.images,
        sites=tuple(sites),
        guess=_explained(program, images, present, sites, expected, files),
        missing=tuple(str(step.site) for step in steps if step.site not in files),
    )


def _files(folder: Path, sites: Sequence[str]) -> dict[str, Path]:
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder: name the one that holds what the device computed, a file a site.")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in READERS and path.stem in sites:
            if path.stem in found:
                raise DataError(
                    f"{folder} holds {found[path.stem].name} and {path.name}, two files of one site: leave one."
                )
            found[path.stem] = path
    if not found:
        suffixes = ", ".join(READERS)
        raise DataError(f"{folder} holds no file of a site: name each by its site, as in {sites[-1]}.hex ({suffixes}).")
    return found


def _codes_at(images: Dataset, name: str, program: FixedNetwork) -> Codes:
    return codes_of(program, images, [name])[name]


def _compared(step: Step, path: Path, expected: Codes, got: Codes) -> SiteComparison:
    if got.size != expected.size:
        of_one = expected[0].size
        whole, rest = divmod(got.size, of_one)
        fewer = f", or give --images {whole}" if whole and not rest else ""
        raise DataError(
            f"{path} holds {got.size:,} codes, and site {step.site} has {of_one:,} an image, {expected.size:,} for "
            f"{counted(len(expected), 'image')}: dump all of them{fewer}."
        )
    codes = got.reshape(expected.shape)
    wrong = np.flatnonzero(codes != expected)
    if not wrong.size:
        return SiteComparison(str(step.site), path.name, got.size, 0, 0, {}, None)
    differences = [int(a) - int(b) for a, b in zip(got[wrong], expected.reshape(-1)[wrong], strict=True)]
    image, index = divmod(int(wrong[0]), expected[0].size)
    right, mistaken = int(expected[image].reshape(-1)[index]), int(codes[image].reshape(-1)[index])
    bits = step.type.binary_point
    first = WrongCode(
        str(step.site),
        image,
        index,
        tuple(int(place) for place in np.unravel_index(index, expected.shape[1:])),
        right,
        mistaken,
        float(decode(right, bits)),
        float(decode(mistaken, bits)),
        word_length_of(step),
    )
    frequent = dict(Counter(differences).most_common(_LARGEST_DIFFERENCES))
    return SiteComparison(
        str(step.site), path.name, got.size, int(wrong.size), max(map(abs, differences)), frequent, first
    )


def _explained(
    program: FixedNetwork,
    images: Dataset,
    steps: Sequence[Step],
    sites: Sequence[SiteComparison],
    expected: Mapping[str, Codes],
    files: Mapping[str, Path],
) -> str | None:
    for step, site in zip(steps, sites, strict=True):
        if site.first is not None:
            word = Word(word_length_of(step), (step.type.low or 0) < 0, storage_of(step))
            got = read_codes(files[str(step.site)], word).reshape(expected[step.name].shape)
            return guess(program, step, expected[step.name], got, partial(_codes_at, images, step.name))
    return None
