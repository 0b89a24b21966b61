"""The one exception of torchconv, and how the operators' errors become it."""

from typing import Any, NoReturn

import torch
from torch import Tensor


class TorchconvError(RuntimeError, ValueError):
    """An argument that torchconv cannot work with.

    It is both a RuntimeError and a ValueError, because torch raises the one or the other for the same mistakes and
    code written for torch must keep working. The message names the argument, what was expected and what came.

    Example:
        >>> import torch, torchconv
        >>> torchconv.conv2d(torch.ones(1, 3, 8, 8), torch.ones(4, 3, 3, 3), stride=0)
        Traceback (most recent call last):
        torchconv.TorchconvError: stride: expected positive numbers, got [0, 0]
    """


TorchconvError.__module__ = "torchconv"  # tracebacks show the name that users import

# The operators take no number beyond 2^40: sums and products of a few could leave 64 bits.
LARGEST = 2**40


def operator_message(error: Exception) -> str | None:
    """What an operator of torchconv says in `error`, or None where the error is not its own."""
    text = str(error)
    return text.removeprefix("torchconv: ") if text.startswith("torchconv: ") else None


def refuse_example(inputs: tuple[Any, ...], error: Exception) -> NoReturn:
    """Raises after a model failed with `error` on the inputs given as its example."""
    got = ", ".join(str(list(t.shape)) if isinstance(t, Tensor) else type(t).__name__ for t in inputs) or "none"
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    raise TorchconvError(f"example: expected inputs that the model takes, got {got}: {said}") from error


def raise_clearly(error: Exception, tensors: dict[str, Any], numbers: dict[str, Any]) -> NoReturn:
    """Raises what the user should read after a call with these arguments failed with `error`.

    The operators check sizes. What they cannot say well, such as a wrong type, is looked for here, after the failure,
    so that calls that succeed pay nothing for it.
    """
    if isinstance(error, TorchconvError):
        raise error from None
    for name, value in tensors.items():
        if not isinstance(value, Tensor):
            raise TorchconvError(f"{name}: expected a torch.Tensor, got {type(value).__name__}") from None
        if value.layout != torch.strided or value.is_quantized or value.device.type not in ("cpu", "cuda", "meta"):
            came = f"{value.layout}, {value.dtype} on {value.device.type}"
            raise TorchconvError(f"{name}: expected a dense tensor on cpu or cuda, got {came}") from None
    for name, value in numbers.items():
        if any(type(v) is int and abs(v) > LARGEST for v in (value if isinstance(value, tuple) else [value])):
            raise TorchconvError(f"{name}: expected numbers up to 2^40, got {value!r}") from None
    message = operator_message(error)
    if message is None:
        raise error
    raise TorchconvError(message) from None


def raise_for_conv(
    error: Exception, d: int, x: Any, w: Any, bias: Any, algo: Any, *, function: str = "conv", **numbers: Any
) -> NoReturn:
    tensors = {"x": x, "w": w} if bias is None else {"x": x, "w": w, "bias": bias}
    if all(isinstance(t, Tensor) for t in tensors.values()):
        if not isinstance(algo, str):
            error = TorchconvError(f"algo: expected a string, got {algo!r}")
        elif w.dim() != d + 2:
            error = TorchconvError(f"w: expected {d + 2} dimensions for {function}{d}d, got size {list(w.shape)}")
    raise_clearly(error, tensors, numbers)


def raise_for_linear(error: Exception, x: Any, w: Any, bias: Any, algo: Any) -> NoReturn:
    tensors = {"x": x, "w": w} if bias is None else {"x": x, "w": w, "bias": bias}
    if all(isinstance(t, Tensor) for t in tensors.values()) and not isinstance(algo, str):
        error = TorchconvError(f"algo: expected a string, got {algo!r}")
    raise_clearly(error, tensors, {})


def raise_for_conv_transpose(
    error: Exception, d: int, x: Any, w: Any, bias: Any, algo: Any, **numbers: Any
) -> NoReturn:
    """The operator is conv_grad_input: its grad_y is the user's x, and its x is the user's output."""
    message = operator_message(error)
    if message is not None:
        if 0 in x.shape[2:]:
            message = f"x: expected spatial sizes of at least 1, got size {list(x.shape)}"
        elif message.startswith("x:"):
            message = f"output size{message[1:]}"
        elif message.startswith("grad_y: expected size"):
            message = f"x: expected {w.shape[0]} channels, as w has in dimension 0, got size {list(x.shape)}"
        error = TorchconvError(message.replace("grad_y", "x").replace("output channels of w", "channels of x"))
    raise_for_conv(error, d, x, w, bias, algo, function="conv_transpose", **numbers)
