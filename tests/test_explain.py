"""explain, set_precision and precision."""

import fractions
import json
import math
import threading

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import torchconv
from torchconv import _C


@pytest.fixture(autouse=True)
def former_precision():
    """Whatever a test sets, the next one finds the level as it was."""
    with torchconv.precision("balanced"):
        yield


def chosen(explanation, name="fwd"):
    return [row["algo"] for row in explanation.rows if row["pass"] == name and row["chosen"]]


def test_every_row_of_the_registry_is_explained():
    explanation = torchconv.explain((2, 8, 10, 10), (8, 8, 3, 3))
    rows = [(row["algo"], row["pass"]) for row in explanation.rows]
    registry = [(algo, name) for algo, name, device in torchconv._C.rows() if device == "cpu"]
    assert sorted(rows) == sorted(registry)
    for name in ("fwd", "grad_input", "grad_weight"):
        assert len(chosen(explanation, name)) == 1


def test_each_row_has_figures_or_a_reason():
    for row in torchconv.explain((2, 8, 10, 10), (8, 8, 3, 3)).rows:
        assert row["chosen"] == (row["reason"] == "")
        if row["supported"]:
            assert row["seconds"] > 0 and row["error"] > 0 and row["workspace"] >= 0
        else:
            assert row["seconds"] is row["error"] is row["workspace"] is None


def test_tensors_and_sizes_say_the_same():
    x, w = torch.zeros(2, 4, 9, 9, dtype=torch.float64), torch.zeros(6, 2, 3, 3, dtype=torch.float64)
    arguments = {"stride": (2, 1), "padding": "same", "dilation": 2, "groups": 2}
    by_tensor = torchconv.explain(x, w, **arguments)
    assert torchconv.explain(tuple(x.shape), w, **arguments) == by_tensor
    assert torchconv.explain(x, list(w.shape), **arguments) == by_tensor
    assert torchconv.explain(x[0], w, **arguments).problem["x"] == [1, 4, 9, 9]
    assert by_tensor.problem["dtype"] == "float64"
    assert by_tensor.problem["padding"] == [2, 2, 2, 2]


def im2col_workspace(name, x, w, **arguments):
    rows = torchconv.explain(x, w, algo="im2col", **arguments).rows
    [workspace] = [row["workspace"] for row in rows if row["pass"] == name and row["algo"] == "im2col"]
    return workspace


@pytest.mark.parametrize("channels", [64, 512, 1024, 2048])  # the last two: rows a multiple of 4 KiB apart
@pytest.mark.parametrize("name", ["fwd", "grad_input"])
def test_a_pointwise_layer_in_channels_last_packs_nothing_of_its_input(channels, name):
    C, K = (channels, 64) if name == "fwd" else (64, channels)
    x, w = (torch.zeros(s).contiguous(memory_format=torch.channels_last) for s in ((8, C, 14, 14), (K, C, 1, 1)))
    weights, sums = 64 * channels, 112 * 64  # of a task of at most 112 pixels and all 64 outputs
    workspace = im2col_workspace(name, x, w)
    assert workspace <= 4 * (weights + torch.get_num_threads() * sums)
    assert im2col_workspace(name, x, w, padding=1) > workspace  # the same, but packed


def test_the_weight_gradient_of_a_pointwise_layer_packs_nothing_of_x_in_nchw():
    x, w = torch.zeros(8, 512, 28, 28), torch.zeros(64, 512, 1, 1)
    block, sums = 64 * 512, 64 * 512  # of grad_y, turned, and of the result
    workspace = im2col_workspace("grad_weight", x, w)
    assert workspace <= 4 * torch.get_num_threads() * (block + sums)
    assert im2col_workspace("grad_weight", x, w, padding=1) > workspace


def test_the_layout_is_that_of_x():
    x = torch.zeros(2, 4, 9, 9)
    assert torchconv.explain(x, (4, 4, 3, 3)).problem["layout"] == "nchw"
    x = x.contiguous(memory_format=torch.channels_last)
    assert torchconv.explain(x, (4, 4, 3, 3)).problem["layout"] == "nhwc"


def test_one_dimension():
    assert torchconv.explain((2, 4, 9), (4, 4, 3), padding=((2, 0),)).problem["padding"] == [2, 0]


