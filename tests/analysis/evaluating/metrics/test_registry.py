"""Metrics are found by their names, say what they need, and are light until they are used."""

import subprocess
import sys

import pytest

from bittrue.analysis.evaluating.metrics import NAMES, metric_named
from bittrue.analysis.evaluating.metrics.metric import ByFloat, ByLabels, ByTargets
from bittrue.errors import BittrueError


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_is_found_by_its_name(name: str) -> None:
    metric = metric_named(name)
    assert metric.name == name
    assert isinstance(metric.judged, ByLabels | ByTargets | ByFloat)
    assert len(metric.shown.columns) > 0


def test_an_unknown_one_is_refused() -> None:
    with pytest.raises(BittrueError, match=rf"no metric 'f2': choose one of {', '.join(NAMES)}\."):
        metric_named("f2")


def test_the_names_alone_are_light() -> None:
    code = (
        "import sys; from bittrue.analysis.evaluating.metrics import NAMES; print({'numpy', 'torch'} & {*sys.modules})"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "set()"
