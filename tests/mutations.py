"""`python tests/mutations.py LOADER --edits 5000`: good files of one kind, each with one or two things put wrong.

Each edit must end in a result or in one sentence, within 10 s of the processor and 2 GB; docs/proof.md has the figures
of the runs. LOADER is one of those in mutating/loaders.py. `--first N` begins at a later edit, `--keep FOLDER` keeps
the files of those that don't end so.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

from mutating.loaders import LOADERS
from mutating.running import edited, endings


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("loader", choices=LOADERS)
    parser.add_argument("--edits", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args(arguments)
    loader = LOADERS[asked.loader]
    found: Counter[str] = Counter()
    slowest, faults = 0.0, 0
    for ending in endings(loader, asked.edits, asked.seed, asked.first):
        found[ending.verdict] += 1
        slowest = max(slowest, ending.seconds)
        faults += ending.is_fault
        if ending.is_fault:
            print(f"{ending.trial}: {ending.verdict} in {ending.seconds:.1f} s: {ending.sentence[:400]!r}", flush=True)
            if asked.keep:
                for name, content in edited(loader, loader.bases(), asked.seed, ending.trial).items():
                    path = asked.keep / str(ending.trial) / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
        if sum(found.values()) % 500 == 0:
            print(sum(found.values()), dict(found), f"slowest {slowest:.1f} s", flush=True)
    print(asked.loader, dict(found), f"slowest {slowest:.1f} s")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
