"""The kernels' build and the tools that it needs."""

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

KERNELS = Path(__file__).parents[2] / "kernels"


def compilation() -> ModuleType:
    """kernels/compile.py, which belongs to no package."""
    specification = importlib.util.spec_from_file_location("kernels_compile", KERNELS / "compile.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def found(tool: str) -> str:
    path = shutil.which(tool)
    assert path is not None, f"{tool} isn't installed: .ci/run names its package"
    return path
