"""Convolutions in a row of a frozen model run as one operator: with the very results of one by one, where they may."""

import copy
import pickle
import random

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.testing import assert_close

import torchconv
from torchconv import _C, ops
from torchconv._chain import Chain

DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
CONV_CHAIN = torch.ops.torchconv.conv_chain


@pytest.fixture(params=["baseline", "avx2", "avx512", "avx512_bf16"])
def isa(request):
    _C.set_max_isa(request.param)
    if _C.current_isa() != request.param:
        pytest.skip(f"this CPU has no {request.param}")


def in_last(*size, dtype=torch.float32):
    return torch.randn(size, dtype=dtype).contiguous(memory_format=torch.channels_last)


def ranges(call):
    """What the profiler saw."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        call()
    return [e.name.removeprefix("torchconv::") for e in found.events() if e.name.startswith("torchconv::")]


def one_by_one(frozen, x):
    with torch.no_grad():
        return frozen.model(x.contiguous(memory_format=torch.channels_last))


def check(model, x, strips=None, exact=True):
    """A second call, which is that of the chain, against the convolutions one by one; strips: how many depth first."""
    frozen = torchconv.freeze(model.to(x.dtype))
    with torch.no_grad():
        frozen(x)
        y, expected = frozen(x), one_by_one(frozen, x)
        found = ranges(lambda: frozen(x))
    assert y.shape == expected.shape and y.dtype == expected.dtype
    assert torch.equal(y, expected) if exact else assert_close(y, expected) is None
    assert found.count("conv_chain") == 1
    if strips is not None:
        assert sum("rows at a time" in name for name in found) == strips
    return frozen


class Inverted(nn.Module):
    """The block of MobileNetV2."""

    def __init__(self, channels, wider, stride=1, kernel=3, padding=1):
        super().__init__()
        self.expand, self.project = nn.Conv2d(channels, wider, 1), nn.Conv2d(wider, channels, 1)
        self.depthwise = nn.Conv2d(wider, wider, kernel, stride, padding, groups=wider)
        self.adds = stride == 1

    def forward(self, x):
        y = self.project(nn.functional.relu6(self.depthwise(nn.functional.relu6(self.expand(x)))))
        return x + y if self.adds else y


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
@pytest.mark.parametrize("images", [1, 2, 3, 8])
def test_strips_of_images_and_rows(images, threads):
    torch.set_num_threads(threads)
    model = nn.Sequential(Inverted(8, 96, 2), Inverted(8, 64), Inverted(8, 72, 1, 5, 2))
    check(model, in_last(images, 8, 113, 97))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_and_instruction_set(dtype, isa):
    torch.set_num_threads(2)
    model = nn.Sequential(Inverted(7, 100), nn.Conv2d(7, 5, 3, padding=1), Inverted(5, 90, 2))
    check(model, in_last(1, 7, 90, 61, dtype=dtype))


# Kernel, stride, padding and dilation of the layers after the first.
WINDOWS = {
    "one pixel": [(1, 1, 0, 1), (1, 1, 0, 1)],
    "rows between strips": [(3, 1, 1, 1), (5, 1, 2, 1), (3, 1, 1, 1)],
    "even kernels": [(2, 1, 0, 1), (4, 1, 2, 1)],
    "strides": [(3, 2, 1, 1), (2, 2, 0, 1), (3, 2, 1, 1)],
    "strides beyond the kernel": [(1, 3, 0, 1), (2, 3, 1, 1)],
    "dilation": [(3, 1, 2, 2), (3, 1, 4, 4)],
    "no padding": [(3, 1, 0, 1), (5, 1, 0, 1)],
    "much padding": [(3, 1, 2, 1), (5, 1, 4, 1)],
    "one row": [((1, 5), 1, (0, 2), 1), ((5, 1), 1, (2, 0), 1)],
    "as high as the image": [(63, 1, 0, 1), (1, 1, 0, 1)],
    "padding alone": [(2, 1, 3, 1), (3, 1, 1, 1)],
}


NO_STRIPS = ["as high as the image"]  # which are more than fit into a cache


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("threads", [1, 2])
def test_windows(name, threads):
    torch.set_num_threads(threads)
    layers = [nn.Conv2d(3, 64, 1)]
    for i, (kernel, stride, padding, dilation) in enumerate(WINDOWS[name]):
        groups = 64 if i % 2 == 0 else 16
        layers += [nn.Conv2d(64, 64, kernel, stride, padding, dilation, groups), nn.ReLU()]
    check(nn.Sequential(*layers), in_last(2, 3, 63, 120), strips=0 if name in NO_STRIPS else 1)


@pytest.mark.parametrize("seed", range(30))
def test_random_chains(seed):
    rng = random.Random(seed)
    torch.set_num_threads(rng.choice([1, 2, 2, 4]))
    channels, layers = rng.choice([3, 8, 16]), []
    C = channels
    for _ in range(rng.randint(2, 6)):
        kind, k = rng.choice(["pointwise", "depthwise", "grouped", "dense"]), rng.choice([1, 2, 3, 3, 5])
        K = C if kind in ("depthwise", "grouped") else rng.choice([5, 16, 64, 96])
        groups = {"depthwise": C, "grouped": C // 4 if C % 4 == 0 else 1}.get(kind, 1)
        k = 1 if kind == "pointwise" else k
        stride, padding = rng.choice([1, 1, 2, (1, 2)]), rng.randint(0, k)
        layers += [nn.Conv2d(C, K, k, stride, padding, groups=groups, bias=rng.random() < 0.7)]
        layers += [rng.choice([nn.ReLU(), nn.SiLU(), nn.Hardswish(), nn.LeakyReLU(0.2), nn.Identity()])]
        C = K
    x = in_last(rng.randint(1, 5), channels, rng.randint(20, 120), rng.randint(20, 120))
    check(nn.Sequential(*layers), x, exact=False)


def test_what_runs_depth_first():
    torch.set_num_threads(2)
    frozen = check(Inverted(16, 96), in_last(2, 16, 112, 112), strips=1)
    x = in_last(2, 16, 112, 112)
    with torch.no_grad():
        frozen(x)
        found = ranges(lambda: frozen(x))
    assert "im2col, depthwise and im2col, x [2, 16, 112, 112] to y [2, 16, 112, 112], 5 rows at a time" in found
    check(Inverted(16, 96), in_last(2, 16, 14, 14), strips=0)  # stays in the caches
    check(Inverted(16, 96), torch.randn(2, 16, 112, 112), strips=1)  # freeze has it in channels_last


def test_strips_keep_to_the_limit_of_workspaces():
    torch.set_num_threads(2)
    torchconv.set_workspace_limit(1 << 18)
    check(Inverted(16, 96), in_last(2, 16, 112, 112), strips=0)


class Branches(nn.Module):
    """Results that are used twice, out of order, and outside of the row."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Conv2d(8, 8, 3, padding=1) for _ in range(4))

    def forward(self, x, z):
        a = self.a(x)
        b = self.b(a) + a
        c = self.c(z) + b
        d = self.d(b)
        return a.exp(), c, d + c, x


