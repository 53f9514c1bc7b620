"""What search.py measured: the lines of its results, the tables and the picture that docs/search.md has of them.

`python benchmarks/search_table.py resnet8.jsonl --picture resnet8.svg` prints the tables and draws the picture. Of a
search's search.json it draws the front, as small.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bittrue.analysis.charts.chart import Chart
from bittrue.analysis.charts.specifications import BLUE, GREEN, GREY, ORANGE, PURPLE, Specification, finished, legend
from bittrue.reports.search_page import front_chart

PAIRS = ("8/8", "6/8", "4/8", "4/6", "4/5", "3/6", "4/4")
"""Bits of weights and of activations."""
FLOAT, OURS = "float", "bittrue, "
NETWORKS = {"resnet8": "ResNet-8", "mobilenet": "MobileNet"}
TOOLS = {
    "bittrue, none": ("bittrue, no repair", BLUE, [4, 3]),
    "bittrue, ": ("bittrue, its best repair", BLUE, [1, 0]),
    "brevitas": ("Brevitas, least squares", ORANGE, [4, 3]),
    "brevitas, ": ("Brevitas, its best", ORANGE, [1, 0]),
    "mct": ("model-compression-toolkit", PURPLE, [1, 0]),
    "aimet": ("AIMET, steps of any size", GREEN, [1, 0]),
}
"""Lines of the picture, by how the names of their configurations begin (the longest that fits): what the legend says,
the colour, and the dashes."""
WIDTH, HEIGHT = 350, 300
"""Pixels of the picture, so that a telephone shows it as it is."""


@dataclass(frozen=True)
class About:
    """The first line of the results."""

    network: str
    test_images: int
    calibration_images: int


@dataclass(frozen=True)
class Cell:
    """What a configuration makes of a pair; failure: why it makes nothing of it."""

    what: str
    pair: str
    accuracy: float | None = None
    image_passes: int = 0
    seconds: float = 0.0
    failure: str = ""


@dataclass(frozen=True)
class Results:
    about: About
    cells: tuple[Cell, ...]

    @property
    def float_accuracy(self) -> float:
        (cell,) = (cell for cell in self.cells if cell.what == FLOAT)
        return cell.accuracy or 0.0

    def by_configuration(self) -> dict[str, dict[str, Cell]]:
        """What was measured but float, by configuration and pair, in the order of measuring."""
        found: dict[str, dict[str, Cell]] = {}
        for cell in self.cells:
            if cell.what != FLOAT:
                found.setdefault(cell.what, {})[cell.pair] = cell
        return dict(sorted(found.items(), key=lambda each: not each[0].startswith(OURS)))


def begin(path: Path, about: About) -> None:
    """Make the file, or see that it is of the same images."""
    if not path.exists():
        path.write_text(json.dumps(asdict(about)) + "\n", encoding="utf-8")
    if read(path).about != about:
        raise SystemExit(f"{path} is of {read(path).about} and not of {about}: give another file.")


def append(path: Path, cell: Cell) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(cell)) + "\n")


def read(path: Path) -> Results:
    first, *others = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return Results(About(**first), tuple(Cell(**line) for line in others))


def page(results: Results) -> str:
    """Two tables: accuracies, with the best of each tool's in bold; and what they took."""
    about, rows = results.about, results.by_configuration()
    images = f"{about.test_images:,} test images, {about.calibration_images:,} training images to calibrate on"
    lines = [
        f"{NETWORKS[about.network]}, accuracy in % ({100 * results.float_accuracy:.2f} in float), {images}",
        "",
        *_head("", *PAIRS),
    ]
    for what, cells in rows.items():
        lines.append(_row(_named(what), *(_accuracy(cells.get(pair), _best(results, what, pair)) for pair in PAIRS)))
    lines += ["", "What a pair took", "", *_head("", "image passes", "seconds of CPU time")]
    for what, cells in rows.items():
        done = [cell for cell in cells.values() if cell.accuracy is not None]
        if done:
            passes, seconds = max(cell.image_passes for cell in done), sorted(cell.seconds for cell in done)
            lines.append(_row(_named(what), f"{passes:,}", _span(seconds[0], seconds[-1])))
    return "\n".join(lines)


