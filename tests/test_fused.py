"""conv_fused against its three steps: every activation, dtype, layout, instruction set; packs, transforms, errors."""

import copy
import itertools
import math
import pickle
import random
import sys
import threading

import pytest
import torch
import torch.nn.functional as F
from layouts import lay_out
from torch.testing import assert_close

import torchconv
from torchconv import _C, ops
from torchconv._fused import ACTIVATIONS, activation_function
from torchconv.nn import FusedConv, FusedLinear

NAMES = [*ACTIVATIONS, "leaky_relu:0.3"]
DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
LAYOUTS = ["nchw", "nhwc", "strided"]
UNIT = {torch.float32: 2e-7, torch.float64: 1e-15, torch.float16: 1e-3, torch.bfloat16: 8e-3}
GEOMETRY = ([1, 1], [1, 0, 2, 1], [1, 1], 1)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


@pytest.fixture(params=["baseline", "avx2", "avx512", "avx512_bf16"])
def isa(request):
    _C.set_max_isa(request.param)
    if _C.current_isa() != request.param:
        pytest.skip(f"this CPU has no {request.param}")


def expected(x, w, bias, residual, rest, activation):
    """The three steps in float64."""
    x, w, bias, residual = (t if t is None else t.double() for t in (x, w, bias, residual))
    stride, padding, dilation, groups = rest
    d = len(stride)
    padded = F.pad(x, [n for i in reversed(range(d)) for n in padding[2 * i : 2 * i + 2]])
    conv = (F.conv1d, F.conv2d, F.conv3d)[d - 1]
    y = conv(padded, w, bias, stride, 0, dilation, groups)
    return activation_function(activation)(y if residual is None else y + residual)


def assert_near(y, reference, dtype, sums=1):
    assert y.dtype == dtype
    largest = float(reference[reference.isfinite()].abs().max())
    assert_close(y.double(), reference, rtol=0, atol=4 * UNIT[dtype] * sums * largest, equal_nan=True)


@pytest.mark.parametrize("activation", NAMES)
@every_dtype
def test_values_of_activations(dtype, activation, isa):
    """A sweep over all that matters, through a convolution that multiplies by one."""
    special = [0.0, -0.0, math.inf, -math.inf, math.nan, 1e4, -1e4, 88.5, -88.5, 87.0, -87.2, 3.0, -3.0, 6.0]
    x = torch.cat([torch.linspace(-12, 12, 2001), torch.tensor(special)]).to(dtype).view(1, 1, 1, -1)
    y = ops.conv_fused(x, x.new_ones(1, 1, 1, 1), None, None, None, [1, 1], [0] * 4, [1, 1], 1, activation, "im2col")
    torchs = activation_function(activation)(x.double())
    both = torchs.isfinite() & (torchs.abs() < 20)  # the largest value decides what is near
    assert_near(y[both], torchs[both], dtype, 0.5)
    assert_close(y[~both].double(), torchs[~both], rtol=2 * UNIT[dtype], atol=0, equal_nan=True)


SHAPES = [
    # x, w, rest: tails of outputs and pixels, whole panels, rows of 7 (not consecutive), groups, stride, 1x1, long sums
    ((2, 5, 9, 13), (17, 5, 3, 3), GEOMETRY),
    ((1, 32, 14, 16), (64, 32, 3, 3), ([1, 1], [1] * 4, [1, 1], 1)),
    ((3, 24, 7, 7), (40, 24, 1, 1), ([1, 1], [0] * 4, [1, 1], 1)),
    ((2, 12, 11, 10), (8, 3, 2, 3), ([2, 1], [0, 1, 1, 0], [1, 2], 4)),
    ((1, 300, 5, 6), (33, 300, 2, 2), ([1, 1], [1, 0, 0, 1], [1, 1], 1)),
    ((2, 6, 31), (10, 6, 4), ([3], [2, 1], [1], 1)),
    ((1, 4, 5, 6, 7), (9, 4, 2, 3, 3), ([1, 2, 1], [1, 0, 1, 1, 1, 1], [1] * 3, 1)),
]


