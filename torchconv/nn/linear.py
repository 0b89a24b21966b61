"""Linear, a 1x1 convolution of single pixels, and the choice of an algorithm that it shares with the convolutions."""

from typing import Any

import torch
from torch import Tensor

from torchconv import functional
from torchconv._arguments import integer
from torchconv.errors import TorchconvError, raise_clearly


class Algo(torch.nn.Module):
    """A module with `algo`, an attribute of the class until an instance sets its own."""

    algo: str = "auto"

    def _set_algo(self, algo: str) -> None:
        if not isinstance(algo, str):
            raise TorchconvError(f"algo: expected a string, got {algo!r}")
        self.algo = algo

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.algo == "auto" else f", algo={self.algo!r}")


class Linear(Algo, torch.nn.Linear):
    """torch.nn.Linear, computed by torchconv: the same constructor, state_dict, hooks and checkpoints.

    Args:
        algo: see torchconv.conv2d.
        others: as in torch.nn.Linear.

    Shape:
        [..., C] to [..., K].

    Raises:
        TorchconvError: an argument is wrong, here or when the module is called.

    Example:
        >>> import torch, torchconv
        >>> torchconv.nn.Linear(4, 8)(torch.ones(2, 5, 4)).shape
        torch.Size([2, 5, 8])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        algo: str = "auto",
    ) -> None:
        features = {"in_features": in_features, "out_features": out_features}
        for name, value in features.items():
            features[name] = integer(name, value, value, "an int")
            if features[name] < 0:
                raise TorchconvError(f"{name}: expected a number of at least 0, got {value}")
        try:
            super().__init__(**features, bias=bias, device=device, dtype=dtype)
        except (RuntimeError, TypeError) as error:
            raise TorchconvError(str(error)) from None
        self._set_algo(algo)

    def forward(self, input: Tensor) -> Tensor:
        return functional.linear(input, self.weight, self.bias, self.algo)


class LazyLinear(torch.nn.LazyLinear, Linear):
    """torchconv.nn.Linear without in_features, as torch.nn.LazyLinear.

    Args:
        algo: see torchconv.conv2d.
        others: as in torch.nn.LazyLinear.

    Shape:
        [..., C] to [..., K]; C is that of the first input.

    Raises:
        TorchconvError: an argument is wrong, here or when the module is called.

    Example:
        >>> import torch, torchconv
        >>> m = torchconv.nn.LazyLinear(8)
        >>> m(torch.ones(2, 4)).shape, m.in_features
        (torch.Size([2, 8]), 4)
    """

    cls_to_become = Linear

    def __init__(
        self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None, *, algo: str = "auto"
    ) -> None:
        super().__init__(out_features, bias, device, dtype)
        self.out_features = integer("out_features", out_features, out_features, "an int")
        self._set_algo(algo)

    def initialize_parameters(self, input: Tensor) -> None:
        try:
            super().initialize_parameters(input)
        except (RuntimeError, ValueError, AttributeError, IndexError) as error:
            raise_clearly(error, {"x": input}, {})
