"""The one exception of torchconv, and how the operators' errors become it."""

from typing import Any, NoReturn

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


def operator_message(error: Exception) -> str | None:
    """What an operator of torchconv says in `error`, or None where the error is not its own."""
    text = str(error)
    return text.removeprefix("torchconv: ") if text.startswith("torchconv: ") else None


def check_tensor(name: str, value: Any) -> None:
    if not isinstance(value, Tensor):
        raise TorchconvError(f"{name}: expected a torch.Tensor, got {type(value).__name__}") from None


def raise_clearly(error: Exception, d: int, x: Any, w: Any, bias: Any, algo: Any, transposed: bool = False) -> NoReturn:
    """Raises what the user should read after a call with these arguments failed with `error`.

    The operators check sizes; what they cannot say well (types, and the user's names in a transposed convolution) is
    looked for here, so that calls that succeed pay nothing for it.
    """
    if isinstance(error, TorchconvError):
        raise error
    check_tensor("x", x)
    check_tensor("w", w)
    if bias is not None:
        check_tensor("bias", bias)
    if not isinstance(algo, str):
        raise TorchconvError(f"algo: expected a string, got {algo!r}") from None
    if w.dim() != d + 2:
        raise TorchconvError(f"w: expected {d + 2} dimensions for conv{d}d, got size {list(w.shape)}") from None
    message = operator_message(error)
    if message is None:
        raise error
    raise TorchconvError(_transposed_message(message, x, w) if transposed else message) from None


def _transposed_message(message: str, x: Tensor, w: Tensor) -> str:
    """The operator is conv_grad_input: its grad_y is the user's x, and its x is the user's output."""
    if 0 in x.shape[2:]:
        return f"x: expected spatial sizes of at least 1, got {list(x.shape)}"
    if message.startswith("x:"):
        return (
            f"padding: expected an output of at least 1 and at most 2^40 per dimension, got{message.split('got')[-1]}"
        )
    if message.startswith("grad_y: expected size"):
        return f"x: expected {w.shape[0]} channels, as w has in dimension 0, got {list(x.shape)}"
    return message.replace("grad_y", "x").replace("output channels of w", "channels of x")