@pytest.mark.parametrize("formats", ["last", "first", "mixed", "strided"])
def test_several_inputs_and_results(formats):
    frozen = torchconv.freeze(Branches())
    x, z = in_last(2, 8, 20, 20), in_last(2, 8, 20, 20)
    if formats != "last":
        z = z.contiguous()
    if formats == "first":
        x = x.contiguous()
    if formats == "strided":
        x, z = torch.randn(2, 8, 20, 40)[..., ::2], torch.randn(4, 8, 20, 20)[::2]
    with torch.no_grad():
        for _ in range(3):
            found, expected = frozen(x, z), frozen.model(x, z)
            for y, reference in zip(found, expected, strict=True):
                assert_close(y, reference, rtol=1e-4, atol=1e-4)


def test_residuals_of_another_size_go_one_by_one():
    class Broadcast(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)

        def forward(self, x, z):
            return self.b(self.a(x)) + z

    frozen, x = torchconv.freeze(Broadcast()), torch.randn(2, 4, 5, 5)
    for z in (torch.randn(4, 1, 1), torch.randn(2, 4, 5, 5), 2.0, torch.randn(2, 4, 5, 5, dtype=torch.float64)):
        for _ in range(2):
            with torch.no_grad():
                assert_close(frozen(x, z), frozen.model(x, z))


