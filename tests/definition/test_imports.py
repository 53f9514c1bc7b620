"""The definition stands on the standard library: nothing else is imported with it."""

import subprocess
import sys

CODE = """
import sys
before = set(sys.modules)
import bittrue.definition
roots = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(roots - {"bittrue"} - sys.stdlib_module_names))
"""


def test_nothing_but_the_standard_library_is_imported() -> None:
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