def _span(low: float, high: float) -> str:
    return f"{low:.0f}" if round(low) == round(high) else f"{low:.0f} to {high:.0f}"


def _head(*titles: str) -> list[str]:
    return [_row(*titles), "|---" * len(titles) + "|"]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _named(what: str) -> str:
    tool, _, rest = what.partition(", ")
    return f"{tool}, `{rest}`" if what.startswith(OURS) else what


def _best(results: Results, what: str, pair: str) -> float:
    """The best that any configuration of the same tool makes of a pair."""
    tool = what.partition(",")[0]
    found = [cell for cell in results.cells if cell.what.partition(",")[0] == tool and cell.pair == pair]
    return max((cell.accuracy or 0.0 for cell in found), default=0.0)


def _accuracy(cell: Cell | None, best: float) -> str:
    if cell is None:
        return ""
    if cell.accuracy is None:
        return cell.failure
    shown = f"{100 * cell.accuracy:.2f}"
    return f"**{shown}**" if cell.accuracy == best else shown


def picture(results: Results) -> Chart:
    """Points lost to float at each pair, a line for each of `TOOLS`: the best of its configurations."""
    import altair as alt

    lost: dict[tuple[str, str], float] = {}
    for cell in results.cells:
        if cell.what != FLOAT and cell.accuracy is not None:
            key = max((begins for begins in TOOLS if cell.what.startswith(begins)), key=len)
            points = 100 * (results.float_accuracy - cell.accuracy)
            lost[key, cell.pair] = min(points, lost.get((key, cell.pair), points))
    shown = [TOOLS[key] for key in TOOLS if any(key == found for found, _ in lost)]
    values = [{"tool": TOOLS[key][0], "pair": pair, "lost": points} for (key, pair), points in lost.items()]
    title = "points lost to float, best of the tool’s configurations"
    names = [name for name, _, _ in shown]
    colours = alt.Scale(domain=names, range=[colour for _, colour, _ in shown])
    dashes = alt.Scale(domain=names, range=[dash for _, _, dash in shown])
    scale = alt.Scale(type="symlog", constant=1, reverse=True, nice=False)
    ticks: Sequence[float] = [0, 1, 2, 5, 10, 20, 50]
    encoding: dict[str, Any] = {
        "x": alt.X("pair:N", title="bits of weights/activations", sort=list(PAIRS), axis=alt.Axis(labelAngle=0)),
        "y": alt.Y("lost:Q", title=title, scale=scale, axis=alt.Axis(values=list(ticks))),
        "color": alt.Color("tool:N", title=None, scale=colours, legend=legend("stroke")),
    }
    data = alt.Chart(alt.Data(values=values))
    chart = alt.layer(
        alt.Chart(alt.Data(values=[{"lost": 0}])).mark_rule(color=GREY).encode(y=encoding["y"]),
        data.mark_line(strokeWidth=2).encode(
            **encoding, strokeDash=alt.StrokeDash("tool:N", title=None, scale=dashes, legend=legend("stroke"))
        ),
        data.mark_point(size=40, filled=True, opacity=1).encode(**encoding),
    )
    description = f"{NETWORKS[results.about.network]}: points lost to float at pairs of bits, by tool."
    return _small(finished(chart, HEIGHT, description))


def front(path: Path) -> Chart:
    """The front in search.json of a search with --pareto."""
    return _small(front_chart(json.loads(path.read_text(encoding="utf-8"))))


def _small(specification: Specification) -> Chart:
    """As wide as a telephone, and on white, since the text of a picture in a file is black."""
    return Chart(specification | {"width": WIDTH, "height": HEIGHT, "background": "white"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="of search.py (.jsonl), or search.json of a search with --pareto")
    parser.add_argument("--picture", type=Path, help="draw it into this file, .svg or .png")
    asked = parser.parse_args()
    is_search = asked.results.suffix == ".json"
    if not is_search:
        print(page(read(asked.results)))
    if asked.picture:
        (front(asked.results) if is_search else picture(read(asked.results))).save(asked.picture)


if __name__ == "__main__":
    main()
