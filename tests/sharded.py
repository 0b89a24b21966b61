"""What test_sharding.py runs on two processes: every operator on DTensors, against the same on plain tensors.

Prints one JSON object on the first process: for each case "" or what went wrong, for this process or the other.
"""

import contextlib
import functools
import json
import os
import traceback
from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor

import torchconv

# After torchconv: the rules have to be found however late DTensor is imported.
from torch.distributed.tensor import (  # isort: skip
    DTensor,
    Partial,
    Replicate,
    Shard,
    distribute_module,
    distribute_tensor,
    init_device_mesh,
)
from torch.distributed.tensor.debug import CommDebugMode  # isort: skip

R, S0, S1, P = Replicate(), Shard(0), Shard(1), Partial()
# Placements of x, w, bias and grad_y; then of y and of the three gradients, where none is communicated.
FREE = {
    "batch": ((S0, R, R, S0), (S0, S0, P, P)),
    "output channels": ((R, S0, S0, S1), (S1, P, S0, S0)),
    "input channels": ((S1, S1, R, R), (P, S1, S1, R)),
    "nothing": ((R, R, R, R), (R, R, R, R)),
}
# Placements that no rule has: DTensor redistributes.
ANY = {
    "height": (Shard(2), R, R, Shard(2)),
    "the kernel": (R, Shard(2), R, S0),
    "all along 0": (S0, S0, S0, S0),
    "all along 1": (S1, S1, S0, S1),
    "a part of each sum": (P, R, R, P),
    "the filter's parts": (S0, P, P, S0),
}
SIZES = {
    "2d": ((4, 6, 7, 5), (8, 6, 3, 3), {"padding": 1}),
    "2d, stride 2": ((4, 6, 7, 5), (8, 6, 3, 3), {"padding": 1, "stride": 2}),  # after the first: nothing is mixed up
    "same": ((4, 6, 7, 5), (8, 6, 3, 2), {"padding": "same"}),
    "1d": ((4, 6, 9), (8, 6, 3), {}),
    "3d": ((4, 2, 5, 4, 3), (4, 2, 2, 3, 1), {"stride": (2, 1, 1)}),
    "uneven": ((3, 5, 6, 6), (7, 5, 3, 3), {"padding": 1}),
    "fewer than processes": ((1, 1, 6, 6), (1, 1, 3, 3), {}),
    "groups": ((4, 6, 7, 5), (8, 3, 3, 3), {"groups": 2}),
}
CASES: dict[str, Callable[[], None]] = {}


def case(function: Callable[..., None], name: str, *args: object) -> None:
    CASES[name] = functools.partial(function, *args)


def integers(*size: int) -> Tensor:
    return torch.randint(-3, 4, size).float()  # the same on both processes: so are their seeds


def shared(t: Tensor, placement: object) -> DTensor:
    if placement == P:  # each process has a part of the sum
        part = t // 3 if mesh.get_rank() == 0 else t - t // 3
        return DTensor.from_local(part, mesh, [P], run_check=False)
    return distribute_tensor(t, mesh, [placement])


def compare(function: Callable[..., Tensor], tensors: list[Tensor], placements: tuple, expected: tuple | None) -> None:
    """Values and gradients on DTensors against those on plain tensors. The last placement is of the gradient of y."""
    plain = [t.clone().requires_grad_() for t in tensors]
    y = function(*plain)
    g = integers(*y.shape)
    grads = torch.autograd.grad(y, plain, g)
    sharded = [shared(t, placement).requires_grad_() for t, placement in zip(tensors, placements)]
    g_sharded = shared(g, placements[-1])
    with CommDebugMode() if expected else contextlib.nullcontext() as communication:  # nothing compiles under a mode
        y_sharded = function(*sharded)
        found = [y_sharded, *torch.autograd.grad(y_sharded, sharded, g_sharded)]
    if expected:
        assert communication.get_total_counts() == 0, communication.get_comm_counts()
        assert tuple(t.placements[0] for t in found) == expected, [t.placements for t in found]
    for name, ours, theirs in zip(("y", "grad of x", "grad of w", "grad of bias"), found, (y, *grads)):
        torch.testing.assert_close(ours.full_tensor(), theirs, rtol=0, atol=0, msg=lambda m, n=name: f"{n}: {m}")


def convolution(size: str, placements: tuple, expected: tuple | None, layout: torch.memory_format) -> None:
    x_size, w_size, options = SIZES[size]
    x, w, bias = integers(*x_size), integers(*w_size), integers(w_size[0])
    x = x.to(memory_format=layout) if x.dim() == 4 else x
    conv = (torchconv.conv1d, torchconv.conv2d, torchconv.conv3d)[x.dim() - 3]
    compare(lambda x, w, b: conv(x, w, b, algo="auto:direct", **options), [x, w, bias], placements, expected)


def transposed(placements: tuple, expected: tuple | None) -> None:
    tensors = [integers(4, 8, 5, 4), integers(8, 6, 3, 3), integers(6)]
    function = functools.partial(torchconv.conv_transpose2d, stride=2, output_padding=1, algo="auto:direct")
    compare(function, tensors, placements, expected)


def of_one(function: Callable[[Tensor], Tensor], x: Tensor, placement: object, expected: tuple | None) -> None:
    compare(function, [x], (placement, placement if expected else R), expected)