def test_empty_batches_and_single_images():
    frozen = torchconv.freeze(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 1)))
    for size in ((0, 3, 9, 9), (1, 3, 9, 9), (3, 9, 9), (2, 3, 1, 1)):
        x = torch.randn(size)
        for _ in range(2):
            with torch.no_grad():
                y = frozen(x)
            assert y.shape == (*size[:-3], 4, *size[-2:])
            assert_close(y, frozen.model(x))
    for bad in (torch.randn(2, 5, 9, 9), torch.randn(9, 9), torch.ones(1, 3, 9, 9, dtype=torch.int64)):
        with pytest.raises(torchconv.TorchconvError):
            frozen(bad)


def small():
    return torchconv.freeze(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3, padding="same")))


X = torch.randn(2, 3, 10, 10)


def runs_as_chain(frozen, x=X):
    with torch.no_grad():
        frozen(x)
        return "conv_chain" in ranges(lambda: frozen(x))


def change_weight(frozen):
    frozen.model.get_submodule("0").weight.data.mul_(2)
    frozen.model.get_submodule("0").weight.add_(0)


def replace_weight(frozen):
    frozen.model.get_submodule("0").weight = nn.Parameter(torch.randn(8, 3, 3, 3), requires_grad=False)


def replace_bias(frozen):
    frozen.model.get_submodule("2").bias = None


def replace_data(frozen):
    w = frozen.model.get_submodule("2").weight
    w.data = torch.randn_like(w)


def load(frozen):
    frozen.load_state_dict({k: torch.randn_like(v) for k, v in frozen.state_dict().items()})


def change_activation(frozen):
    frozen.model.get_submodule("0").activation = "none"


def replace_layer(frozen):
    setattr(frozen.model, "0", nn.Conv2d(3, 8, 3, padding=1).requires_grad_(False))


def replace_model(frozen):
    frozen.model = torchconv.freeze(nn.Conv2d(3, 4, 1)).model


def edit_graph(frozen):
    output = next(n for n in frozen.model.graph.nodes if n.op == "output")
    with frozen.model.graph.inserting_before(output):
        output.args = (frozen.model.graph.call_function(torch.neg, output.args),)
    frozen.model.recompile()


def tune_anew(frozen):
    torchconv.set_workspace_limit(1 << 20)


CHANGES = [
    change_weight, replace_weight, replace_bias, replace_data, load, change_activation, replace_layer, replace_model,
    edit_graph, tune_anew,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda f: f.__name__)
def test_changes_are_seen(change):
    frozen = small()
    assert runs_as_chain(frozen)
    with torch.no_grad():
        before = frozen(X)
        change(frozen)
        for _ in range(3):
            y = frozen(X)
            assert_close(y, frozen.model(X), rtol=1e-4, atol=1e-4)
        assert change is tune_anew or not torch.equal(y, before)


def test_gradients_come_through():
    frozen, x = small(), X.clone().requires_grad_()
    assert runs_as_chain(frozen)
    frozen(x).sum().backward()
    assert x.grad.abs().max() > 0
    frozen.model.get_submodule("0").weight.requires_grad_()
    assert frozen(X).requires_grad
    with torch.no_grad():
        assert not frozen(X).requires_grad
    direct = CONV_CHAIN(
        [x, torch.ones(4, 3, 1, 1)], [0, 1, -1, -1, -1, 1, 1, 0, 0, 0, 0, 1, 1, 1], [2], ["none", "auto"]
    )
    with pytest.raises(torchconv.TorchconvError, match="conv_chain: expected to be called through a frozen model"):
        direct[0].sum().backward()


def test_hooks_see_their_layers():
    frozen, seen = small(), []
    assert runs_as_chain(frozen)
    for register in (
        frozen.model.get_submodule("0").register_forward_hook, frozen.model.register_forward_hook,
        frozen.model.get_submodule("2").register_forward_pre_hook, frozen.model.register_forward_pre_hook,
        nn.modules.module.register_module_forward_hook, frozen.register_forward_hook,
    ):  # fmt: skip
        handle = register(lambda *_: seen.append(True))
        frozen(X)
        handle.remove()
        assert seen, register
        seen.clear()
    frozen(X)
    assert not seen and runs_as_chain(frozen)


