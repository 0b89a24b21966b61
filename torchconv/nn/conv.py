"""Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NoReturn

import torch
from torch import Tensor
from torch._prims_common import suggest_memory_format
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from torchconv import functional
from torchconv._arguments import Ints, Padding, batched, integer, padding_sides, per_dimension, sides
from torchconv.errors import TorchconvError, raise_clearly
from torchconv.nn.linear import Algo


class _AnyConv(Algo, _ConvNd):
    """What all of them add to torch's modules."""

    _d: ClassVar[int]
    _function: ClassVar[Callable[..., Tensor]]

    def _init_torch(self, **arguments: Any) -> None:
        for name in ("in_channels", "out_channels", "groups"):
            arguments[name] = integer(name, arguments[name], arguments[name], "an int")
            if arguments[name] < 0:
                raise TorchconvError(f"{name}: expected a number of at least 0, got {arguments[name]}")
        for name in ("kernel_size", "stride", "dilation"):
            arguments[name] = per_dimension(name, arguments[name], self._d)
            if min(arguments[name]) < 1:
                raise TorchconvError(f"{name}: expected positive numbers, got {list(arguments[name])}")
        try:
            super().__init__(**arguments)
        except (ValueError, RuntimeError, TypeError) as error:
            raise TorchconvError(str(error)) from None


