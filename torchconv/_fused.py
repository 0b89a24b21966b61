"""conv_fused: a convolution, its residual and its activation as one operator for inference."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from torchconv import _autocast
from torchconv.errors import TorchconvError

# What each activation of the operator means; csrc/common/epilogue.cpp has the same names. leaky_relu takes its slope as
# "leaky_relu:0.2".
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda y: y,
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": F.leaky_relu,
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}


def activation_function(name: str) -> Callable[[Tensor], Tensor]:
    if not isinstance(name, str):
        raise TorchconvError(f"activation: expected a string, got {name!r}")
    kind, _, slope = name.partition(":")
    if name in ACTIVATIONS:
        return ACTIVATIONS[name]
    if kind != "leaky_relu":
        known = f"{', '.join(ACTIVATIONS)}, or leaky_relu:SLOPE"
        raise TorchconvError(f"activation: expected one of {known}, got {name!r}")
    try:
        return partial(F.leaky_relu, negative_slope=float(slope))
    except ValueError:
        raise TorchconvError(f"activation: expected leaky_relu: and a number, got {name!r}") from None


def unfused(
    conv_fwd: Callable[..., Tensor], x: Tensor, w: Tensor, bias: Tensor | None, residual: Tensor | None,
    rest: Sequence[Any], activation: str, algo: str,
) -> Tensor:  # fmt: skip
    """The same as three operators, for all who need its derivatives; residual may have to be broadcast."""
    y = conv_fwd(x, w, bias, *rest, algo)
    return activation_function(activation)(y if residual is None else y + residual)


def _refusal(operator: str, way: str) -> Callable[..., Any]:
    def refuse(*_: Any) -> Any:
        raise TorchconvError(
            f"{operator}: expected to be called {way} where a gradient is wanted, "
            f"got torch.ops.torchconv.{operator}, which has none"
        )

    return refuse


torch.library.register_autograd("torchconv::conv_fused", _refusal("conv_fused", "as torchconv.ops.conv_fused"))
torch.library.register_autograd("torchconv::conv_chain", _refusal("conv_chain", "through a frozen model"))
_autocast.register(torch.ops.torchconv.conv_fused.default, 4)