def test_modes_and_transforms_see_each_convolution():
    frozen = small()
    assert runs_as_chain(frozen)
    with torch.no_grad():
        assert_close(torch.func.vmap(frozen)(X[:, None])[:, 0], frozen(X))
        with torch.utils.flop_counter.FlopCounterMode(display=False) as counter:
            frozen(X)
        assert counter.get_total_flops() == 2 * 2 * 100 * (8 * 27 + 4 * 72)
        with torch.autocast("cpu", torch.bfloat16):
            assert frozen(X).dtype == torch.bfloat16
        assert_close(torch.compile(frozen, fullgraph=True)(X), frozen(X))
        swapped = {name: 2 * p for name, p in frozen.named_parameters()}
        assert not torch.equal(torch.func.functional_call(frozen, swapped, (X,)), frozen(X))
    with torch.inference_mode():
        inference = small()
        inference(X)
        assert_close(inference(X), inference.model(X))


def test_copies_and_pickles_have_chains_of_their_own():
    frozen = small()
    assert runs_as_chain(frozen)
    keys = list(frozen.state_dict())
    for other in (copy.deepcopy(frozen), pickle.loads(pickle.dumps(frozen))):
        assert other._chained is None and list(other.state_dict()) == keys
        assert runs_as_chain(other) and torch.equal(other(X), frozen(X))
        change_weight(other)
        assert_close(frozen(X), frozen.model(X))
        assert not torch.equal(other(X), frozen(X))
    assert not any(isinstance(m, Chain) for m in frozen.modules())


def test_shapes_come_and_go():
    frozen = small()
    with torch.no_grad():
        for H in (*range(1, 80), *range(1, 80)):
            x = torch.randn(1, 3, H, 5)
            assert_close(frozen(x), frozen.model(x))


class Two(nn.Module):
    def __init__(self, a, b, forward):
        super().__init__()
        self.a, self.b, self.step = a, b, forward

    def forward(self, x, z):
        return self.step(self, x, z)


PIXEL = torch.randn(2, 8, 1, 1)
TWICE = {
    "one channel": (
        nn.Conv2d(8, 1, 5), nn.Conv2d(1, 64, 3, padding=1), lambda m, x, z: m.b(m.a(x).relu()),
        in_last(8, 8, 5, 5), None,
    ),
    "one pixel": (
        nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1), lambda m, x, z: m.b(x) + m.a(z), PIXEL,
        torch.empty_strided((2, 8, 1, 1), (8, 1, 8, 8)).normal_(),
    ),
    "two dtypes": (
        nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1).double(), lambda m, x, z: (m.a(x), m.b(z)), torch.randn(1, 3, 5, 5),
        torch.randn(1, 3, 5, 5, dtype=torch.float64),
    ),
    "constants": (
        torchconv.nn.FusedConv(torch.randn(4, 3, 1, 1)), torchconv.nn.FusedConv(torch.randn(4, 4, 1, 1)),
        lambda m, x, z: m.b(m.a(x), None) + m.b(m.a(x), 1.0), torch.randn(1, 3, 5, 5), None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TWICE)
def test_the_second_call_gives_what_the_first_gives(name):
    a, b, step, x, z = TWICE[name]
    frozen = torchconv.freeze(Two(a, b, step))
    with torch.no_grad():
        assert_close(frozen(x, z), frozen(x, z), rtol=1e-4, atol=1e-4)


def test_forwards_on_instances_and_backward_hooks_are_seen():
    frozen, x, called = small(), X.clone().requires_grad_(), []
    assert runs_as_chain(frozen)
    conv = frozen.model.get_submodule("0")
    conv.forward = lambda x, residual=None: torch.zeros(2, 8, 10, 10)
    with torch.no_grad():
        assert_close(frozen(X), frozen.model(X))
    del conv.forward
    frozen.model.register_full_backward_hook(lambda *_: called.append(True))
    frozen(x).sum().backward()
    assert called


def test_a_frozen_model_within_another_is_traced():
    inner = torchconv.freeze(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1)))
    outer = torchconv.freeze(nn.Sequential(inner, nn.Conv2d(4, 2, 1), nn.ReLU()))
    assert outer.torchconv_report.fused == {"1": "conv + relu"} and not outer.torchconv_report.left_alone