# Depthwise ones: turned maps, cut strips, one row at a time, few channels, strides, large kernels, 1-D.
PLANES = [
    ((2, 37, 9, 9), (37, 1, 3, 3), ([1, 1], [1] * 4, [1, 1], 37)),
    ((1, 5, 40, 70), (5, 1, 3, 3), ([2, 2], [1, 0, 1, 0], [1, 1], 5)),
    ((1, 40, 50, 45), (40, 1, 5, 5), ([1, 1], [2] * 4, [1, 1], 40)),
    ((1, 3, 2, 300), (3, 1, 2, 7), ([1, 1], [0, 0, 3, 3], [1, 1], 3)),
    ((2, 64, 14, 14), (64, 1, 5, 5), ([2, 2], [2] * 4, [1, 1], 64)),
    ((1, 20, 33, 34), (20, 1, 3, 4), ([1, 3], [2, 2, 3, 3], [2, 2], 20)),
    ((2, 9, 61), (9, 1, 4), ([1], [2, 1], [1], 9)),
]
# Winograd ones: tails, whole tiles, blocks of tiles, many weights, groups, 1-D.
TILES = [
    ((2, 5, 9, 13), (17, 5, 3, 3), GEOMETRY),
    ((1, 32, 16, 16), (64, 32, 3, 3), ([1, 1], [1] * 4, [1, 1], 1)),
    ((1, 20, 33, 30), (35, 20, 3, 3), ([1, 1], [1] * 4, [1, 1], 1)),
    ((1, 300, 5, 6), (33, 300, 2, 2), ([1, 1], [1, 0, 0, 1], [1, 1], 1)),
    ((1, 36, 9, 10), (6, 12, 3, 5), ([1, 1], [1, 0, 2, 2], [1, 1], 3)),
    ((2, 33, 61), (20, 33, 3), ([1], [2, 1], [1], 1)),
]
# Grouped ones: full and partial vectors, several in a group, more sources than results and fewer, strides, strips, 1-D.
GROUPS = [
    ((2, 32, 9, 9), (32, 4, 3, 3), ([1, 1], [1] * 4, [1, 1], 8)),
    ((1, 48, 7, 8), (48, 16, 3, 3), ([2, 2], [1] * 4, [1, 1], 3)),
    ((1, 40, 9, 20), (15, 8, 2, 3), ([1, 1], [1, 0, 2, 1], [1, 1], 5)),
    ((2, 6, 70, 65), (12, 2, 3, 3), ([1, 3], [2, 2, 1, 1], [2, 2], 3)),
    ((2, 21, 31), (60, 7, 4), ([1], [2, 1], [1], 3)),
]
CELLS = [(algo, shape) for algo in ("im2col", "reference") for shape in SHAPES] + [("depthwise", s) for s in PLANES]
CELLS += [("winograd4", shape) for shape in TILES] + [("grouped", shape) for shape in GROUPS]


@pytest.mark.parametrize(("algo", "shape"), CELLS, ids=str)
@every_dtype
def test_layouts_biases_and_residuals(dtype, algo, shape, isa):
    x_size, w_size, rest = shape
    if algo == "reference" and _C.current_isa() != "baseline":
        pytest.skip("the same code for every instruction set")
    choices = itertools.product(LAYOUTS, (False, True), (False, True))
    for (layout, with_bias, with_residual), activation in zip(choices, itertools.cycle(NAMES), strict=False):
        x = lay_out(torch.randn(x_size).to(dtype), layout)
        w = (torch.randn(w_size) / torch.Size(w_size[1:]).numel() ** 0.5).to(dtype)
        bias = torch.randn(w_size[0]).to(dtype) if with_bias else None
        size = ops.conv_fwd(x, w, bias, *rest, algo).shape
        # Of another layout than x, now and then.
        residual = lay_out(torch.randn(size).to(dtype), LAYOUTS[int(torch.randint(3, ()))]) if with_residual else None
        y = ops.conv_fused(x, w, bias, residual, None, *rest, activation, algo)
        assert y.stride() == ops.conv_fwd(x, w, bias, *rest, algo).stride()
        wide = dtype in (torch.float32, torch.float64)
        units = 20 if algo == "winograd4" and wide else 4
        assert_near(y, expected(x, w, bias, residual, rest, activation), dtype, units)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_results_larger_than_the_caches(layout):
    x, w = lay_out(torch.randn(2, 16, 128, 130), layout), torch.randn(96, 16, 1, 1)
    residual, rest = lay_out(torch.randn(2, 96, 128, 130), layout), ([1, 1], [0] * 4, [1, 1], 1)
    y = ops.conv_fused(x, w, None, residual, None, *rest, "relu", "im2col")
    assert_close(y, (ops.conv_fwd(x, w, None, *rest, "im2col") + residual).relu(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(0, 3, 5, 5), (2, 0, 5, 5), (2, 3, 5, 5)])