def test_three_dimensions():
    x, w = torch.zeros(2, 4, 5, 9, 9).to(memory_format=torch.channels_last_3d), (6, 4, 3, 3, 3)
    problem = torchconv.explain(x, w, padding=((2, 0), 1, (0, 1))).problem
    assert (problem["padding"], problem["layout"]) == ([2, 0, 1, 1, 0, 1], "nhwc")
    assert torchconv.explain(x.contiguous(), w).problem["layout"] == "nchw"
    assert chosen(torchconv.explain((2, 32, 5, 9, 9), (32, 32, 3, 3, 3))) == ["im2col"]


def test_the_algorithm_asked_for_is_the_one_chosen():
    explanation = torchconv.explain((2, 4, 9, 9), (4, 4, 3, 3), algo="reference")
    assert chosen(explanation) == ["reference"]
    others = [row for row in explanation.rows if row["supported"] and row["algo"] != "reference"]
    assert others and all("algo='reference'" in row["reason"] for row in others)


def test_table_and_dict():
    explanation = torchconv.explain((2, 4, 9, 9), (4, 4, 3, 3))
    text = str(explanation)
    for word in ("reference", "grad_weight", "chosen", "x [2, 4, 9, 9]", "threads"):
        assert word in text
    assert json.loads(json.dumps(explanation.as_dict())) == explanation.as_dict()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"stride": 0}, "^stride: expected positive numbers, got"),
        ({"x": (1, 3, 8, 8)}, "^w: expected size 3 in dimension 1"),
        ({"x": "image"}, "^x: expected a tensor or a size, got 'image'"),
        ({"w": (4, 4)}, r"^w: expected 3, 4 or 5 dimensions, got size \[4, 4\]"),
        ({"w": (4, 4, 1, 1, 3, 3)}, r"^w: expected 3, 4 or 5 dimensions, got size \[4, 4, 1, 1, 3, 3\]"),
        ({"w": (4, 4, 1, 3, 3)}, r"^w: expected size 1 in dimension 1"),
        (
            {"x": torch.zeros(1, 4, 8, 8, dtype=torch.int32)},
            "^x: expected dtype float32, .*, got Int",
        ),
        ({"algo": "magic"}, "^algo: expected one of"),
        ({"algo": 3}, "^algo: expected a string, got 3"),
        ({"stride": 2**70}, r"^stride: expected numbers up to 2\^40, got"),
        ({"padding": 2**70}, r"^padding: expected numbers up to 2\^40, got"),
        ({"dilation": (1, 2**70)}, r"^dilation: expected numbers up to 2\^40, got"),
        ({"groups": 2**70}, r"^groups: expected numbers up to 2\^40, got"),
        (
            {"x": torch.zeros(1, 4, 8, 8), "w": torch.zeros(4, 4, 3, 3, dtype=torch.float64)},
            "^w: expected dtype Float as x has, got Double",
        ),
        ({"bias": torch.zeros(4).half()}, "^bias: expected dtype Float as x has, got Half"),
        (
            {"x": torch.zeros(1, 4, 8, 8), "w": torch.zeros(4, 4, 3, 3, device="meta")},
            "^w: expected to be on cpu as x is, got meta",
        ),
        ({"bias": torch.zeros(5)}, r"^bias: expected size \[4\], one entry per output channel, got \[5\]"),
        ({"bias": 1}, "^bias: expected a torch.Tensor, got int"),
        (
            {"x": torch.zeros(1, 4, 8, 8).to_sparse()},
            "^x: expected a dense tensor on cpu or cuda",
        ),
    ],
    ids=str,
)
def test_errors(arguments, message):
    with pytest.raises(torchconv.TorchconvError, match=message):
        torchconv.explain(**{"x": (1, 4, 8, 8), "w": (4, 4, 3, 3), **arguments})


def algo_of_a_call():
    return torchconv.explain((1, 1, 3, 3), (1, 1, 3, 3)).problem["algo"]


def test_precision_nests_and_comes_back():
    torchconv.set_precision("exact")
    with torchconv.precision("direct"):
        assert algo_of_a_call() == "auto:direct"
        with torchconv.precision(1e-4):
            assert algo_of_a_call() == "auto:0.0001"
        assert algo_of_a_call() == "auto:direct"
    assert algo_of_a_call() == "auto:exact"
    with pytest.raises(KeyError), torchconv.precision("direct"):
        raise KeyError
    assert algo_of_a_call() == "auto:exact"


def test_precision_holds_in_every_thread_and_not_for_an_algorithm_by_name():
    seen = []
    with torchconv.precision("direct"):
        thread = threading.Thread(target=lambda: seen.append(algo_of_a_call()))
        thread.start()
        thread.join()
        seen.append(torchconv.explain((1, 1, 3), (1, 1, 3), algo="reference").problem["algo"])
    assert seen == ["auto:direct", "reference"]


