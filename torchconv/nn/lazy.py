"""Modules that learn in_channels from the first input. Once they have seen it, they are plain convolutions."""

from typing import Any

import torch

from torchconv._arguments import Ints, Padding
from torchconv.nn import conv


class _LazyConv(conv._Algo):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Padding = 0,
        dilation: Ints = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
        *,
        algo: str = "auto",
    ) -> None:
        rest: Any = (kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype)
        super().__init__(out_channels, *rest)
        self._set_algo(algo)


class _LazyConvTranspose(conv._Algo):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints = 0,
        output_padding: Ints = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Ints = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
        *,
        algo: str = "auto",
    ) -> None:
        rest: Any = (kernel_size, stride, padding, output_padding, groups, bias, dilation, padding_mode, device, dtype)
        super().__init__(out_channels, *rest)
        self._set_algo(algo)


class LazyConv1d(_LazyConv, torch.nn.LazyConv1d, conv.Conv1d):  # type: ignore[misc]
    """torchconv.nn.Conv1d without in_channels, as torch.nn.LazyConv1d.

    Example:
        >>> import torch, torchconv
        >>> m = torchconv.nn.LazyConv1d(8, 3)
        >>> m(torch.ones(1, 4, 10)).shape, m.in_channels
        (torch.Size([1, 8, 8]), 4)
    """

    cls_to_become = conv.Conv1d


class LazyConv2d(_LazyConv, torch.nn.LazyConv2d, conv.Conv2d):  # type: ignore[misc]
    """torchconv.nn.Conv2d without in_channels, as torch.nn.LazyConv2d.

    Example:
        >>> import torch, torchconv
        >>> m = torchconv.nn.LazyConv2d(8, 3)
        >>> m(torch.ones(1, 4, 10, 10)).shape, m.in_channels
        (torch.Size([1, 8, 8, 8]), 4)
    """

    cls_to_become = conv.Conv2d


class LazyConvTranspose1d(_LazyConvTranspose, torch.nn.LazyConvTranspose1d, conv.ConvTranspose1d):  # type: ignore[misc]
    """torchconv.nn.ConvTranspose1d without in_channels, as torch.nn.LazyConvTranspose1d.

    Example:
        >>> import torch, torchconv
        >>> m = torchconv.nn.LazyConvTranspose1d(8, 3)
        >>> m(torch.ones(1, 4, 10)).shape, m.in_channels
        (torch.Size([1, 8, 12]), 4)
    """

    cls_to_become = conv.ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, torch.nn.LazyConvTranspose2d, conv.ConvTranspose2d):  # type: ignore[misc]
    """torchconv.nn.ConvTranspose2d without in_channels, as torch.nn.LazyConvTranspose2d.

    Example:
        >>> import torch, torchconv
        >>> m = torchconv.nn.LazyConvTranspose2d(8, 3)
        >>> m(torch.ones(1, 4, 10, 10)).shape, m.in_channels
        (torch.Size([1, 8, 12, 12]), 4)
    """

    cls_to_become = conv.ConvTranspose2d
