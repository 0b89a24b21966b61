"""FusedConv and FusedLinear: what freeze() puts in the place of a convolution or a linear layer and what follows it."""

from typing import Any

import torch
from torch import Tensor
from torch.compiler import is_compiling

from torchconv import _C, _fused, ops, plan
from torchconv._arguments import (
    Ints,
    Padding,
    batched,
    integer,
    padding_sides,
    per_dimension,
    sides,
    single_pixels,
)
from torchconv.errors import TorchconvError, raise_for_conv

Geometry = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int]
# Shapes of the input for which a module remembers its pack. Packs are few: shapes mostly share one.
_MOST_SHAPES = 64
_HEADER = 64  # bytes: csrc/pack.cpp


class FusedConv(torch.nn.Module):
    """activation(conv(x) + bias + residual) for inference, with the weights prepared once for all calls.

    What is prepared is a cache: it follows weight and bias, dtype, memory format and instruction set, and no
    state_dict, pickle or copy holds it. It sees changes of weight that torch counts; after one through weight.data,
    which torch does not count, call m.weight.add_(0). Gradients flow (to the input too), but then the steps run one by
    one. Within torch.compile and torch.export the weights are prepared in every call.

    Args:
        weight: [K, C / groups, R, S], or with one or three spatial dimensions.
        bias: [K] or None.
        stride, padding, dilation, groups, algo: as in torchconv.conv2d.
        activation: none, relu, relu6, leaky_relu (or leaky_relu:SLOPE), silu, gelu, gelu_tanh, hardswish,
            hardsigmoid, sigmoid or tanh.

    Shape:
        x: [N, C, H, W], or the same without N. residual: anything that can be added to the result; fused where it has
        the result's size. Result: [N, K, P, Q] in x's memory format.

    Raises:
        TorchconvError: an argument is wrong, here or when the module is called.

    Example:
        >>> import torch, torchconv
        >>> m = torchconv.nn.FusedConv(torch.rand(8, 3, 3, 3), padding=1, activation="relu")
        >>> x = torch.randn(1, 3, 16, 16)
        >>> torch.equal(m(x), torchconv.conv2d(x, m.weight, padding=1).relu())
        True
    """

    changes = 0  # how often an attribute of any was set that decides what it computes, or how it is called

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in ("_packs", "training"):
            FusedConv.changes += 1
        super().__setattr__(name, value)

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Ints = 1,
        padding: Padding = 0,
        dilation: Ints = 1,
        groups: int = 1,
        activation: str = "none",
        algo: str = "auto",
    ) -> None:
        super().__init__()
        if not isinstance(weight, Tensor):
            raise TorchconvError(f"weight: expected a torch.Tensor, got {type(weight).__name__}")
        d = weight.dim() - 2
        if d not in (1, 2, 3):
            raise TorchconvError(f"weight: expected 3, 4 or 5 dimensions, got size {list(weight.shape)}")
        _fused.activation_function(activation)
        self.weight = torch.nn.Parameter(weight.detach(), requires_grad=False)
        self.bias = None if bias is None else torch.nn.Parameter(bias.detach(), requires_grad=False)
        self.stride, self.dilation = per_dimension("stride", stride, d), per_dimension("dilation", dilation, d)
        self.padding: str | tuple[int, ...] = padding if isinstance(padding, str) else sides(padding, d)
        self.groups, self.activation, self.algo = integer("groups", groups, groups, "an int"), activation, algo
        self._packs: dict[Any, tuple[Tensor | None, bool]] = {}

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        try:
            unbatched = x.dim() == self.weight.dim() - 1
            x = batched(x, self.weight.dim() - 2)
            if unbatched and residual is not None and residual.dim() == x.dim() - 1:
                residual = residual.unsqueeze(0)
            y = self._batched(x, residual)
        except (RuntimeError, AttributeError, IndexError, TypeError) as error:
            numbers: dict[str, Any] = {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}
            raise_for_conv(error, self.weight.dim() - 2, x, self.weight, self.bias, self.algo, **numbers)
        return y.squeeze(0) if unbatched else y

    def _batched(self, x: Tensor, residual: Tensor | None) -> Tensor:
        w, rest, algo = self.weight, self._geometry(x), self._algo()
        pack, fits = self._prepared(x, residual, rest, algo)
        if not fits:
            return _fused.unfused(ops.conv_fwd, x, w, self.bias, residual, rest, self.activation, algo)
        return ops.conv_fused(x, w, self.bias, residual, pack, *rest, self.activation, algo)

    def _geometry(self, x: Tensor) -> Geometry:
        padding = self.padding
        if isinstance(padding, str):
            padding = padding_sides(padding, x, self.weight, self.stride, self.dilation)
        return self.stride, padding, self.dilation, self.groups

    def _algo(self) -> str:
        return plan.default_algo if self.algo == "auto" else self.algo

    def _prepared(self, x: Tensor, residual: Tensor | None, rest: Geometry, algo: str) -> tuple[Tensor | None, bool]:
        """The pack to use, and whether the residual has the size of the result; both remembered by x's size."""
        w = self.weight
        if is_compiling() or w.is_inference() or torch._C._is_any_autocast_enabled() or type(x) is not Tensor:
            return None, self._fits(x, residual, rest)
        number = residual is not None and not isinstance(residual, Tensor)
        if number or x.is_meta or torch._C._are_functorch_transforms_active():
            return None, self._fits(x, residual, rest)
        size = None if residual is None else (residual.shape, residual.dtype)
        now = (w.data_ptr(), w._version, _C.plan_generation())
        key = (x.shape, x.stride(), x.dtype, size, now, _C.current_isa(), algo)
        found = self._packs.get(key)
        if found is None:
            former = self._packs.copy()
            packs = {k: v for k, v in former.items() if k[4] == now and len(former) < _MOST_SHAPES}
            pack = ops.conv_pack(x, w, *rest, self.activation, residual is not None, algo)
            found = packs[key] = _shared(pack, packs), self._fits(x, residual, rest)
            self._packs = packs  # a new one, since other threads may be looking through the old
        return found

    def _fits(self, x: Tensor, residual: Tensor | None, rest: Geometry) -> bool:
        if not isinstance(residual, Tensor):
            return residual is None
        stride, padding, dilation, _ = rest
        size = [
            (n + before + after - dil * (k - 1) - 1) // s + 1
            for n, k, s, before, after, dil in zip(
                x.shape[2:], self.weight.shape[2:], stride, padding[::2], padding[1::2], dilation, strict=True
            )
        ]
        return residual.shape == (x.shape[0], self.weight.shape[0], *size) and residual.dtype == x.dtype

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_packs": {}}

    def extra_repr(self) -> str:
        K, C, *kernel = self.weight.shape
        shown = {
            "kernel_size": tuple(kernel), "stride": self.stride, "padding": self.padding, "dilation": self.dilation,
            "groups": self.groups, "bias": self.bias is not None, "activation": self.activation, "algo": self.algo,
        }  # fmt: skip
        return ", ".join([f"{C * self.groups}, {K}", *(f"{name}={value!r}" for name, value in shown.items())])


