"""Modules: torch.nn's convolutions, with the same constructors and state_dict, computed by torchconv."""

from torchconv.nn.conv import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from torchconv.nn.lazy import LazyConv1d, LazyConv2d, LazyConvTranspose1d, LazyConvTranspose2d

__all__ = [
    "Conv1d",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
]
