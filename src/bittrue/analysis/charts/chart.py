"""Charts for notebooks: a specification that shows itself as a picture, and is kept as a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bittrue.analysis.charts import specifications
from bittrue.analysis.charts.reach import site_reaches
from bittrue.errors import BittrueError
from bittrue.files import dump_json, write_bytes, write_text
from bittrue.fixed import FixedFormat
from bittrue.plan import Plan, Ranges


@dataclass(frozen=True, eq=False, repr=False)
class Chart:
    """A chart. specification: Vega-Lite's, without the data's address: all of it stands in it."""

    specification: specifications.Specification

    @cached_property
    def svg(self) -> str:
        """An SVG element, no wider than where it stands; text and lines have the colour of the text around it."""
        return specifications.to_svg(self.specification).replace(
            "<svg ", '<svg style="max-width: 100%; height: auto" ', 1
        )

    def save(self, path: str | Path) -> None:
        """Write the chart as what the suffix says: .svg, .png, .pdf, or .json (Vega-Lite).

        Raises: BittrueError for another suffix, and where `path` can't be written.
        """
        match Path(path).suffix.lower():
            case ".svg":
                write_text(path, specifications.to_svg(self.specification))
            case ".png":
                write_bytes(path, specifications.to_png(self.specification))
            case ".pdf":
                write_bytes(path, specifications.to_pdf(self.specification))
            case ".json":
                write_text(path, dump_json(self.specification))
            case suffix:
                raise BittrueError(f"{path}: a chart is written as .svg, .png, .pdf or .json, and not as {suffix!r}.")

    def __repr__(self) -> str:
        return f"Chart: {self.specification['description']}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/html": self.svg, "text/plain": repr(self)}


def ranges_chart(ranges: Ranges, plan: Plan | None = None) -> Chart:
    """Every site on an axis of powers of two: where its magnitudes lie, and what the plan's format resolves and
    reaches."""
    return Chart(specifications.ranges_chart(site_reaches(ranges, plan)))


def histogram(ranges: Ranges, site: str, formats: Sequence[FixedFormat] = ()) -> Chart:
    """The histogram of one site, and below it how far each of `formats` reaches.

    Raises: PlanError for a site that was not measured, with the nearest names.
    """
    return Chart(specifications.histogram_chart(site, ranges[site], formats))
