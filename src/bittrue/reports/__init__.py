"""The report: one HTML page of a folder of results."""

from pathlib import Path


def build_report(folder: str | Path, max_drop: float | None = None) -> Path:
    """Write `report.html` into `folder`, from the results there; returns its path: see `bittrue.reports.page`."""
    from bittrue.reports.page import build_report as build

    return build(Path(folder), max_drop)
