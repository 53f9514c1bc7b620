"""PyTorch models into Networks: modules with an example input, and exported programs.

The model is exported to ONNX in memory and read like a file, so that both doors give one Network.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bittrue.environment import exact_environment
from bittrue.errors import ModelError
from bittrue.frontends.doors import NEEDS_EXPORTER
from bittrue.frontends.onnx.rules.advice import STATE
from bittrue.frontends.torch.archive import safe_archive
from bittrue.frontends.torch.quiet import quiet, reason
from bittrue.network import Network, check_parameters


@exact_environment()
def from_torch(
    source: Any, example_input: Any = None, *, check: bool = True, told: Callable[[str], None] | None = None
) -> Network:
    """The Network of a PyTorch model in evaluation mode.

    source: an nn.Module, or what torch.export.export made of one (which is exported as it is: call `eval()` before), or
    the path of a .pt2 file that torch.export.save wrote.
    example_input: a tensor (batch, …) or a tuple of one, whose shape alone counts; a module needs it, an exported
    program has its own. Functional code is followed as torch.export follows it. Nodes bear the modules' paths:
    `layer1.0.conv1` becomes `layer1_0_conv1`. Images are channels last in the Network, as from_onnx has them.
    check: the model runs beside the Network, on its example and on random images, and another result is refused.
    told: see `frontends.load`.

    Raises: ModelError, in one sentence that names the model, and the module.
    """
    is_path = isinstance(source, str | os.PathLike)
    where, name = os.fspath(source) if is_path else f"the PyTorch model {type(source).__name__}", type(source).__name__
    try:
        if is_path:
            source, name = _load_program(Path(source)), Path(source).stem
        NEEDS_EXPORTER.check()
        from bittrue.frontends.torch.exporting import exported_network

        network = exported_network(source, example_input, name, where, check, told)
    except ModelError as error:
        recurrent = _recurrent(source)
        if recurrent is not None:
            raise ModelError(f"{where}: module {recurrent} (RNN): {STATE}.") from error
        raise ModelError(f"{where}: {str(error).rstrip('.')}.") from error
    check_parameters(network, where)
    return network


def _recurrent(source: Any) -> str | None:
    """The path of a module's plain recurrent layer, which the exporter makes other operators of."""
    import torch

    if not isinstance(source, torch.nn.Module):
        return None
    return next((name for name, module in source.named_modules() if isinstance(module, torch.nn.RNN)), None)


def _load_program(path: Path) -> Any:
    import torch

    archive = safe_archive(path)
    try:
        with quiet():
            return torch.export.load(archive)
    except Exception as error:  # the loader meets damage with exceptions of all kinds
        raise ModelError(f"PyTorch can't load it ({reason(error)}): export the program again") from error