STEP = [0, 1, 2, -1, -1, 1, 1, 0, 0, 0, 0, 1, 1, 1]
OPERANDS = [torch.randn(1, 3, 5, 5), torch.randn(3, 3, 1, 1), torch.randn(3)]


def test_operator_keeps_torchs_contract():
    second = [3, 1, -1, 0, -1, 1, 1, 0, 0, 0, 0, 1, 1, 1]
    arguments = (OPERANDS, STEP + second, [4, 3], ["relu", "auto", "none", "im2col"])
    torch.library.opcheck(CONV_CHAIN.default, arguments)
    first = ops.conv_fwd(*OPERANDS, [1, 1], [0] * 4, [1, 1], 1, "auto").relu()
    y, kept = CONV_CHAIN(*arguments)
    assert_close(kept, first)
    assert_close(y, ops.conv_fwd(first, OPERANDS[1], None, [1, 1], [0] * 4, [1, 1], 1, "auto") + OPERANDS[0])


def test_an_input_that_is_also_a_weight_later():
    x, square = torch.randn(1, 3, 5, 5), torch.randn(3, 3, 2, 1)[:, :, ::2]
    y = CONV_CHAIN(
        [x, square], [1, 1, *STEP[3:4] * 3, *STEP[5:], 0, 1, *STEP[3:4] * 3, *STEP[5:]], [2, 3], ["none", "auto"] * 2
    )
    for found, of in zip(y, (square, x), strict=True):
        assert_close(found, torch.conv2d(of, square))


def test_a_lack_of_memory_is_told_as_it_is():
    w = torch.ones(1, 1, 1, 1)
    huge = [0, 1, -1, -1, -1, 1, 1, *[2**23] * 4, 1, 1, 1]
    with pytest.raises(RuntimeError, match=r"^torchconv: memory: expected room"):
        CONV_CHAIN([w, w], huge, [2], ["none", "im2col"])


def changed(place, value):
    return [*STEP[:place], value, *STEP[place + 1 :]]


@pytest.mark.parametrize(
    ("steps", "results", "message"),
    [
        (STEP[:-1], [3], "steps: expected 14 numbers and 2 names for each step, got 13 and 2"),
        (changed(0, 3), [3], "place 0 of step 0 a value from 0 to 2, got 3"),
        (changed(0, -1), [3], "place 0 of step 0 a value from 0 to 2, got -1"),
        (changed(1, 7), [3], "place 1 of step 0"),
        (changed(3, 2), [3], "residual: expected size"),
        (changed(4, 2), [3], "pack: expected what conv_pack returned"),
        (changed(5, 0), [3], "stride: expected positive"),
        (STEP, [2], "results: expected results of steps, 3 to 3, got 2"),
        (STEP, [4], "results: expected results of steps"),
    ],
)
def test_errors(steps, results, message):
    with pytest.raises(RuntimeError, match=message):
        CONV_CHAIN(OPERANDS, steps, results, ["relu", "auto"])
    with pytest.raises(RuntimeError, match="x: expected dtype Float as x of step 0 has, got Half"):
        CONV_CHAIN([*OPERANDS, OPERANDS[0].half()], [*STEP, 3, *STEP[1:]], [4], ["none", "auto"] * 2)
    with pytest.raises(RuntimeError, match="residual: expected the memory format of x"):
        last, square = in_last(1, 3, 5, 5), torch.randn(1, 3, 5, 5)
        first = [0, 2, -1, -1, -1, *STEP[5:]]
        CONV_CHAIN([last, square, OPERANDS[1]], [1, *first[1:], 0, 2, -1, 1, -1, *STEP[5:]], [4], ["none", "auto"] * 2)


def test_strips_of_few_pixels_are_summed_as_the_whole_is():
    """Weights that are not packed are read another way where pixels are few; a strip is one row here, of 8 pixels."""
    x, wide, narrow = in_last(1, 8, 300, 8), torch.randn(9000, 8, 1, 1), torch.randn(4, 9000, 1, 1)
    geometry = [1, 1, 0, 0, 0, 0, 1, 1, 1]
    steps = [0, 1, -1, -1, -1, *geometry, 3, 2, -1, -1, -1, *geometry]
    (y,) = CONV_CHAIN([x, wide, narrow], steps, [4], ["relu", "im2col", "none", "im2col"])
    between = torchconv.conv2d(x, wide, algo="im2col").relu()
    assert torch.equal(y, torchconv.conv2d(between, narrow, algo="im2col"))


