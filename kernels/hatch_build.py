"""The wheel's build: the library is compiled into the package, and the wheel serves every Python of the platform."""

import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))

import compile as compilation


class CompileHook(BuildHookInterface):  # type: ignore[type-arg]
    """Compiles before the wheel is packed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        target = Path(self.root) / "bittrue_kernels" / "libbittrue_kernels.so"
        compilation.build(target)
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
