"""Modules that learn in_channels from the first input. Once they have seen it, they are plain convolutions."""

from typing import Any

import torch
from torch import Tensor

from torchconv._arguments import batched, integer
from torchconv.errors import TorchconvError, raise_clearly
from torchconv.nn import conv


class _Lazy(conv._AnyConv):
    """Comes before torch's lazy class, whose constructor takes all but `algo` from here."""

    def __init__(self, *args: Any, algo: str = "auto", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.out_channels = integer("out_channels", self.out_channels, self.out_channels, "an int")
        self._set_algo(algo)

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        try:
            super().initialize_parameters(input, *args, **kwargs)  # type: ignore[misc]
        except (RuntimeError, ValueError, AttributeError) as error:
            if isinstance(input, Tensor):
                channels = batched(input, self._d).shape[1]
                if channels % self.groups:
                    came = f"the {channels} channels of x, got {self.groups}"
                    raise TorchconvError(f"groups: expected a divisor of {came}") from None
            raise_clearly(error, {"x": input}, {})


class LazyConv1d(_Lazy, torch.nn.LazyConv1d, conv.Conv1d):  # type: ignore[misc]
    """torchconv.nn.Conv1d without in_channels, as torch.nn.LazyConv1d.

    Args:
        padding: also ((left, right),), and "same" with a stride: see torchconv.conv1d.
        algo: see torchconv.conv2d.
        others: as in torch.nn.LazyConv1d.

    Shape:
        [N, C, L] to [N, K, Q], or the same without N; C is that of the first input.

    Raises:
        TorchconvError: an argument is wrong, here or when the module is called.

    Example:
        >>> import torch, torchconv
        >>> m = torchconv.nn.LazyConv1d(8, 3)
        >>> m(torch.ones(1, 4, 10)).shape, m.in_channels
        (torch.Size([1, 8, 8]), 4)
    """

    cls_to_become = conv.Conv1d


class LazyConv2d(_Lazy, torch.nn.LazyConv2d, conv.Conv2d):  # type: ignore[misc]
    """torchconv.nn.Conv2d without in_channels, as torch.nn.LazyConv2d.

    Args:
        padding: also ((top, bottom), (left, right)), and "same" with a stride: see torchconv.conv2d.
        algo: see torchconv.conv2d.
        others: as in torch.nn.LazyConv2d.

    Shape:
        [N, C, H, W] to [N, K, P, Q] in the same memory format, or the same without N; C is that of the first input.

    Raises:
        TorchconvError: an argument is wrong, here or when the module is called.

    Example:
        >>> import torch, torchconv
        >>> m = torchconv.nn.LazyConv2d(8, 3)
        >>> m(torch.ones(1, 4, 10, 10)).shape, m.in_channels
        (torch.Size([1, 8, 8, 8]), 4)
    """

    cls_to_become = conv.Conv2d


class LazyConv3d(_Lazy, torch.nn.LazyConv3d, conv.Conv3d):  # type: ignore[misc]
    """torchconv.nn.Conv3d without in_channels, as torch.nn.LazyConv3d.

    Args:
        padding: also ((front, back), (top, bottom), (left, right)), and "same" with a stride: see torchconv.conv3d.
        algo: see torchconv.conv2d.
        others: as in torch.nn.LazyConv3d.

    Shape:
        [N, C, D, H, W] to [N, K, O, P, Q] in the same memory format, or the same without N; C is that of the first
        input.

    Raises:
        TorchconvError: an argument is wrong, here or when the module is called.

    Example:
        >>> import torch, torchconv
        >>> m = torchconv.nn.LazyConv3d(8, 3)
        >>> m(torch.ones(1, 4, 5, 10, 10)).shape, m.in_channels
        (torch.Size([1, 8, 3, 8, 8]), 4)
    """

    cls_to_become = conv.Conv3d


class LazyConvTranspose1d(_Lazy, torch.nn.LazyConvTranspose1d, conv.ConvTranspose1d):  # type: ignore[misc]
    """torchconv.nn.ConvTranspose1d without in_channels, as torch.nn.LazyConvTranspose1d.

    Args:
        algo: see torchconv.conv2d.
        others: as in torch.nn.LazyConvTranspose1d.

    Shape:
        [N, C, L] to [N, K, Q], or the same without N; C is that of the first input.

    Raises:
        TorchconvError: an argument is wrong, here or when the module is called.

    Example:
        >>> import torch, torchconv
        >>> m = torchconv.nn.LazyConvTranspose1d(8, 3)
        >>> m(torch.ones(1, 4, 10)).shape, m.in_channels
        (torch.Size([1, 8, 12]), 4)
    """

    cls_to_become = conv.ConvTranspose1d


class LazyConvTranspose2d(_Lazy, torch.nn.LazyConvTranspose2d, conv.ConvTranspose2d):  # type: ignore[misc]
    """torchconv.nn.ConvTranspose2d without in_channels, as torch.nn.LazyConvTranspose2d.

    Args:
        algo: see torchconv.conv2d.
        others: as in torch.nn.LazyConvTranspose2d.

    Shape:
        [N, C, H, W] to [N, K, P, Q] in the same memory format, or the same without N; C is that of the first input.

    Raises:
        TorchconvError: an argument is wrong, here or when the module is called.

    Example:
        >>> import torch, torchconv
        >>> m = torchconv.nn.LazyConvTranspose2d(8, 3)
        >>> m(torch.ones(1, 4, 10, 10)).shape, m.in_channels
        (torch.Size([1, 8, 12, 12]), 4)
    """

    cls_to_become = conv.ConvTranspose2d


class LazyConvTranspose3d(_Lazy, torch.nn.LazyConvTranspose3d, conv.ConvTranspose3d):  # type: ignore[misc]
    """torchconv.nn.ConvTranspose3d without in_channels, as torch.nn.LazyConvTranspose3d.

    Args:
        algo: see torchconv.conv2d.
        others: as in torch.nn.LazyConvTranspose3d.

    Shape:
        [N, C, D, H, W] to [N, K, O, P, Q] in the same memory format, or the same without N; C is that of the first
        input.

    Raises:
        TorchconvError: an argument is wrong, here or when the module is called.

    Example:
        >>> import torch, torchconv
        >>> m = torchconv.nn.LazyConvTranspose3d(8, 3)
        >>> m(torch.ones(1, 4, 5, 10, 10)).shape, m.in_channels
        (torch.Size([1, 8, 7, 12, 12]), 4)
    """

    cls_to_become = conv.ConvTranspose3d