class _Conv(_AnyConv):
    def __init__(
        self,
        in_channels: int,
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
        own = _beyond_torch(padding, stride, self._d)
        self._init_torch(
            in_channels=in_channels, out_channels=out_channels, kernel_size=kernel_size, stride=stride,
            padding=padding if own is None else 0, dilation=dilation, groups=groups, bias=bias,
            padding_mode=padding_mode, device=device, dtype=dtype,
        )  # fmt: skip
        self._set_algo(algo)
        if own is not None:
            self.padding = own

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = self._padded(input, weight), 0
        return self._function(input, weight, bias, self.stride, padding, self.dilation, self.groups, self.algo)

    def _padded(self, x: Tensor, w: Tensor) -> Tensor:
        padding: Any = self.padding
        try:
            before_after = padding_sides(padding, x, w, self.stride, self.dilation)
            is_batch = x.dim() == self._d + 2
            if self.padding_mode == "circular" and is_batch and suggest_memory_format(x) != torch.contiguous_format:
                return _wrapped(x, before_after)
            last_dimension_first = [n for i in reversed(range(self._d)) for n in before_after[2 * i : 2 * i + 2]]
            return torch.nn.functional.pad(x, last_dimension_first, self.padding_mode)
        except (RuntimeError, TypeError, AttributeError) as error:
            expected = f"what padding_mode={self.padding_mode!r} can take from the input"
            _raise_for_call(error, x, self._d, "padding", expected, padding)


def _wrapped(x: Tensor, before_after: Sequence[int]) -> Tensor:
    """Circular padding in channels_last. torch's own returns NCHW, and takes 1.6 to 2.1 times as long."""
    for dim in range(2, x.dim()):
        before, after = before_after[2 * dim - 4 : 2 * dim - 2]
        if before or after:
            x = torch.cat([x.narrow(dim, x.size(dim) - before, before), x, x.narrow(dim, 0, after)], dim)
    return x


def _raise_for_call(error: Exception, x: Any, d: int, name: str, expected: str, came: Any) -> NoReturn:
    """Raises for `name`, unless x, an input that has not reached a function of torchconv yet, is what is wrong."""
    if isinstance(x, Tensor) and not isinstance(error, TorchconvError):
        batched(x, d)
        error = TorchconvError(f"{name}: expected {expected} of size {list(x.shape)}, got {came!r} ({error})")
    raise_clearly(error, {"x": x}, {})


def _beyond_torch(padding: Any, stride: Any, d: int) -> Any:
    """The value of the attribute `padding` where torch's constructor would not take it, else None."""
    if isinstance(padding, str):
        strided = any(s != 1 for s in stride) if isinstance(stride, Sequence) else stride != 1
        return padding if padding == "same" and strided else None
    if not isinstance(padding, Sequence) or not any(isinstance(p, Sequence) for p in padding):
        return None
    before_after = sides(padding, d)
    return tuple(zip(before_after[::2], before_after[1::2], strict=True))


class Conv1d(_Conv, torch.nn.Conv1d):
    """torch.nn.Conv1d, computed by torchconv.

    Args:
        padding: also ((left, right),), and "same" with a stride: see torchconv.conv1d.
        algo: see torchconv.conv2d.
        others: as in torch.nn.Conv1d.

    Shape:
        [N, C, L] to [N, K, Q], or the same without N.

    Raises:
        TorchconvError: an argument is wrong, here or when the module is called.

    Example:
        >>> import torch, torchconv
        >>> causal = torchconv.nn.Conv1d(4, 8, 3, padding=((2, 0),))
        >>> causal(torch.ones(1, 4, 100)).shape
        torch.Size([1, 8, 100])
    """

    _d = 1
    _function = staticmethod(functional.conv1d)


class Conv2d(_Conv, torch.nn.Conv2d):
    """torch.nn.Conv2d, computed by torchconv: the same constructor, state_dict, hooks and checkpoints.

    Args:
        padding: also ((top, bottom), (left, right)), and "same" with a stride: see torchconv.conv2d.
        algo: see torchconv.conv2d.
        others: as in torch.nn.Conv2d.

    Shape:
        [N, C, H, W] to [N, K, P, Q] in the same memory format, or the same without N.

    Raises:
        TorchconvError: an argument is wrong, here or when the module is called.

    Example:
        >>> import torch, torchconv
        >>> m = torchconv.nn.Conv2d(3, 16, 3, stride=2, padding="same")
        >>> m(torch.ones(1, 3, 9, 9)).shape
        torch.Size([1, 16, 5, 5])
        >>> torch.nn.Conv2d(3, 16, 3).load_state_dict(m.state_dict())
        <All keys matched successfully>
    """

    _d = 2
    _function = staticmethod(functional.conv2d)


class Conv3d(_Conv, torch.nn.Conv3d):
    """torch.nn.Conv3d, computed by torchconv.

    Args:
        padding: also ((front, back), (top, bottom), (left, right)), and "same" with a stride: see torchconv.conv3d.
        algo: see torchconv.conv2d.
        others: as in torch.nn.Conv3d.

    Shape:
        [N, C, D, H, W] to [N, K, O, P, Q] in the same memory format, or the same without N.

    Raises:
        TorchconvError: an argument is wrong, here or when the module is called.

    Example:
        >>> import torch, torchconv
        >>> m = torchconv.nn.Conv3d(3, 16, 3, padding=((2, 0), 1, 1))
        >>> m(torch.ones(1, 3, 5, 9, 9)).shape
        torch.Size([1, 16, 5, 9, 9])
    """

    _d = 3
    _function = staticmethod(functional.conv3d)


class _ConvTranspose(_AnyConv, _ConvTransposeNd):
    def __init__(
        self,
        in_channels: int,
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
        self._init_torch(
            in_channels=in_channels, out_channels=out_channels, kernel_size=kernel_size, stride=stride,
            padding=padding, output_padding=output_padding, groups=groups, bias=bias, dilation=dilation,
            padding_mode=padding_mode, device=device, dtype=dtype,
        )  # fmt: skip
        self._set_algo(algo)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        padding: Any = self.padding
        output_padding: Any = self.output_padding
        if output_size is not None:
            # torch knows one padding for both sides of a dimension, of which only the sum matters.
            each = sides(padding, self._d)
            mean = [sum(each[2 * i : 2 * i + 2]) / 2 for i in range(self._d)]
            find: Any = self._output_padding  # annotated for lists of ints, where torch itself passes tuples
            try:
                found = find(input, output_size, self.stride, mean, self.kernel_size, self._d, self.dilation)
            except (ValueError, TypeError, AttributeError, IndexError) as error:
                _raise_for_call(error, input, self._d, "output_size", "a size that can come from an input", output_size)
            output_padding = tuple(int(p) for p in found)
        geometry = (self.stride, padding, output_padding, self.groups, self.dilation)
        return self._function(input, self.weight, self.bias, *geometry, self.algo)


class ConvTranspose1d(_ConvTranspose, torch.nn.ConvTranspose1d):
    """torch.nn.ConvTranspose1d, computed by torchconv.

    Args:
        algo: see torchconv.conv2d.
        others: as in torch.nn.ConvTranspose1d.

    Shape:
        [N, C, L] to [N, K, Q], or the same without N; called with output_size, Q is what that asks for.

    Raises:
        TorchconvError: an argument is wrong, here or when the module is called.

    Example:
        >>> import torch, torchconv
        >>> torchconv.nn.ConvTranspose1d(4, 8, 3, stride=2)(torch.ones(1, 4, 10)).shape
        torch.Size([1, 8, 21])
    """

    _d = 1
    _function = staticmethod(functional.conv_transpose1d)


class ConvTranspose2d(_ConvTranspose, torch.nn.ConvTranspose2d):
    """torch.nn.ConvTranspose2d, computed by torchconv.

    Args:
        algo: see torchconv.conv2d.
        others: as in torch.nn.ConvTranspose2d.

    Shape:
        [N, C, H, W] to [N, K, P, Q] in the same memory format, or the same without N; called with output_size, P and Q
        are what that asks for.

    Raises:
        TorchconvError: an argument is wrong, here or when the module is called.

    Example:
        >>> import torch, torchconv
        >>> m = torchconv.nn.ConvTranspose2d(4, 8, 3, stride=2, padding=1)
        >>> m(torch.ones(1, 4, 5, 5), output_size=[10, 10]).shape
        torch.Size([1, 8, 10, 10])
    """

    _d = 2
    _function = staticmethod(functional.conv_transpose2d)


class ConvTranspose3d(_ConvTranspose, torch.nn.ConvTranspose3d):
    """torch.nn.ConvTranspose3d, computed by torchconv.

    Args:
        algo: see torchconv.conv2d.
        others: as in torch.nn.ConvTranspose3d.

    Shape:
        [N, C, D, H, W] to [N, K, O, P, Q] in the same memory format, or the same without N; called with output_size,
        O, P and Q are what that asks for.

    Raises:
        TorchconvError: an argument is wrong, here or when the module is called.

    Example:
        >>> import torch, torchconv
        >>> m = torchconv.nn.ConvTranspose3d(4, 8, 3, stride=2, padding=1)
        >>> m(torch.ones(1, 4, 3, 5, 5), output_size=[6, 10, 10]).shape
        torch.Size([1, 8, 6, 10, 10])
    """

    _d = 3
    _function = staticmethod(functional.conv_transpose3d)