class FusedLinear(FusedConv):
    """activation(x @ weight.T + bias) for inference, as the 1x1 convolution that it is, with the weights prepared once.

    Args:
        weight: [K, C], as torch.nn.Linear has it, and not empty; kept as [K, C, 1, 1].
        bias: [K] or None.
        activation, algo: as in FusedConv, of which all else holds too.

    Shape:
        x: [*, C]. Result: [*, K].

    Raises:
        TorchconvError: an argument is wrong, here or when the module is called.

    Example:
        >>> import torch, torchconv
        >>> m, x = torchconv.nn.FusedLinear(torch.rand(8, 3), activation="relu"), torch.randn(2, 5, 3)
        >>> torch.allclose(m(x), (x @ m.weight[:, :, 0, 0].T).relu(), atol=1e-5)
        True
    """

    def __init__(
        self, weight: Tensor, bias: Tensor | None = None, activation: str = "none", algo: str = "auto"
    ) -> None:
        if not isinstance(weight, Tensor) or weight.dim() != 2 or not weight.numel():
            got = f"size {list(weight.shape)}" if isinstance(weight, Tensor) else type(weight).__name__
            raise TorchconvError(f"weight: expected a torch.Tensor of two dimensions that is not empty, got {got}")
        super().__init__(weight[:, :, None, None], bias, activation=activation, algo=algo)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        K, C = self.weight.shape[:2]
        if not isinstance(x, Tensor) or x.dim() < 1 or x.shape[-1] != C:
            got = f"size {list(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
            raise TorchconvError(f"x: expected a torch.Tensor of size [*, {C}], got {got}")
        y = super().forward(single_pixels(x))
        return y.reshape(*x.shape[:-1], K)


def _shared(pack: Tensor, packs: dict[Any, tuple[Tensor | None, bool]]) -> Tensor | None:
    """A pack with the same bytes that was made for another size of x, or else this one; None for an empty one."""
    same = (p for p, _ in packs.values() if p is not None and torch.equal(p[:_HEADER], pack[:_HEADER]))
    return next(same, pack) if pack.numel() else None