def test_empty(size):
    x, w = torch.randn(size), torch.randn(4, size[1], 3, 3)
    rest = ([1, 1], [0] * 4, [1, 1], 1)
    bias, residual = torch.randn(4), torch.randn(size[0], 4, 3, 3)
    y = ops.conv_fused(x, w, bias, residual, None, *rest, "sigmoid", "auto")
    products = F.conv2d(x, w) if size[1] else 0
    assert_close(y, (products + bias.view(4, 1, 1) + residual).sigmoid())
    no_outputs = ops.conv_fused(x, w[:0], None, None, None, *rest, "relu", "auto")
    assert no_outputs.shape == (size[0], 0, 3, 3)


@every_dtype
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize(("algo", "shape"), [("im2col", s) for s in SHAPES] + [("grouped", s) for s in GROUPS], ids=str)
def test_packed_weights_give_the_same_bits(algo, shape, layout, dtype):
    x_size, w_size, rest = shape
    x, w = lay_out(torch.randn(x_size).to(dtype), layout), torch.randn(w_size).to(dtype)
    pack = ops.conv_pack(x, w, *rest, "relu", False, algo)
    assert pack.numel() > 0
    for threads in (1, 2):
        torch.set_num_threads(threads)
        y = ops.conv_fused(x, torch.empty_like(w), None, None, pack, *rest, "relu", "auto")
        assert torch.equal(y, ops.conv_fused(x, w, None, None, None, *rest, "relu", algo))


def test_weights_beyond_the_workspace_limit_pack_whole():
    x, w = torch.randn(1, 600, 4, 5), torch.randn(800, 600, 3, 3)  # 17 MB: without a pack it runs in parts
    for layout in ("nchw", "nhwc"):
        x = lay_out(x, layout)
        pack = ops.conv_pack(x, w, *GEOMETRY, "none", False, "im2col")
        y = ops.conv_fused(x, w, None, None, pack, *GEOMETRY, "none", "auto")
        assert_close(y, ops.conv_fwd(x, w, None, *GEOMETRY, "im2col"), rtol=1e-4, atol=1e-3)


def test_packs_are_checked():
    x, w = torch.randn(1, 8, 6, 6), torch.randn(16, 8, 3, 3)
    pack = ops.conv_pack(x, w, *GEOMETRY, "none", False, "im2col")

    def run(x=x, w=w, pack=pack):
        return ops.conv_fused(x, w, None, None, pack, *GEOMETRY, "none", "auto")

    wrong = {
        "channels_last": lambda: run(x=x.contiguous(memory_format=torch.channels_last)),
        "other weights": lambda: run(w=torch.randn(8, 8, 3, 3)),
        "other dtype": lambda: run(x=x.double(), w=w.double()),
        "cut": lambda: run(pack=pack[:-64]),
        "no pack": lambda: run(pack=torch.zeros(4096, dtype=torch.uint8)),
        "too short": lambda: run(pack=torch.zeros(3, dtype=torch.uint8)),
        "floats": lambda: run(pack=torch.zeros(4096)),
        "strided": lambda: run(pack=torch.stack([pack, pack], 1)[:, 0]),
    }
    for call in wrong.values():
        with pytest.raises(RuntimeError, match=r"pack: expected .*, got "):
            call()
    assert ops.conv_pack(x, w, *GEOMETRY, "none", False, "reference").numel() == 0