class Classifier(nn.Module):
    def __init__(self, flatten, pool=None):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 24, 3, 2), nn.ReLU(), Inverted(24, 48))
        self.pool, self.flatten, self.layer = pool, flatten, nn.Linear(24, 10)

    def forward(self, images):
        x = self.body(images)
        x = nn.functional.adaptive_avg_pool2d(x, (1, 1)) if self.pool is None else self.pool(x)
        return self.layer(x.view(images.size(0), -1) if self.flatten is None else self.flatten(x))


FLATTEN = {
    "flatten": lambda x: torch.flatten(x, 1), "method": lambda x: x.flatten(1), "module": nn.Flatten(),
    "view": None,
}  # fmt: skip


def head_of(frozen):
    return next(m for m in frozen._chained.model.modules() if isinstance(m, Chain)).head


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("flatten", FLATTEN)
@pytest.mark.parametrize("pool", [None, nn.AdaptiveAvgPool2d(1)], ids=["function", "pool"])
@pytest.mark.parametrize("images", [1, 3])
def test_a_classifier_is_part_of_the_chain(dtype, flatten, pool, images):
    model, x = Classifier(FLATTEN[flatten], pool).to(dtype), in_last(images, 3, 17, 23, dtype=dtype)
    frozen = check(model, x)
    assert head_of(frozen) is not None
    tolerance = 2e-2 if dtype.itemsize == 2 else 1e-5
    with torch.no_grad():
        assert_close(frozen(x), model.eval()(x), rtol=tolerance, atol=tolerance)
        frozen.model.layer.weight.mul_(2)
        frozen.model.layer.bias.mul_(2)
        for _ in range(3):
            assert_close(frozen(x), one_by_one(frozen, x), rtol=0, atol=0)


@pytest.mark.parametrize("part", ["pool", "flatten", "layer"])
def test_hooks_in_a_classifier_are_called(part):
    frozen, x = torchconv.freeze(Classifier(nn.Flatten(), nn.AdaptiveAvgPool2d(1))), in_last(1, 3, 17, 23)
    seen = []
    with torch.no_grad():
        frozen(x), frozen(x)
        handle = getattr(frozen.model, part).register_forward_hook(lambda *_: seen.append(part))
        frozen(x)
        handle.remove()
        frozen(x)
    assert seen == [part]


def test_a_mean_of_more_than_one_pixel_is_no_part_of_the_chain():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)
    )
    assert head_of(check(model, in_last(1, 3, 12, 12))) is None


@pytest.mark.parametrize("part", ["pool", "flatten", "layer"])
def test_a_forward_that_is_put_on_a_classifier_is_called(part):
    frozen, x = torchconv.freeze(Classifier(nn.Flatten(), nn.AdaptiveAvgPool2d(1))), in_last(1, 3, 17, 23)
    with torch.no_grad():
        y = [frozen(x) for _ in range(3)][-1]
        module = getattr(frozen.model, part)
        forward = module.forward
        module.forward = lambda x: 2 * forward(x)
        assert not torch.equal(frozen(x), y)
        assert torch.equal(frozen(x), one_by_one(frozen, x))


def test_a_pool_that_is_changed_later_is_taken_as_it_is():
    frozen, x = torchconv.freeze(Classifier(nn.Flatten(), nn.AdaptiveAvgPool2d(1))), in_last(1, 3, 17, 23)
    with torch.no_grad():
        frozen(x), frozen(x)
        frozen.model.pool.output_size = 2
        with pytest.raises(torchconv.TorchconvError, match="24"):
            frozen(x)


def test_attributes_of_a_layer_may_change():
    frozen, x = torchconv.freeze(Classifier(nn.Flatten())), in_last(1, 3, 17, 23)
    with torch.no_grad():
        frozen(x), frozen(x)
        for changed in ("relu", "none"):
            frozen.model.layer.activation = changed
            for _ in range(3):
                assert torch.equal(frozen(x), one_by_one(frozen, x))
        assert frozen.eval() is frozen
        assert ranges(lambda: frozen(x)).count("conv_chain") == 1  # at once: eval() changes nothing
