"""Fixed point in PyTorch models: `bittrue.torch.Quantize`, an `nn.Module`."""

from bittrue.integrations.torch_quantize import Quantize

__all__ = ["Quantize"]
