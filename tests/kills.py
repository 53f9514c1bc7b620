"""`python tests/kills.py --kills 20`: a search killed at random points ends with the same files.

It is the search of tests/searches/test_killed.py; what stands behind `--` is given to `bittrue search` instead, without
`--out` and with whole paths. The search runs whole once; then, for each kill, again in a folder of its own, is killed
(SIGKILL) after a random share of that time, and goes on from what it left. docs/search.md has the figures of a run.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from searches.killing import different, finished, killed, started
from searches.test_killed import SEARCH


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
        seconds = time.monotonic() - begun
        print(f"whole: {seconds:.1f} s", flush=True)
        for number in range(1, asked.kills + 1):
            folder = Path(root) / str(number)
            after = drawn.uniform(0, seconds)
            lines = killed(started(command, folder), folder, lambda lines, since, after=after: since >= after)
            finished(started(command, folder))
            names = different(whole, folder)
            wrong += bool(names)
            ended = f"other files: {', '.join(names)}" if names else "the same files"
            print(f"kill {number} after {after:.1f} s, {lines} lines in the journal: {ended}", flush=True)
    print(f"{asked.kills} kills, {asked.kills - wrong} ended with the same files, byte by byte")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