def test_errors():
    x, w = torch.randn(1, 8, 6, 6), torch.randn(16, 8, 3, 3)
    y = ops.conv_fwd(x, w, None, *GEOMETRY, "auto")

    def run(residual=None, activation="relu", algo="auto", device="cpu"):
        operands = (t if t is None else t.to(device) for t in (x, w, None, residual))
        return ops.conv_fused(*operands, None, *GEOMETRY, activation, algo)

    for device in ("cpu", "meta"):
        with pytest.raises(
            RuntimeError, match=r"activation: expected one of none, relu, .*leaky_relu:SLOPE, got 'swish'"
        ):
            run(activation="swish", device=device)
        with pytest.raises(RuntimeError, match="activation: expected leaky_relu: and a number, got 'leaky_relu:a'"):
            run(activation="leaky_relu:a", device=device)
        with pytest.raises(RuntimeError, match=r"residual: expected size \[1, 16, .*, got \[1, 16, 1, 1\]"):
            run(residual=y[:, :, :1, :1], device=device)
        with pytest.raises(RuntimeError, match="residual: expected dtype Float as x has, got Double"):
            run(residual=y.double(), device=device)
    with pytest.raises(torchconv.TorchconvError, match="activation: expected one of"):
        FusedConv(w, activation="swish")
    with pytest.raises(torchconv.TorchconvError, match=r"w: expected size 7 in dimension 1 .*, got"):
        FusedConv(w)(torch.randn(1, 7, 6, 6))


def test_gradients_and_transforms_go_step_by_step():
    x, w, bias, residual = (
        torch.randn(s, dtype=torch.float64, requires_grad=True)
        for s in ((2, 3, 5, 5), (4, 3, 2, 2), (4,), (2, 4, 5, 7))
    )

    def call(*operands):
        return ops.conv_fused(*operands, None, *GEOMETRY, "gelu", "auto")

    assert torch.autograd.gradcheck(call, (x, w, bias, residual))
    with torch.no_grad():
        y = call(x, w, bias, residual)
        assert_close(torch.func.vmap(call, (0, None, None, 0))(x[:, None], w, bias, residual[:, None])[:, 0], y)
        _, tangent = torch.func.jvp(lambda x: call(x, w, bias, residual), (x,), (torch.ones_like(x),))
    assert tangent.abs().max() > 0
    direct = torch.ops.torchconv.conv_fused(x, w, None, None, None, *GEOMETRY, "relu", "auto")
    with pytest.raises(torchconv.TorchconvError, match="conv_fused: expected to be called as"):
        direct.sum().backward()


def test_operator_keeps_torchs_contract():
    x, w, bias = torch.randn(2, 3, 6, 6), torch.randn(4, 3, 3, 3), torch.randn(4)
    y = ops.conv_fwd(x, w, bias, *GEOMETRY, "auto")
    for last in (x, x.contiguous(memory_format=torch.channels_last)):
        arguments = (last, w, bias, y, None, *GEOMETRY, "silu", "auto")
        torch.library.opcheck(torch.ops.torchconv.conv_fused.default, arguments)


def test_autocast():
    x, w, bias = torch.randn(2, 3, 6, 6), torch.randn(4, 3, 3, 3), torch.randn(4)
    module = FusedConv(w, bias, padding=1, activation="relu")
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        y = module(x)
        assert y.dtype == torch.bfloat16
        assert_close(y, F.conv2d(x, w, bias, padding=1).relu(), rtol=2e-2, atol=2e-2)


# The module.


def make(**arguments):
    return FusedConv(torch.randn(6, 4, 3, 3), torch.randn(6), padding=1, activation="relu", **arguments)


