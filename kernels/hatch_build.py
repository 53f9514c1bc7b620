"""The wheel's build: the library is compiled into the package, and the wheel serves every Python of the platform."""

import os
import platform
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))

import compile as compilation


class CompileHook(BuildHookInterface):  # type: ignore[type-arg]
    """Compiles before the wheel is packed. BITTRUE_KERNELS_MACHINE names another family of processors than this
    machine's, with CC a compiler for it."""

    @property
    def _library(self) -> Path:
        return Path(self.root) / "bittrue_kernels" / "libbittrue_kernels.so"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        machine = os.environ.get("BITTRUE_KERNELS_MACHINE", platform.machine())
        compilation.build(self._library, machine=machine)
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{compilation.platform_tag(self._library, machine)}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """The next build may be for another processor."""
        self._library.unlink()
