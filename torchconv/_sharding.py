"""DTensor: which placements of an operator's operands give which placement of its result.

The products of tensors are written as in an einsum, an image or filter being its first two dimensions: conv_fwd is
"NC,KC->NK". One letter at a time may be shared out among the processes. The tensors that have it are sharded along
it and the others replicated; where the result does not have it, each process has a part of the sum. Groups tie the
channels together: with more than one, only the batch is shared out. Spatial dimensions never are, for windows reach
over the borders. DTensor itself redistributes operands that come in other placements.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch

# The operators that multiply two tensors: "a,b->result"; where their bias goes along, if they have one; and where the
# size of the result stands among the arguments, which a process needs for its own part.
PRODUCTS: dict[str, tuple[str, str, int | None]] = {
    "conv_fwd": ("NC,KC->NK", "K", None),
    "conv_grad_input": ("NK,KC->NC", "C", 3),
    "conv_grad_weight": ("NC,NK->KC", "", 2),
    "gemm": ("MK,KN->MN", "", None),
}
GROUPS = {"conv_fwd": 6, "conv_grad_input": 7, "conv_grad_weight": 6}  # where the number of groups stands
# The operators that treat every plane alike, and how many tensors they take and return.
PLANES = {
    "max_pool": (1, 2), "adaptive_max_pool": (1, 2), "max_pool_grad": (2, 1), "max_pool_gather": (2, 1),
    "avg_pool": (1, 1), "avg_pool_grad": (1, 1), "adaptive_avg_pool": (1, 1), "adaptive_avg_pool_grad": (1, 1),
}  # fmt: skip
IMAGES = ("unfold", "fold", "channel_shuffle")  # those that treat every image alike
WITH_INDICES = {"max_pool": 6, "adaptive_max_pool": 2}  # without them the second result is empty

Rules = Sequence[tuple[list[Any], list[Any]]]  # placements of the results, and of the arguments in their order
_registered = False


def register_once() -> None:
    """Tells DTensor the rules, if there is DTensor in this process: importing torchconv does not import it."""
    global _registered
    if _registered or "torch.distributed.tensor" not in sys.modules:
        return
    _registered = True
    for name in PRODUCTS:
        _register(name, _product_rules(name), tensors=2, size=PRODUCTS[name][2])
    for name, (takes, _) in PLANES.items():
        _register(name, _plane_rules(name), tensors=takes)
    for name in IMAGES:
        _register(name, _image_rules, tensors=1)


# The compiler runs it instead of tracing it: torch.compiler.assume_constant_result would import the compiler for this.
register_once._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _register(name: str, rules: Callable[..., Rules], tensors: int, size: int | None = None) -> None:
    from torch.distributed.tensor import DTensor
    from torch.distributed.tensor._op_schema import RuntimeSchemaInfo
    from torch.distributed.tensor.experimental import register_sharding

    op = getattr(torch.ops.torchconv, name).default
    arguments = len(op._schema.arguments)

    def padded(*args: Any) -> Rules:
        return [(results, operands + [None] * (arguments - len(operands))) for results, operands in rules(*args)]

    register_sharding(op)(padded)
    propagator = DTensor._op_dispatcher.sharding_propagator
    # DTensor keeps what it found for the same tensors and the same arguments from here on. register_sharding takes the
    # first int: a stride or a padding, which are lists, would not count. Nor can it put a size into a flattened list.
    propagator.op_to_schema_info[op] = RuntimeSchemaInfo(tensors)
    if size is not None:
        propagator.op_to_shape_and_stride_idx[op] = size


def _product_rules(name: str) -> Callable[..., Rules]:
    product, bias_letter, _ = PRODUCTS[name]
    operands, result = product.split("->")

    def rules(*args: Any) -> Rules:
        from torch.distributed.tensor import Partial, Replicate, Shard

        def place(letters: str, letter: str, otherwise: Any) -> Any:
            return Shard(letters.index(letter)) if letter in letters else otherwise

        has_bias = bool(bias_letter) and args[2] is not None
        found: list[tuple[list[Any], list[Any]]] = [([Replicate()], [Replicate()] * (3 if has_bias else 2))]
        for letter in dict.fromkeys(product.replace(",", "").replace("->", "")):
            if letter != "N" and name in GROUPS and args[GROUPS[name]] != 1:
                continue
            y = place(result, letter, Partial())
            tensors = [place(letters, letter, Replicate()) for letters in operands.split(",")]
            if has_bias:
                tensors.append(Partial() if y.is_partial() else place(bias_letter, letter, Replicate()))
            found.append(([y], tensors))
        return found

    return rules


def _plane_rules(name: str) -> Callable[..., Rules]:
    takes, returns = PLANES[name]

    def rules(*args: Any) -> Rules:
        from torch.distributed.tensor import Replicate, Shard

        both = [Replicate(), Shard(0), Shard(1)]
        empty = name in WITH_INDICES and not args[WITH_INDICES[name]]
        return [([at, Replicate()] if empty else [at] * returns, [at] * takes) for at in both]

    return rules


def _image_rules(*args: Any) -> Rules:
    from torch.distributed.tensor import Replicate, Shard

    return [([at], [at]) for at in (Replicate(), Shard(0))]


register_once()
