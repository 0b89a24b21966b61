"""Pooling modules and ChannelShuffle."""

from typing import Any

import torch
from torch import Tensor

from torchconv import pooling


class MaxPool1d(torch.nn.MaxPool1d):
    """torch.nn.MaxPool1d, computed by torchconv.

    Args:
        all: as in torch.nn.MaxPool1d.

    Shape:
        [N, C, L] to [N, C, Q], or the same without N.

    Raises:
        TorchconvError: an argument is wrong; it shows when the module is called.

    Example:
        >>> import torch, torchconv
        >>> torchconv.nn.MaxPool1d(2)(torch.ones(1, 3, 4)).shape
        torch.Size([1, 3, 2])
    """

    def forward(self, input: Tensor) -> Any:
        arguments = (self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices)
        return pooling.max_pool1d(input, *arguments)


class AvgPool1d(torch.nn.AvgPool1d):
    """torch.nn.AvgPool1d, computed by torchconv.

    Args:
        all: as in torch.nn.AvgPool1d.

    Shape:
        [N, C, L] to [N, C, Q], or the same without N.

    Raises:
        TorchconvError: an argument is wrong; it shows when the module is called.

    Example:
        >>> import torch, torchconv
        >>> torchconv.nn.AvgPool1d(2)(torch.ones(1, 3, 4)).shape
        torch.Size([1, 3, 2])
    """

    def forward(self, input: Tensor) -> Tensor:
        arguments = (self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)
        return pooling.avg_pool1d(input, *arguments)


class LPPool1d(torch.nn.LPPool1d):
    """torch.nn.LPPool1d, computed by torchconv.

    Args:
        all: as in torch.nn.LPPool1d.

    Shape:
        [N, C, L] to [N, C, Q], or the same without N.

    Raises:
        TorchconvError: an argument is wrong; it shows when the module is called.

    Example:
        >>> import torch, torchconv
        >>> torchconv.nn.LPPool1d(2, 2)(torch.ones(1, 3, 4)).shape
        torch.Size([1, 3, 2])
    """

    def forward(self, input: Tensor) -> Tensor:
        return pooling.lp_pool1d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class AdaptiveMaxPool1d(torch.nn.AdaptiveMaxPool1d):
    """torch.nn.AdaptiveMaxPool1d, computed by torchconv.

    Args:
        all: as in torch.nn.AdaptiveMaxPool1d.

    Shape:
        [N, C, L] to [N, C, Q], or the same without N.

    Raises:
        TorchconvError: an argument is wrong; it shows when the module is called.

    Example:
        >>> import torch, torchconv
        >>> torchconv.nn.AdaptiveMaxPool1d(2)(torch.ones(1, 3, 4)).shape
        torch.Size([1, 3, 2])
    """

    def forward(self, input: Tensor) -> Any:
        return pooling.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveAvgPool1d(torch.nn.AdaptiveAvgPool1d):
    """torch.nn.AdaptiveAvgPool1d, computed by torchconv.

    Args:
        all: as in torch.nn.AdaptiveAvgPool1d.

    Shape:
        [N, C, L] to [N, C, Q], or the same without N.

    Raises:
        TorchconvError: an argument is wrong; it shows when the module is called.

    Example:
        >>> import torch, torchconv
        >>> torchconv.nn.AdaptiveAvgPool1d(2)(torch.ones(1, 3, 4)).shape
        torch.Size([1, 3, 2])
    """

    def forward(self, input: Tensor) -> Tensor:
        return pooling.adaptive_avg_pool1d(input, self.output_size)


class MaxPool2d(torch.nn.MaxPool2d):
    """torch.nn.MaxPool2d, computed by torchconv.

    Args:
        all: as in torch.nn.MaxPool2d.

    Shape:
        [N, C, H, W] to [N, C, P, Q] in the same memory format, or the same without N.

    Raises:
        TorchconvError: an argument is wrong; it shows when the module is called.

    Example:
        >>> import torch, torchconv
        >>> torchconv.nn.MaxPool2d(2)(torch.ones(1, 3, 4, 4)).shape
        torch.Size([1, 3, 2, 2])
    """

    def forward(self, input: Tensor) -> Any:
        arguments = (self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices)
        return pooling.max_pool2d(input, *arguments)


class AvgPool2d(torch.nn.AvgPool2d):
    """torch.nn.AvgPool2d, computed by torchconv.

    Args:
        all: as in torch.nn.AvgPool2d.

    Shape:
        [N, C, H, W] to [N, C, P, Q] in the same memory format, or the same without N.

    Raises:
        TorchconvError: an argument is wrong; it shows when the module is called.

    Example:
        >>> import torch, torchconv
        >>> torchconv.nn.AvgPool2d(2)(torch.ones(1, 3, 4, 4)).shape
        torch.Size([1, 3, 2, 2])
    """

    def forward(self, input: Tensor) -> Tensor:
        arguments = (
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )
        return pooling.avg_pool2d(input, *arguments)


