"""`python tests/kills.py --kills 20`: a search killed at random points ends with the same files.

It is the search of tests/searches/test_killed.py; what stands behind `--` is given to `bittrue search` instead, without
`--out` and with whole paths. The search runs whole once; then, for each kill, again in a folder of its own, is killed
(SIGKILL) a random time after a random line of its journal, and goes on from what it left. docs/search.md has the
figures of a run.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from searches.killing import different, finished, killed, lines_of, started
from searches.test_killed import SEARCH


def after(least: int, seconds: float) -> Callable[[int, float], bool]:
    """So many seconds after the journal has this many lines: wherever a busy machine is by then."""
    begun: list[float] = []

    def when(lines: int, since: float) -> bool:
        if lines >= least and not begun:
            begun.append(since)
        return bool(begun) and since - begun[0] >= seconds

    return when


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("search", nargs="*")
    asked = parser.parse_args(arguments)
    command = ["-m", "bittrue", "search", *asked.search, "--out", "found"] if asked.search else ["-c", SEARCH]
    drawn = random.Random(asked.seed)
    wrong = 0
    with tempfile.TemporaryDirectory() as root:
        whole = Path(root) / "whole"
        begun = time.monotonic()
        finished(started(command, whole))
        seconds, lines = time.monotonic() - begun, lines_of(whole)
        print(f"whole: {seconds:.1f} s, {lines} lines in the journal", flush=True)
        for number in range(1, asked.kills + 1):
            folder = Path(root) / str(number)
            when = after(drawn.randrange(lines), drawn.uniform(0, seconds / lines))
            there = killed(started(command, folder), folder, when)
            finished(started(command, folder))
            names = different(whole, folder)
            wrong += bool(names)
            ended = f"other files: {', '.join(names)}" if names else "the same files"
            print(f"kill {number} with {there} lines in the journal: {ended}", flush=True)
    print(f"{asked.kills} kills, {asked.kills - wrong} ended with the same files, byte by byte")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