def unpacked(m, x, residual=None):
    rest = (m.stride, m.padding, m.dilation, m.groups)
    return ops.conv_fused(x, m.weight, m.bias, residual, None, *rest, m.activation, m.algo)


def packs(m):
    return {id(pack) for pack, _ in m._packs.values()}


def test_a_pack_serves_all_sizes_of_a_layout():
    m = make(algo="im2col")
    for H in range(5, 105):
        x = torch.randn(1, 4, H, 7)
        assert torch.equal(m(x), unpacked(m, x))
        last = x.contiguous(memory_format=torch.channels_last)
        assert torch.equal(m(last), unpacked(m, last))
    assert len(packs(m)) == 2 and len(m._packs) <= 64


def test_threads_share_a_module():
    m, errors = make(), []

    def call(seed):
        try:
            for H in random.Random(seed).choices(range(3, 150), k=300):
                m(torch.ones(1, 4, H, 3).to(memory_format=[torch.contiguous_format, torch.channels_last][H % 2]))
        except Exception as error:
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=call, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not errors


@pytest.mark.parametrize("change", ["values", "dtype", "isa", "parameter"])
def test_packs_follow(change):
    m, x = make(), torch.randn(2, 4, 8, 8)
    m(x)
    if change == "values":
        m.weight.mul_(-2)
    elif change == "dtype":
        m, x = m.to(torch.bfloat16), x.to(torch.bfloat16)
    elif change == "isa":
        _C.set_max_isa("baseline")
    else:
        m.load_state_dict({"weight": torch.randn(6, 4, 3, 3), "bias": torch.randn(6)}, assign=True)
    assert torch.equal(m(x), unpacked(m, x))
    assert change in ("dtype", "isa") or len(packs(m)) == 1


def test_copies_hold_no_pack():
    m, x = make(), torch.randn(1, 4, 8, 8)
    y = m(x)
    assert set(m.state_dict()) == {"weight", "bias"}
    for other in (copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
        assert not other._packs and torch.equal(other(x), y)
    with torch.inference_mode():
        assert torch.equal(m(x), y)
        assert torch.equal(FusedConv(m.weight.clone(), m.bias.clone(), padding=1, activation="relu")(x), y)


def test_module_arguments():
    m, x = make(), torch.randn(2, 4, 8, 8)
    assert_close(m(x[0]), m(x)[0])
    assert_close(m(x[0], m(x)[0]), m(x, m(x))[0])
    whole = (unpacked(m, x, torch.zeros_like(m(x))), "none")[0]
    assert_close(m(x, torch.zeros(6, 1, 1)), whole)  # broadcast: not fused, the same result
    same = make(stride=2)
    same.padding = "same"
    assert same(x).shape == (2, 6, 4, 4)
    assert repr(m).startswith("FusedConv(4, 6, kernel_size=(3, 3), stride=(1, 1)")
    x.requires_grad_()
    m(x).sum().backward()
    assert x.grad is not None and x.grad.abs().max() > 0


def test_the_level_of_precision_holds():
    m, x = make(), torch.randn(2, 4, 8, 8)
    m(x)
    with torchconv.precision(1e-12), pytest.raises(torchconv.TorchconvError, match="above the budget"):
        m(x)
    wide, x = FusedConv(torch.randn(1024, 1024, 1, 1)), torch.randn(8, 1024, 28, 28)
    torch._dynamo.reset()
    compiled = torch.compile(wide, fullgraph=True, backend="eager")
    for level in ("balanced", "direct"):  # strassen at first
        with torchconv.precision(level), torch.no_grad():
            expected = torchconv.conv2d(x, wide.weight)
            assert torch.equal(wide(x), expected) and torch.equal(compiled(x), expected)
    assert len(packs(wide)) == 2


def test_residuals_of_any_kind():
    m, x = make(), torch.randn(2, 4, 8, 8)
    y = m(x)
    for residual in (torch.ones_like(y), torch.ones_like(y).double(), torch.ones_like(y), 1, 1.0):
        assert_close(m(x, residual), m(x, torch.ones(())).to(getattr(residual, "dtype", y.dtype)))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"weight": None}, "weight: expected a torch.Tensor, got NoneType"),
        ({"activation": None}, "activation: expected a string, got None"),
        ({"groups": "2"}, "groups: expected an int, got '2'"),
    ],
    ids=str,
)
def test_module_errors(wrong, message):
    with pytest.raises(torchconv.TorchconvError, match=message):
        FusedConv(**{"weight": torch.ones(2, 2, 3, 3), **wrong})