class LPPool2d(torch.nn.LPPool2d):
    """torch.nn.LPPool2d, computed by torchconv.

    Args:
        all: as in torch.nn.LPPool2d.

    Shape:
        [N, C, H, W] to [N, C, P, Q] in the same memory format, or the same without N.

    Raises:
        TorchconvError: an argument is wrong; it shows when the module is called.

    Example:
        >>> import torch, torchconv
        >>> torchconv.nn.LPPool2d(2, 2)(torch.ones(1, 3, 4, 4)).shape
        torch.Size([1, 3, 2, 2])
    """

    def forward(self, input: Tensor) -> Tensor:
        return pooling.lp_pool2d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class AdaptiveMaxPool2d(torch.nn.AdaptiveMaxPool2d):
    """torch.nn.AdaptiveMaxPool2d, computed by torchconv.

    Args:
        all: as in torch.nn.AdaptiveMaxPool2d.

    Shape:
        [N, C, H, W] to [N, C, P, Q] in the same memory format, or the same without N.

    Raises:
        TorchconvError: an argument is wrong; it shows when the module is called.

    Example:
        >>> import torch, torchconv
        >>> torchconv.nn.AdaptiveMaxPool2d(2)(torch.ones(1, 3, 4, 4)).shape
        torch.Size([1, 3, 2, 2])
    """

    def forward(self, input: Tensor) -> Any:
        return pooling.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveAvgPool2d(torch.nn.AdaptiveAvgPool2d):
    """torch.nn.AdaptiveAvgPool2d, computed by torchconv.

    Args:
        all: as in torch.nn.AdaptiveAvgPool2d.

    Shape:
        [N, C, H, W] to [N, C, P, Q] in the same memory format, or the same without N.

    Raises:
        TorchconvError: an argument is wrong; it shows when the module is called.

    Example:
        >>> import torch, torchconv
        >>> torchconv.nn.AdaptiveAvgPool2d(2)(torch.ones(1, 3, 4, 4)).shape
        torch.Size([1, 3, 2, 2])
    """

    def forward(self, input: Tensor) -> Tensor:
        return pooling.adaptive_avg_pool2d(input, self.output_size)


class MaxPool3d(torch.nn.MaxPool3d):
    """torch.nn.MaxPool3d, computed by torchconv.

    Args:
        all: as in torch.nn.MaxPool3d.

    Shape:
        [N, C, D, H, W] to [N, C, O, P, Q] in the same memory format, or the same without N.

    Raises:
        TorchconvError: an argument is wrong; it shows when the module is called.

    Example:
        >>> import torch, torchconv
        >>> torchconv.nn.MaxPool3d(2)(torch.ones(1, 3, 4, 4, 4)).shape
        torch.Size([1, 3, 2, 2, 2])
    """

    def forward(self, input: Tensor) -> Any:
        arguments = (self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices)
        return pooling.max_pool3d(input, *arguments)


class AvgPool3d(torch.nn.AvgPool3d):
    """torch.nn.AvgPool3d, computed by torchconv.

    Args:
        all: as in torch.nn.AvgPool3d.

    Shape:
        [N, C, D, H, W] to [N, C, O, P, Q] in the same memory format, or the same without N.

    Raises:
        TorchconvError: an argument is wrong; it shows when the module is called.

    Example:
        >>> import torch, torchconv
        >>> torchconv.nn.AvgPool3d(2)(torch.ones(1, 3, 4, 4, 4)).shape
        torch.Size([1, 3, 2, 2, 2])
    """

    def forward(self, input: Tensor) -> Tensor:
        arguments = (
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )
        return pooling.avg_pool3d(input, *arguments)


class LPPool3d(torch.nn.LPPool3d):
    """torch.nn.LPPool3d, computed by torchconv.

    Args:
        all: as in torch.nn.LPPool3d.

    Shape:
        [N, C, D, H, W] to [N, C, O, P, Q] in the same memory format, or the same without N.

    Raises:
        TorchconvError: an argument is wrong; it shows when the module is called.

    Example:
        >>> import torch, torchconv
        >>> torchconv.nn.LPPool3d(2, 2)(torch.ones(1, 3, 4, 4, 4)).shape
        torch.Size([1, 3, 2, 2, 2])
    """

    def forward(self, input: Tensor) -> Tensor:
        return pooling.lp_pool3d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class AdaptiveMaxPool3d(torch.nn.AdaptiveMaxPool3d):
    """torch.nn.AdaptiveMaxPool3d, computed by torchconv.

    Args:
        all: as in torch.nn.AdaptiveMaxPool3d.

    Shape:
        [N, C, D, H, W] to [N, C, O, P, Q] in the same memory format, or the same without N.

    Raises:
        TorchconvError: an argument is wrong; it shows when the module is called.

    Example:
        >>> import torch, torchconv
        >>> torchconv.nn.AdaptiveMaxPool3d(2)(torch.ones(1, 3, 4, 4, 4)).shape
        torch.Size([1, 3, 2, 2, 2])
    """

    def forward(self, input: Tensor) -> Any:
        return pooling.adaptive_max_pool3d(input, self.output_size, self.return_indices)


class AdaptiveAvgPool3d(torch.nn.AdaptiveAvgPool3d):
    """torch.nn.AdaptiveAvgPool3d, computed by torchconv.

    Args:
        all: as in torch.nn.AdaptiveAvgPool3d.

    Shape:
        [N, C, D, H, W] to [N, C, O, P, Q] in the same memory format, or the same without N.

    Raises:
        TorchconvError: an argument is wrong; it shows when the module is called.

    Example:
        >>> import torch, torchconv
        >>> torchconv.nn.AdaptiveAvgPool3d(2)(torch.ones(1, 3, 4, 4, 4)).shape
        torch.Size([1, 3, 2, 2, 2])
    """

    def forward(self, input: Tensor) -> Tensor:
        return pooling.adaptive_avg_pool3d(input, self.output_size)


class ChannelShuffle(torch.nn.ChannelShuffle):
    """torch.nn.ChannelShuffle, computed by torchconv.

    Args:
        groups: a divisor of the number of channels.

    Shape:
        [N, C, L], [N, C, H, W] or [N, C, D, H, W] to the same.

    Raises:
        TorchconvError: an argument is wrong; it shows when the module is called.

    Example:
        >>> import torch, torchconv
        >>> torchconv.nn.ChannelShuffle(2)(torch.arange(4.0).view(1, 4, 1)).flatten()
        tensor([0., 2., 1., 3.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return pooling.channel_shuffle(input, self.groups)
