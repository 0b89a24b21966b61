"""Batching rules: an operator whose operands carry one more dimension runs once, and shared operands are not copied.

y, x and w each are indexed by two of: N (the image), C and K (channel within a group), all but N alongside G (group).
A batch can be folded into any index that every batched operand and the result have in common: batched x alone
into N, batched w alone into K, and where all three are batched into G.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from torchconv import ops
from torchconv._fake import check_sizes

# The operands and the result of each operator.
ROLES = {
    "conv_fwd": ("x", "w", "y"),
    "conv_grad_input": ("y", "w", "x"),
    "conv_grad_weight": ("x", "y", "w"),
}
# For the batched roles, the result among them: the dimension of each that the batch is folded into, and whether it
# goes inside the groups. Channels are group-major, so a batch of channels within a group comes after the group.
FOLDS = {
    frozenset("xy"): {"x": (0, False), "y": (0, False)},  # N
    frozenset("wy"): {"w": (0, True), "y": (1, True)},  # K
    frozenset("xw"): {"x": (1, True), "w": (1, False)},  # C
    frozenset("xwy"): {"x": (1, False), "w": (0, False), "y": (1, False)},  # G
}


def merge(t: Tensor, batch_dim: int, dim: int, outer: int) -> Tensor:
    """Moves the batch into dimension dim (counted without the batch), inside its outermost `outer` blocks."""
    t = t.movedim(batch_dim, 0)
    t = t.unflatten(dim + 1, (outer, t.shape[dim + 1] // outer))
    return t.movedim(0, dim + 1).flatten(dim, dim + 2)


def split(t: Tensor, batch: int, dim: int, outer: int) -> Tensor:
    """The inverse of merge; the batch becomes dimension 0."""
    t = t.unflatten(dim, (outer, batch, t.shape[dim] // (outer * batch)))
    return t.movedim(dim + 1, 0).flatten(dim + 1, dim + 2)


def _unbatched(t: Tensor, batch_dim: int | None) -> list[int]:
    return [size for i, size in enumerate(t.shape) if i != batch_dim]


def _convolution(name: str) -> Callable[..., tuple[Tensor, int]]:
    *operands, result = ROLES[name]

    def rule(batch: int, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Tensor, int]:
        call = list(args)
        groups = args[-2]
        batched = {role: batch_dim for role, batch_dim in zip(operands, in_dims, strict=False) if batch_dim is not None}
        size_of = {role: _unbatched(args[i], in_dims[i]) for i, role in enumerate(operands)}
        if name != "conv_fwd":  # the size of the result is an argument
            size_of[result] = args[-6]
        # Before the groups divide anything; and the sizes in the message are those that the caller sees.
        check_sizes(size_of["x"], size_of["w"], size_of.get("y"), *args[-5:-1])
        folds = FOLDS[frozenset([*batched, result])]
        for i, role in enumerate(operands):
            if role in batched:
                dim, inside = folds[role]
                call[i] = merge(args[i], batched[role], dim, groups if inside else 1)
        dim, inside = folds[result]
        if len(batched) == 2:  # folded into G
            call[-2] = groups * batch
        if name != "conv_fwd":
            size = list(args[-6])
            size[dim] *= batch
            call[-6] = size
        return split(getattr(ops, name)(*call), batch, dim, groups if inside else 1), 0

    return rule


def _per_image(name: str) -> Callable[..., tuple[Tensor, int]]:
    def rule(batch: int, in_dims: tuple[int, ...], t: Tensor, *rest: Any) -> tuple[Tensor, int]:
        return split(getattr(ops, name)(merge(t, in_dims[0], 0, 1), *rest), batch, 0, 1), 0

    return rule


def _gemm(batch: int, in_dims: tuple[int | None, ...], a: Tensor, b: Tensor) -> tuple[Tensor, int]:
    a_dim, b_dim = in_dims
    if a_dim is not None and b_dim is not None:
        a, b = a.movedim(a_dim, 0), b.movedim(b_dim, 0)
        return torch.stack([ops.gemm(a[i], b[i]) for i in range(batch)]), 0
    if a_dim is not None:
        return split(ops.gemm(merge(a, a_dim, 0, 1), b), batch, 0, 1), 0
    assert b_dim is not None
    return split(ops.gemm(a, merge(b, b_dim, 1, 1)), batch, 1, 1), 0


def _maximum(name: str) -> Callable[..., tuple[tuple[Tensor, Tensor], tuple[int, int]]]:
    def rule(batch: int, in_dims: tuple[int, ...], x: Tensor, *rest: Any) -> Any:
        y, indices = getattr(ops, name)(merge(x, in_dims[0], 0, 1), *rest)
        return (split(y, batch, 0, 1), split(indices, batch, 0, 1)), (0, 0)

    return rule


def _with_indices(name: str) -> Callable[..., tuple[Tensor, int]]:
    def rule(batch: int, in_dims: tuple[int | None, ...], t: Tensor, indices: Tensor, *rest: Any) -> tuple[Tensor, int]:
        operands = [
            merge(t.expand(batch, *t.shape) if d is None else t, d or 0, 0, 1)
            for t, d in zip((t, indices), in_dims, strict=False)
        ]
        return split(getattr(ops, name)(*operands, *rest), batch, 0, 1), 0

    return rule


PER_IMAGE = (
    "unfold", "fold", "avg_pool", "avg_pool_grad", "adaptive_avg_pool", "adaptive_avg_pool_grad", "channel_shuffle",
)  # fmt: skip
RULES: dict[str, Callable[..., tuple[Any, Any]]] = {
    **{name: _convolution(name) for name in ROLES},
    **{name: _per_image(name) for name in PER_IMAGE},
    **{name: _maximum(name) for name in ("max_pool", "adaptive_max_pool")},
    **{name: _with_indices(name) for name in ("max_pool_grad", "max_pool_gather")},
    "gemm": _gemm,
}


def run(name: str, batch: int, in_dims: tuple[Any, ...], args: tuple[Any, ...]) -> tuple[Any, Any]:
    if batch:
        return RULES[name](batch, in_dims, *args)
    # Nothing can be split into no parts, so an empty batch runs as one of zeros, of which the result keeps nothing.
    one = [_with_zeros(a, d) if isinstance(d, int) else a for a, d in zip(args, in_dims, strict=True)]
    out, dims = RULES[name](1, in_dims, *one)
    return (tuple(t[:0] for t in out) if isinstance(out, tuple) else out[:0]), dims


def _with_zeros(t: Tensor, batch_dim: int) -> Tensor:
    """An empty batch with one entry added. By cat, so that gradients still find their way back to t."""
    size = [1 if i == batch_dim else s for i, s in enumerate(t.shape)]
    return torch.cat([t, t.new_zeros(size)], batch_dim)