def test_vmap_and_meta():
    m, x = make(), torch.randn(3, 2, 4, 8, 8)
    with torch.no_grad():
        assert_close(torch.vmap(m)(x), m(x.flatten(0, 1)).unflatten(0, (3, 2)))
    assert copy.deepcopy(m).to("meta")(x[0].to("meta")).shape == (2, 6, 8, 8)


def test_compile_and_export_have_one_node():
    m, x = make().eval(), torch.randn(2, 4, 8, 8)
    with torch.no_grad():
        expected = m(x, m(x))
        batch = torch.export.Dim("batch", min=2)
        exported = torch.export.export(m, (x, m(x)), dynamic_shapes=({0: batch}, {0: batch}))
        calls = [node.target for node in exported.graph.nodes if node.op == "call_function"]
        assert calls.count(torch.ops.torchconv.conv_fused.default) == 1
        assert not any("relu" in str(call) or "add" in str(call) for call in calls)
        assert torch.equal(exported.module()(x, m(x)), expected)
        compiled = torch.compile(m, fullgraph=True, backend="aot_eager")
        assert torch.equal(compiled(x, m(x)), expected)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("size", [(40,), (1, 40), (37, 40), (3, 1, 50, 40), (0, 40)], ids=str)
def test_linear(size, dtype):
    weight, bias, x = torch.randn(70, 40, dtype=dtype), torch.randn(70, dtype=dtype), torch.randn(size, dtype=dtype)
    y, exact = FusedLinear(weight, bias, "gelu")(x), F.gelu(F.linear(x.double(), weight.double(), bias.double()))
    assert y.dtype == dtype and y.shape == exact.shape and y.is_contiguous()
    assert_close(y.double(), exact, rtol=0, atol={torch.float32: 1e-4, torch.float64: 1e-12}.get(dtype, 0.2))


def test_linear_gradients_copies_and_compiling():
    m, x = FusedLinear(torch.randn(6, 5), activation="relu"), torch.randn(3, 5, requires_grad=True)
    m(x).sum().backward()
    assert_close(x.grad, (m(x) > 0).float() @ m.weight[:, :, 0, 0])
    assert torch.equal(pickle.loads(pickle.dumps(m))(x), m(x)) and m.extra_repr().startswith("5, 6, ")
    assert_close(torch.compile(m, backend="aot_eager", fullgraph=True)(x), m(x))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: FusedLinear(3), "weight: expected a torch.Tensor of two dimensions that is not empty, got int"),
        (lambda: FusedLinear(torch.ones(2, 0)), r"weight: expected .* got size \[2, 0\]"),
        (lambda: FusedLinear(torch.ones(2, 3), activation="relu7"), "activation: expected"),
        (
            lambda: FusedLinear(torch.ones(2, 3))(torch.ones(2)),
            r"x: expected a .* \[\*, 3\], got size",
        ),
        (lambda: FusedLinear(torch.ones(2, 3))(torch.tensor(1.0)), r"x: expected .*, got size \[\]"),
        (lambda: FusedLinear(torch.ones(2, 3))(1), r"x: expected .*, got int"),
        (lambda: FusedLinear(torch.ones(2, 3))(torch.ones(2, 3, dtype=torch.float64)), "dtype"),
    ],
)
def test_linear_errors(wrong, message):
    with pytest.raises(torchconv.TorchconvError, match=message):
        wrong()