@pytest.mark.parametrize("level", [0.5, np.float32(0.5), np.float64(0.5), fractions.Fraction(1, 2)])
def test_any_real_number_is_a_level(level):
    with torchconv.precision(level):
        assert algo_of_a_call() == "auto:0.5"
    with torchconv.precision(np.int64(1)):
        assert algo_of_a_call() == "auto:1.0"


@pytest.mark.parametrize("level", ["best", 0, -1e-3, None, True, float("nan")])
def test_bad_levels(level):
    with pytest.raises(
        torchconv.TorchconvError, match=r"^level: expected one of direct, exact, balanced, or a positive"
    ):
        torchconv.set_precision(level)
    with pytest.raises(torchconv.TorchconvError, match=r"^level: "), torchconv.precision(level):
        pass


class AlgoRecorder(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.namespace == "torchconv":
            self.seen.append((func.__name__, args[-1]))
        return func(*args, **(kwargs or {}))


def test_backward_keeps_the_level_of_its_forward():
    x, w = torch.ones(1, 1, 3, 3, requires_grad=True), torch.ones(1, 1, 3, 3)
    with AlgoRecorder() as recorder:
        with torchconv.precision(1e-3):
            y = torchconv.conv2d(x, w)
        torchconv.set_precision("direct")
        y.sum().backward()
    assert recorder.seen == [("conv_fwd.default", "auto:0.001"), ("conv_grad_input.default", "auto:0.001")]


def test_compile_notices_a_change():
    algos = []

    def backend(graph, inputs):
        algos.extend(arg for node in graph.graph.nodes for arg in node.args if str(arg).startswith("auto"))
        return graph

    compiled = torch.compile(torchconv.conv2d, backend=backend, fullgraph=True)
    x, w = torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3)
    for level in ("balanced", "exact", "exact", 0.5):
        with torchconv.precision(level):
            compiled(x, w)
    assert algos == ["auto", "auto:exact", "auto:0.5"]


def test_precision_inside_compiled_code():
    def f(x, w):
        with torchconv.precision("direct"):
            y = torchconv.conv2d(x, w)
        with torchconv.precision(0.5):
            y = y + torchconv.conv2d(x, w)
        return y, torchconv.conv2d(x, w)

    algos = []

    def backend(graph, inputs):
        algos.extend(arg for node in graph.graph.nodes for arg in node.args if str(arg).startswith("auto"))
        return graph

    torch.compile(f, backend=backend, fullgraph=True)(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3))
    assert algos == ["auto:direct", "auto:0.5", "auto"]
    assert algo_of_a_call() == "auto"


def test_depthwise_layers_take_the_depthwise_rows():
    x, w = (2, 32, 9, 9), (32, 1, 3, 3)
    assert chosen(torchconv.explain(x, w, padding=1, groups=32)) == ["depthwise"]
    dense = torchconv.explain((2, 32, 9, 9), (32, 4, 3, 3), groups=8).rows
    reasons = [row["reason"] for row in dense if row["algo"] == "depthwise"]
    assert reasons and all("4 channels per group; depthwise means 1" in reason for reason in reasons)


def test_groups_of_few_channels_take_the_grouped_rows():
    x = torch.empty(2, 128, 28, 28).contiguous(memory_format=torch.channels_last)
    explanation = torchconv.explain(x, (128, 4, 3, 3), padding=1, groups=32)
    assert all(chosen(explanation, name) == ["grouped"] for name in ("fwd", "grad_input", "grad_weight"))
    wide = torchconv.explain((1, 96, 9, 9), (96, 48, 3, 3), groups=2).rows
    reasons = [row["reason"] for row in wide if row["algo"] == "grouped"]
    assert reasons and all("48 channels and 48 outputs; it takes 2 to 32 of both" in reason for reason in reasons)
    long = torchconv.explain((1, 8, 1, 300_000), (8, 4, 1, 3), groups=2).rows
    reasons = [row["reason"] for row in long if row["algo"] == "grouped"]
    assert reasons and all("MiB; it takes at most 8" in reason for reason in reasons)


def test_predictions_know_the_machines_speed():
    for isa in ("baseline", "avx2", "avx512"):
        speed = _C.relative_speed(isa)
        steps = 4 * math.log2(speed)
        assert steps == pytest.approx(round(steps)) and abs(steps) <= 12
        assert speed == _C.relative_speed(isa)
