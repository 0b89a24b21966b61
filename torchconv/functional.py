"""Convolution as functions: what torch.nn.functional takes, and more.

Every function takes its tensors as x and w, and as input= and weight= too, so that calls written for
torch.nn.functional need no change.
"""

from typing import Any

from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_unary, has_torch_function_variadic

from torchconv import ops, plan
from torchconv._arguments import (
    Ints,
    Padding,
    batched,
    cover_output_padding,
    integer,
    padding_sides,
    per_dimension,
    sides,
    single_pixels,
    transposed_size,
)
from torchconv.errors import TorchconvError, raise_clearly, raise_for_conv, raise_for_conv_transpose, raise_for_linear

_GIVEN_BY_NAME: Any = None  # x and w may come as input= and weight=


def conv1d(
    x: Tensor = _GIVEN_BY_NAME,
    w: Tensor = _GIVEN_BY_NAME,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    algo: str = "auto",
    flip: bool = False,
    *,
    input: Tensor | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """1-D convolution: torch.nn.functional.conv1d with a choice of algorithm.

    Args:
        x: [N, C, L] or [C, L]; float32, float64, float16 or bfloat16.
        w: [K, C / groups, S], of x's dtype and device.
        bias: [K] or None.
        padding: an int, (int,), ((left, right),), "valid", or "same" for ceil(L / stride) outputs.
        stride, dilation: an int or (int,).
        algo, flip: as in conv2d.

    Returns:
        [N, K, Q], or [K, Q] for an x without a batch.

    Raises:
        TorchconvError: an argument is wrong, or `algo` cannot run the problem. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> x, w = torch.arange(5.0).view(1, 1, 5), torch.tensor([[[1.0, 2.0, 3.0]]])
        >>> torchconv.conv1d(x, w)
        tensor([[[ 8., 14., 20.]]])
        >>> torchconv.conv1d(x, w, flip=True)
        tensor([[[ 4., 10., 16.]]])
        >>> torchconv.conv1d(x, w, padding=((2, 0),))  # causal
        tensor([[[ 0.,  3.,  8., 14., 20.]]])
    """
    return _conv(1, x, w, bias, stride, padding, dilation, groups, algo, flip, input, weight)


def conv2d(
    x: Tensor = _GIVEN_BY_NAME,
    w: Tensor = _GIVEN_BY_NAME,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    algo: str = "auto",
    flip: bool = False,
    *,
    input: Tensor | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """2-D convolution: torch.nn.functional.conv2d with a choice of algorithm.

    Args:
        x: [N, C, H, W] or [C, H, W]; float32, float64, float16 or bfloat16, in any memory format.
        w: [K, C / groups, R, S], of x's dtype and device.
        bias: [K] or None.
        stride, dilation: an int, (int,) for both dimensions, or (vertical, horizontal).
        padding: zeros around x, in one of these forms:

            - an int or (int,): the same on all four sides;
            - (vertical, horizontal): each an int, or a pair for the two sides, as in ((top, bottom), (left, right));
            - "valid": none;
            - "same": as much as it takes for ceil(H / stride) x ceil(W / stride) outputs, an odd rest at the bottom
              and right.
        groups: a divisor of C and of K; each group of channels is convolved on its own.
        algo: "auto", the name of an algorithm ("im2col", or "phases(winograd4)": Winograd on the phases of a stride or
            a dilation), or "auto:LEVEL" with a level of torchconv.set_precision.
        flip: True for convolution as mathematics defines it (the kernel turned by 180 degrees); the default is
            cross-correlation, as in torch.

    Returns:
        [N, K, P, Q] in x's memory format, or [K, P, Q] for an x without a batch.

    Raises:
        TorchconvError: an argument is wrong, or `algo` cannot run the problem. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> x, w = torch.ones(1, 3, 8, 8), torch.ones(16, 3, 3, 3)
        >>> torchconv.conv2d(x, w, stride=2, padding="same").shape
        torch.Size([1, 16, 4, 4])
        >>> torchconv.conv2d(x, w, padding=((1, 0), (2, 0))).shape
        torch.Size([1, 16, 7, 8])
    """
    return _conv(2, x, w, bias, stride, padding, dilation, groups, algo, flip, input, weight)


def conv3d(
    x: Tensor = _GIVEN_BY_NAME,
    w: Tensor = _GIVEN_BY_NAME,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
    algo: str = "auto",
    flip: bool = False,
    *,
    input: Tensor | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """3-D convolution: torch.nn.functional.conv3d with a choice of algorithm.

    Args:
        x: [N, C, D, H, W] or [C, D, H, W]; float32, float64, float16 or bfloat16, in any memory format.
        w: [K, C / groups, T, R, S], of x's dtype and device.
        bias: [K] or None.
        stride, dilation: an int, (int,) for all dimensions, or (depth, vertical, horizontal).
        padding: an int, (int,), (depth, vertical, horizontal), each of these an int or a pair (before, after) as in
            ((front, back), (top, bottom), (left, right)), "valid", or "same" for ceil(D / stride) x ceil(H / stride) x
            ceil(W / stride) outputs.
        groups, algo, flip: as in conv2d.

    Returns:
        [N, K, O, P, Q] in x's memory format, or [K, O, P, Q] for an x without a batch.

    Raises:
        TorchconvError: an argument is wrong, or `algo` cannot run the problem. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> x, w = torch.ones(1, 3, 4, 8, 8), torch.ones(16, 3, 3, 3, 3)
        >>> torchconv.conv3d(x, w, stride=(1, 2, 2), padding="same").shape
        torch.Size([1, 16, 4, 4, 4])
        >>> torchconv.conv3d(x, w, padding=((2, 0), 1, 1)).shape  # causal in time
        torch.Size([1, 16, 4, 8, 8])
    """
    return _conv(3, x, w, bias, stride, padding, dilation, groups, algo, flip, input, weight)


def conv_transpose1d(
    x: Tensor = _GIVEN_BY_NAME,
    w: Tensor = _GIVEN_BY_NAME,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
    algo: str = "auto",
    flip: bool = False,
    *,
    input: Tensor | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """1-D transposed convolution: torch.nn.functional.conv_transpose1d with a choice of algorithm.

    Args:
        x: [N, C, L] or [C, L]; float32, float64, float16 or bfloat16.
        w: [C, K / groups, S], of x's dtype and device.
        bias: [K] or None.
        padding: an int, (int,) or ((left, right),): what it takes away from the output.
        stride, output_padding, dilation, groups, algo, flip: as in conv_transpose2d.

    Returns:
        [N, K, (L - 1) * stride - left - right + dilation * (S - 1) + output_padding + 1], without N if x has none.

    Raises:
        TorchconvError: an argument is wrong, or `algo` cannot run the problem. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> torchconv.conv_transpose1d(torch.ones(1, 1, 3), torch.tensor([[[1.0, 2.0]]]), stride=2)
        tensor([[[1., 2., 1., 2., 1., 2.]]])
    """
    return _conv_transpose(1, x, w, bias, stride, padding, output_padding, groups, dilation, algo, flip, input, weight)


def conv_transpose2d(
    x: Tensor = _GIVEN_BY_NAME,
    w: Tensor = _GIVEN_BY_NAME,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
    algo: str = "auto",
    flip: bool = False,
    *,
    input: Tensor | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """2-D transposed convolution: torch.nn.functional.conv_transpose2d with a choice of algorithm.

    It is the gradient of conv2d by its input: w is the weight of the convolution that it transposes.

    Args:
        x: [N, C, H, W] or [C, H, W]; float32, float64, float16 or bfloat16, in any memory format.
        w: [C, K / groups, R, S], of x's dtype and device.
        bias: [K] or None.
        stride, dilation: an int, (int,) for both dimensions, or (vertical, horizontal).
        padding: an int, (int,) or (vertical, horizontal), each of these an int or a pair (before, after): what it
            takes away from the sides of the output.
        output_padding: rows and columns added at the bottom and right of the output; less than stride or dilation.
        groups: a divisor of C; each group of channels is convolved on its own.
        algo: "auto", the name of an algorithm ("im2col", or "phases(winograd4)": Winograd on the phases of a stride or
            a dilation), or "auto:LEVEL" with a level of torchconv.set_precision.
        flip: True turns the kernel by 180 degrees.

    Returns:
        [N, K, P, Q] in x's memory format, without N if x has none, where
        P = (H - 1) * stride - top - bottom + dilation * (R - 1) + output_padding + 1, and Q alike.

    Raises:
        TorchconvError: an argument is wrong, or `algo` cannot run the problem. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> x, w = torch.ones(1, 8, 4, 4), torch.ones(8, 3, 3, 3)
        >>> torchconv.conv_transpose2d(x, w, stride=2, padding=1, output_padding=1).shape
        torch.Size([1, 3, 8, 8])
    """
    return _conv_transpose(2, x, w, bias, stride, padding, output_padding, groups, dilation, algo, flip, input, weight)


def conv_transpose3d(
    x: Tensor = _GIVEN_BY_NAME,
    w: Tensor = _GIVEN_BY_NAME,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Padding = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
    algo: str = "auto",
    flip: bool = False,
    *,
    input: Tensor | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """3-D transposed convolution: torch.nn.functional.conv_transpose3d with a choice of algorithm.

    Args:
        x: [N, C, D, H, W] or [C, D, H, W]; float32, float64, float16 or bfloat16, in any memory format.
        w: [C, K / groups, T, R, S], of x's dtype and device.
        bias: [K] or None.
        stride, dilation: an int, (int,) for all dimensions, or (depth, vertical, horizontal).
        padding: an int, (int,) or (depth, vertical, horizontal), each of these an int or a pair (before, after): what
            it takes away from the sides of the output.
        output_padding: added at the back, bottom and right of the output; less than stride or dilation.
        groups, algo, flip: as in conv_transpose2d.

    Returns:
        [N, K, O, P, Q] in x's memory format, without N if x has none, where
        O = (D - 1) * stride - front - back + dilation * (T - 1) + output_padding + 1, and P and Q alike.

    Raises:
        TorchconvError: an argument is wrong, or `algo` cannot run the problem. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> x, w = torch.ones(1, 8, 2, 4, 4), torch.ones(8, 3, 3, 3, 3)
        >>> torchconv.conv_transpose3d(x, w, stride=2, padding=1, output_padding=1).shape
        torch.Size([1, 3, 4, 8, 8])
    """
    return _conv_transpose(3, x, w, bias, stride, padding, output_padding, groups, dilation, algo, flip, input, weight)


def unfold(
    x: Tensor = _GIVEN_BY_NAME,
    kernel_size: Ints = _GIVEN_BY_NAME,
    dilation: Ints = 1,
    padding: Padding = 0,
    stride: Ints = 1,
    *,
    input: Tensor | None = None,
) -> Tensor:
    """The patches that a convolution sees, as columns (im2col): torch.nn.functional.unfold.

    Args:
        x: [N, C, H, W] or [C, H, W]; float32, float64, float16 or bfloat16.
        kernel_size, dilation, stride: an int or (vertical, horizontal).
        padding: an int or (vertical, horizontal), each of these an int or a pair (before, after).

    Returns:
        [N, C * R * S, P * Q], without N if x has none.

    Raises:
        TorchconvError: an argument is wrong. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> torchconv.unfold(torch.arange(6.0).view(1, 1, 2, 3), kernel_size=2)
        tensor([[[0., 1.],
                 [1., 2.],
                 [3., 4.],
                 [4., 5.]]])
    """
    x = _torch_name("x", x, input)
    if has_torch_function_unary(x):
        return handle_torch_function(unfold, (x,), x, kernel_size, dilation, padding, stride)
    geometry: dict[str, Any] = {}
    try:
        if x.dim() == 3:
            return unfold(x.unsqueeze(0), kernel_size, dilation, padding, stride).squeeze(0)
        geometry = _window(kernel_size, dilation, padding, stride)
        return ops.unfold(x, **geometry)
    except (RuntimeError, AttributeError) as error:
        raise_clearly(error, {"x": x}, geometry)


def fold(
    columns: Tensor = _GIVEN_BY_NAME,
    output_size: Ints = _GIVEN_BY_NAME,
    kernel_size: Ints = _GIVEN_BY_NAME,
    dilation: Ints = 1,
    padding: Padding = 0,
    stride: Ints = 1,
    *,
    input: Tensor | None = None,
) -> Tensor:
    """Adds columns of patches up into an image (col2im): torch.nn.functional.fold, the adjoint of unfold.

    Args:
        columns: [N, C * R * S, P * Q] or [C * R * S, P * Q]; float32, float64, float16 or bfloat16.
        output_size: H = W as an int, or (H, W).
        kernel_size, dilation, stride: an int or (vertical, horizontal).
        padding: an int or (vertical, horizontal), each of these an int or a pair (before, after).

    Returns:
        [N, C, H, W], without N if columns has none.

    Raises:
        TorchconvError: an argument is wrong. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> torchconv.fold(torch.ones(1, 4, 2), output_size=(2, 3), kernel_size=2)
        tensor([[[[1., 2., 1.],
                  [1., 2., 1.]]]])
    """
    columns = _torch_name("columns", columns, input)
    if has_torch_function_unary(columns):
        return handle_torch_function(fold, (columns,), columns, output_size, kernel_size, dilation, padding, stride)
    geometry: dict[str, Any] = {}
    try:
        if columns.dim() == 2:
            batch = columns.unsqueeze(0)
            return fold(batch, output_size, kernel_size, dilation, padding, stride).squeeze(0)
        geometry = _window(kernel_size, dilation, padding, stride)
        output_size = per_dimension("output_size", output_size, 2)
        return ops.fold(columns, output_size, **geometry)
    except (RuntimeError, AttributeError) as error:
        raise_clearly(error, {"columns": columns}, {"output_size": output_size, **geometry})


def linear(
    x: Tensor = _GIVEN_BY_NAME,
    w: Tensor = _GIVEN_BY_NAME,
    bias: Tensor | None = None,
    algo: str = "auto",
    *,
    input: Tensor | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """x @ w.T + bias: torch.nn.functional.linear, as the 1x1 convolution of single pixels that it is.

    Args:
        x: [..., C]; float32, float64, float16 or bfloat16.
        w: [K, C], of x's dtype and device.
        bias: [K] or None.
        algo: as in conv2d.

    Returns:
        [..., K].

    Raises:
        TorchconvError: an argument is wrong, or `algo` cannot run the problem. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> torchconv.linear(torch.ones(2, 5, 3), torch.eye(3)[:2], torch.tensor([0.5, 1.0]))[0, 0]
        tensor([1.5000, 2.0000])
    """
    if input is not None or weight is not None:
        x, w = _torch_names(x, w, input, weight)
    if has_torch_function_variadic(x, w, bias):
        return handle_torch_function(linear, (x, w, bias), x, w, bias, algo)
    try:
        size = x.shape
        if w.dim() != 2 or not size or size[-1] != w.shape[1]:
            expected = f"x [..., C] and w [K, C], got sizes {list(size)} and {list(w.shape)}"
            raise TorchconvError(f"x and w: expected {expected}")
        algo = plan.default_algo if algo == "auto" else algo
        y = ops.conv_fwd(single_pixels(x), w.reshape(*w.shape, 1, 1), bias, (1, 1), (0, 0, 0, 0), (1, 1), 1, algo)
        return y.reshape(*size[:-1], w.shape[0])
    except (RuntimeError, AttributeError, IndexError) as error:
        raise_for_linear(error, x, w, bias, algo)


def gemm(a: Tensor, b: Tensor) -> Tensor:
    """The matrix product of a and b, with the kernels that im2col runs on.

    Args:
        a: [M, K]; float32 or float64, on the CPU.
        b: [K, N], of a's dtype and device.

    Returns:
        [M, N].

    Raises:
        TorchconvError: an argument is wrong. The message names the argument.

    Example:
        >>> import torch, torchconv
        >>> torchconv.gemm(torch.ones(2, 3), torch.eye(3))
        tensor([[1., 1., 1.],
                [1., 1., 1.]])
    """
    if has_torch_function_variadic(a, b):
        return handle_torch_function(gemm, (a, b), a, b)
    try:
        return ops.gemm(a, b)
    except (RuntimeError, AttributeError) as error:
        raise_clearly(error, {"a": a, "b": b}, {})


def _conv(
    d: int,
    x: Any,
    w: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    algo: Any,
    flip: bool,
    input: Any = None,
    weight: Any = None,
) -> Tensor:
    if input is not None or weight is not None:
        x, w = _torch_names(x, w, input, weight)
    if has_torch_function_variadic(x, w, bias):
        rest = (stride, padding, dilation, groups, algo, flip)
        return handle_torch_function((conv1d, conv2d, conv3d)[d - 1], (x, w, bias), x, w, bias, *rest)
    try:
        if x.dim() != d + 2:
            rest = (stride, padding, dilation, groups, algo, flip)
            return _conv(d, batched(x, d), w, bias, *rest).squeeze(0)
        stride = (stride,) * d if type(stride) is int else per_dimension("stride", stride, d)
        dilation = (dilation,) * d if type(dilation) is int else per_dimension("dilation", dilation, d)
        padding = (padding,) * (2 * d) if type(padding) is int else padding_sides(padding, x, w, stride, dilation)
        if type(groups) is not int:
            groups = integer("groups", groups, groups, "an int")
        if flip:
            w = w.flip(tuple(range(2, d + 2)))
        algo = plan.default_algo if algo == "auto" else algo
        return ops.conv_fwd(x, w, bias, stride, padding, dilation, groups, algo)
    except (RuntimeError, AttributeError, IndexError) as error:
        geometry = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        raise_for_conv(error, d, x, w, bias, algo, **geometry)


def _conv_transpose(
    d: int,
    x: Any,
    w: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
    algo: Any,
    flip: bool,
    input: Any = None,
    weight: Any = None,
) -> Tensor:
    if input is not None or weight is not None:
        x, w = _torch_names(x, w, input, weight)
    if has_torch_function_variadic(x, w, bias):
        rest = (stride, padding, output_padding, groups, dilation, algo, flip)
        function = (conv_transpose1d, conv_transpose2d, conv_transpose3d)[d - 1]
        return handle_torch_function(function, (x, w, bias), x, w, bias, *rest)
    y_size: tuple[int, ...] = ()
    try:
        if x.dim() != d + 2:
            rest = (stride, padding, output_padding, groups, dilation, algo, flip)
            return _conv_transpose(d, batched(x, d), w, bias, *rest).squeeze(0)
        stride, dilation = per_dimension("stride", stride, d), per_dimension("dilation", dilation, d)
        padding, groups = sides(padding, d), integer("groups", groups, groups, "an int")
        output_padding = per_dimension("output_padding", output_padding, d)
        if flip:
            w = w.flip(tuple(range(2, d + 2)))
        y_size = transposed_size(x, w, stride, padding, dilation, output_padding, groups)
        x = cover_output_padding(x, output_padding, stride, dilation)
        algo = plan.default_algo if algo == "auto" else algo
        return ops.conv_grad_input(x, w, bias, y_size, stride, padding, dilation, groups, algo)
    except (RuntimeError, AttributeError, IndexError) as error:
        geometry = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "output size": y_size}
        raise_for_conv_transpose(error, d, x, w, bias, algo, **geometry)


def _torch_names(x: Any, w: Any, input: Any, weight: Any) -> tuple[Any, Any]:
    """x and w where torch's names may have been used for them."""
    return _torch_name("x", x, input), _torch_name("w", w, weight, "weight")


def _torch_name(name: str, value: Any, torch_value: Any, torch_name: str = "input") -> Any:
    if value is not None and torch_value is not None:
        raise TorchconvError(f"{torch_name}: expected {name} or {torch_name}, which are the same argument, got both")
    return torch_value if value is None else value


def _window(kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> dict[str, Any]:
    """The arguments that unfold and fold share."""
    return {
        "kernel_size": per_dimension("kernel_size", kernel_size, 2),
        "stride": per_dimension("stride", stride, 2),
        "padding": sides(padding, 2),
        "dilation": per_dimension("dilation", dilation, 2),
    }
