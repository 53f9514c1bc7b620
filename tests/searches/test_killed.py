"""A search that is really killed ends with the same files; tests/kills.py does it at random points."""

from pathlib import Path

from searches.killing import FILES, different, finished, killed, started

SEARCH = """
import bittrue
from searches.test_search import NETWORK, examples

bittrue.search(
    NETWORK, examples(700, seed=1), max_drop=5, words="2,4,6,8", calibrate=100, steps=4, pareto=True,
    repairs="bias", out="found",
)
"""


def test_processes_that_are_killed_end_with_the_same_files(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    finished(started(["-c", SEARCH], whole))
    there = (whole / "found" / "search.jsonl").read_bytes().count(b"\n")
    for least in (2, 9):
        lines = killed(started(["-c", SEARCH], broken), broken, lambda lines, seconds, least=least: lines >= least)
        assert least <= lines < there  # under way
        assert different(whole, broken)  # the canary
    finished(started(["-c", SEARCH], broken))
    assert different(whole, broken) == []
    assert {path.name for path in (broken / "found").iterdir()} == set(FILES)