def second_order() -> None:
    def penalty(x: Tensor, w: Tensor) -> Tensor:
        y = torchconv.conv2d(x, w, padding=1, algo="auto:direct")
        (grad_x,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        return torch.autograd.grad(grad_x.square().sum(), w)[0]

    x, w = integers(4, 3, 5, 5).requires_grad_(), integers(2, 3, 3, 3).requires_grad_()
    found = penalty(*(shared(t.detach(), p).requires_grad_() for t, p in ((x, S0), (w, R))))
    torch.testing.assert_close(found.full_tensor(), penalty(x, w), rtol=0, atol=0)


def module() -> None:
    conv = torchconv.nn.Conv2d(6, 8, 3)
    for t in conv.parameters():
        dist.broadcast(t.data, 0)
    x = integers(4, 6, 7, 7)
    y = conv(x).detach()

    def by_output_channel(name: str, module: torch.nn.Module, mesh: object) -> None:
        for key, t in list(module.named_parameters(recurse=False)):
            module.register_parameter(key, torch.nn.Parameter(distribute_tensor(t, mesh, [S0])))

    sharded = distribute_module(conv, mesh, by_output_channel)(shared(x, R))
    assert sharded.placements == (S1,)
    torch.testing.assert_close(sharded.full_tensor(), y, rtol=1e-5, atol=1e-5)


def two_dimensions() -> None:
    grid = init_device_mesh("cpu", (2, 1), mesh_dim_names=("batch", "channels"))
    x, w = integers(4, 6, 7, 7), integers(8, 6, 3, 3)
    y = torchconv.conv2d(distribute_tensor(x, grid, [S0, S1]), distribute_tensor(w, grid, [R, S1]), algo="auto:direct")
    assert y.placements == (S0, P)
    torch.testing.assert_close(y.full_tensor(), torchconv.conv2d(x, w, algo="auto:direct"), rtol=0, atol=0)


def compiled() -> None:
    x, w, bias = integers(4, 6, 7, 7), integers(8, 6, 3, 3), integers(8)
    conv = torch.compile(lambda *t: torchconv.conv2d(*t, algo="auto:direct"), fullgraph=True, backend="aot_eager")
    compare(conv, [x, w, bias], FREE["batch"][0], None)


def plain_beside_sharded() -> None:
    try:
        torchconv.conv2d(shared(integers(4, 6, 7, 7), S0), integers(8, 6, 3, 3))
    except RuntimeError as error:
        assert "DTensor" in str(error), error
    else:
        raise AssertionError("expected an error")


def collect() -> None:
    case(compiled, "compiled")  # the first to see a DTensor
    nchw, nhwc = torch.contiguous_format, torch.channels_last
    for placed, (placements, expected) in FREE.items():
        for size in ("2d", "2d, stride 2", "same", "1d", "3d"):
            case(convolution, f"{size} by {placed}", size, placements, expected, nchw)
        case(convolution, f"channels_last by {placed}", "2d", placements, expected, nhwc)
        for size in ("uneven", "fewer than processes", "groups"):
            case(convolution, f"{size} by {placed}", size, placements, None, nchw)
    for placed, placements in ANY.items():
        case(convolution, f"2d by {placed}", "2d", placements, None, nchw)
        case(convolution, f"2d, stride 2, by {placed}", "2d, stride 2", placements, None, nchw)
    case(convolution, "groups by batch alone", "groups", *FREE["batch"], nchw)
    case(transposed, "transposed by batch", (S0, R, R, S0), (S0, S0, P, P))
    case(transposed, "transposed by output channels", (R, S1, S0, S1), (S1, P, S1, S0))
    case(transposed, "transposed by input channels", (S1, S0, R, R), (P, S1, S0, R))
    case(transposed, "transposed by height", (Shard(2), R, R, S0), None)
    image = integers(4, 6, 8, 8)
    for name, function in {
        "max_pool2d": lambda x: torchconv.max_pool2d(x, 3, 2, padding=1),
        "avg_pool2d": lambda x: torchconv.avg_pool2d(x, 2),
        "adaptive_max_pool2d": lambda x: torchconv.adaptive_max_pool2d(x, 2),
        "adaptive_avg_pool2d": lambda x: torchconv.adaptive_avg_pool2d(x, 2),
    }.items():
        for placement in (R, S0, S1):
            case(of_one, f"{name}, {placement}", function, image, placement, (placement, placement))
        case(of_one, f"{name}, height", function, image, Shard(2), None)
    for name, function, x in (
        ("unfold", lambda x: torchconv.unfold(x, 2), image),
        ("fold", lambda x: torchconv.fold(x, (4, 4), 2, stride=2), integers(4, 24, 4)),
        ("channel_shuffle", lambda x: torchconv.channel_shuffle(x, 3), image),
    ):
        case(of_one, f"{name}, batch", function, x, S0, (S0, S0))
        case(of_one, f"{name}, channels", function, x, S1, None)
    rows, columns = integers(6, 8), integers(8, 4)
    for name, placements, expected in (
        ("rows", (S0, R, S0), (S0, S0, P)),
        ("columns", (R, S1, S1), (S1, P, S1)),
        ("sums", (S1, S0, R), (P, S1, S0)),
    ):
        case(compare, f"gemm by {name}", torchconv.gemm, [rows, columns], placements, expected)
    for function in (second_order, module, two_dimensions, plain_beside_sharded):
        case(function, function.__name__)


dist.init_process_group("gloo")
mesh = init_device_mesh("cpu", (dist.get_world_size(),))
torch.manual_seed(0)
collect()
problems = {}
for name, run in CASES.items():
    torch.manual_seed(0)
    try:
        run()
        problems[name] = ""
    except Exception:
        problems[name] = traceback.format_exc(limit=-3)
everywhere = [None] * dist.get_world_size()
dist.all_gather_object(everywhere, problems)
if dist.get_rank() == 0:
    print(json.dumps({name: "".join(found[name] for found in everywhere) for name in CASES}), flush=True)
dist.destroy_process_group()
# A thread of gloo's lets go of its last tensor when the GIL is free; if Python is ending by then, torch 2.14 aborts.
os._exit(0)
