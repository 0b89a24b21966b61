"""The benchmarks themselves: that they measure what they say and that the bars can be judged. No speed is tested."""

import dataclasses
import json
import math
import random
import re
import shlex
import subprocess
import sys
import time
import tomllib
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torchvision
from pages import read_report
from torch.utils.flop_counter import FlopCounterMode

import torchconv
from torchconv.bench.layers import layers_from

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
sys.path[:0] = [str(BENCHMARKS), str(BENCHMARKS.parent / "tools")]

import algorithms  # noqa: E402
import bars  # noqa: E402
import bounds  # noqa: E402
import conv  # noqa: E402
import errors  # noqa: E402
import harness  # noqa: E402
import networks  # noqa: E402
import peers  # noqa: E402
import planner  # noqa: E402
import suite  # noqa: E402
import write_shapes  # noqa: E402

SETTINGS = tomllib.loads((BENCHMARKS / "bars.toml").read_text())


def benchmark(*arguments: str) -> str:
    command = [sys.executable, str(BENCHMARKS / arguments[0]), *arguments[1:]]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("bar", SETTINGS["bars"], ids=lambda bar: bar["name"])
def test_bar_is_well_formed(bar):
    assert set(bar) <= {"name", "what", "run", "figure", "detail", "environment", "needs", "at_least", "at_most"}
    assert ("at_least" in bar) != ("at_most" in bar)
    assert (BENCHMARKS / shlex.split(bar["run"])[0]).exists()
    assert bar.get("environment", "avx2") in SETTINGS["environments"]
    assert bar.get("needs", "baseline") in bars.ISAS


def test_bars_have_names_of_their_own():
    names = [bar["name"] for bar in SETTINGS["bars"]]
    assert len(set(names)) == len(names)
    listing = benchmark("bars.py", "--list")
    assert all(name in listing for name in names)


def test_verdicts():
    at_least, at_most = {"figure": "x", "at_least": 2}, {"figure": "x", "at_most": 2}
    assert bars.verdict(at_least, {"x": 2.0})["passed"] and not bars.verdict(at_least, {"x": 1.99})["passed"]
    assert bars.verdict(at_most, {"x": 2.0})["passed"] and not bars.verdict(at_most, {"x": 2.01})["passed"]
    assert not bars.verdict(at_most, {"x": float("nan")})["passed"]
    failed = bars.verdict(at_least, {"failed": "conv.py ended with 1"})
    assert not failed["passed"] and failed["detail"] == "conv.py ended with 1"


def test_no_verdict_from_interrupted_samples():
    bar = {"name": "n", "what": "w", "figure": "x", "at_least": 2}
    verdict = bars.verdict(bar, {"x": 3.0, "clean_samples": {"x": 0, "y": 9}})
    assert verdict["passed"] is False and verdict["figure"] is None and "not measured" in verdict["detail"]
    measured = bars.verdict(bar, {"x": 3.0, "clean_samples": {"x": 7, "y": 0}})
    assert measured["passed"] and measured["clean"] == 7
    columns = {column.header: list(column.cells) for column in bars.table([bar | verdict, bar | measured]).columns}
    assert columns["clean samples"] == ["0", "7"] and columns["figure"] == ["", "3"]


ERRORS = {"error": 1e-6, "torchs_error": 4e-6}


def test_summary_counts_the_clean_samples_of_each_figure():
    rows = [
        {
            "layer": layer,
            "pass": pass_,
            "ratio": 2.0,
            "ratio_nchw": 3.0,
            "error": 1e-6,
            "torchs_error": 4e-6,
            "clean_samples": clean,
        }
        for layer, clean in (("1x1_a", 9), ("stem_b", 4))
        for pass_ in conv.PASSES
    ]
    rows[-1] |= {"ratio": 1.0, "clean_samples": 0}  # the stem's backward
    figures = conv.summary(rows)
    assert figures["clean_samples"] == {
        "geomean": 4, "worst": 4, "fwd_geomean": 4, "grad_input_geomean": 4, "grad_weight_geomean": 4,
        "backward_geomean": 0, "pointwise_nchw_geomean": 9, "stem_backward": 0, "slower_percent": 4, "much_slower": 4,
    }  # fmt: skip
    assert figures["worst"] == 2.0 and figures["stem_backward"] == pytest.approx(1.0)
    assert figures["pointwise_nchw_geomean"] == pytest.approx(3.0)


def test_summary_counts_slower_layers():
    ratios = {"fwd": (0.79, 5), "grad_input": (0.94, 5), "grad_weight": (0.96, 5), "backward": (0.5, 5)}
    rows = [
        {
            "layer": layer,
            "pass": pass_,
            "ratio": ratio,
            "ratio_nchw": 1.0,
            "error": error,
            "torchs_error": 4e-6,
            "clean_samples": clean,
        }
        for layer, error in (("a", 1e-6), ("b", 2e-6))
        for pass_, (ratio, clean) in ratios.items()
    ]
    rows[0]["clean_samples"] = 0
    figures = conv.summary(rows)
    assert figures["slower_percent"] == 60 and figures["much_slower"] == 1
    assert figures["largest_error"] == 2e-6 and figures["error_over_torchs"] == 0.5
    assert figures["clean_samples"]["slower_percent"] == 5


@pytest.mark.parametrize("name", write_shapes.NETWORKS)
def test_shapes_are_the_networks_own(name):
    assert (BENCHMARKS / "shapes" / f"{name}.txt").read_text() == write_shapes.text_of(write_shapes.NETWORKS[name])


def test_shapes_have_the_counts_that_papers_tell():
    """Multiply-adds of one image, and weights, in millions; without those of nn.Linear."""
    multiply_adds = {
        "resnet50": 4087,
        "vgg16": 15347,
        "mobilenet_v2": 300,
        "resnext50_32x4d": 4228,
        "replknet31b": 15300,
    }
    for name, told in multiply_adds.items():
        assert sum(s.count * s.flop for s in harness.read_shapes(name, batch=1)) / 2e6 == pytest.approx(told, rel=0.02)
    weights = {"unet": 31.03, "dcgan": 6.339}
    for name, told in weights.items():
        counted = sum(s.count * torch.Size(s.w_size).numel() for s in harness.read_shapes(name))
        assert counted / 1e6 == pytest.approx(told, rel=0.001)


def depthwise_layers(build) -> Counter:
    """(C, H, W, kernel size, stride, padding) of a network's depthwise layers on 224 x 224 images."""
    found: Counter = Counter()

    def count(module, inputs, _):
        found[(*inputs[0].shape[1:], module.kernel_size[0], module.stride[0], module.padding[0])] += 1

    with torch.device("meta"):
        model = build().eval()
        for module in model.modules():
            if isinstance(module, torch.nn.Conv2d) and module.groups == module.in_channels == module.out_channels > 1:
                module.register_forward_hook(count)
        model(torch.empty(1, 3, 224, 224))
    return found


def test_depthwise_shapes_are_the_networks_own():
    networks = {3: "mobilenet_v2", 5: "efficientnet_b0", 7: "convnext_tiny"}
    found = {size: depthwise_layers(getattr(torchvision.models, name)) for size, name in networks.items()}
    expected = {key: times for size, layers in found.items() for key, times in layers.items() if key[3] == size}
    shapes = harness.read_shapes("depthwise")
    assert all(s.C == s.K == s.groups and s.R == s.S and s.dil == 1 for s in shapes)
    listed = {(s.C, s.H, s.W, s.R, s.stride, s.pad): s.count for s in shapes if s.R in networks}
    assert listed == expected


def test_measure_takes_the_median_of_each_call():
    timings = harness.measure({"slow": lambda: time.sleep(0.02), "fast": lambda: time.sleep(0.001)}, samples=3, limit=5)
    assert timings["slow"].seconds >= 0.02 > timings["fast"].seconds >= 0.001
    assert all(timing.clean >= 3 or timing.interrupted for timing in timings.values())


SMALL_SHAPES = [
    harness.Shape("strided", 2, 3, 9, 8, 4, 3, 3, 2, 1, 1, 1, 1),
    harness.Shape("rectangular", 2, 4, 9, 8, 6, 5, 3, (2, 1), (2, 0), (1, 2), 2, 1),
    harness.Shape("transposed", 2, 6, 5, 4, 4, 4, 3, (2, 1), (1, 0), (1, 2), 2, 1, transposed=True),
]


@pytest.mark.parametrize("s", SMALL_SHAPES, ids=lambda s: s.name)
def test_rivals_compute_the_same(s):
    """Both sides of every comparison, in every pass."""
    x, w, grad_y = (torch.randn(size) for size in (s.x_size, s.w_size, s.y_size))
    for pass_ in conv.PASSES:
        ours, torchs = conv.ours(pass_, s, "auto", x, w, grad_y)(), conv.torchs(pass_, s, x, w, grad_y)()
        ours = ours if isinstance(ours, tuple) else (ours,)
        torchs = torchs if isinstance(torchs, tuple) else (torchs,)
        torch.testing.assert_close(ours, tuple(t for t in torchs if t is not None))
        if pass_ in conv.SINGLE:
            assert conv.error(pass_, s, "auto", torch.float32) < 1e-5


@pytest.mark.parametrize("s", SMALL_SHAPES, ids=lambda s: s.name)
def test_layers_of_shapes_are_of_torch(s):
    (layer,) = layers_from([s])
    assert list(layer.conv(layer.x).shape) == s.y_size and list(layer.conv.weight.shape) == s.w_size
    with FlopCounterMode(display=False) as counted:
        layer.conv(layer.x)
    assert counted.get_total_flops() == s.flop


def test_every_kind_of_layer_is_in_the_files():
    shapes = [s for name in write_shapes.NETWORKS for s in harness.read_shapes(name)]
    assert {(s.R, s.S) for s in shapes} >= {(51, 5), (5, 51), (31, 31), (7, 7), (4, 4), (2, 2), (1, 1)}
    assert any(s.transposed for s in shapes) and any(s.dil == 36 for s in shapes)
    assert any(1 < s.groups < s.C for s in shapes) and any(s.groups == s.C > 1 for s in shapes)


def test_one_file_with_every_kind_runs(tmp_path, monkeypatch):
    lines = [
        "a 1 4 9 8 6 5 3 2x1 2x0 1x2 2 1",
        "b 1 6 5 4 4 4 3 2x1 1x0 1x2 2 1 transposed",
        "c 1 4 9 8 4 3 3 1 2 2 4 1",
    ]
    (tmp_path / "kinds.txt").write_text("\n".join(lines))
    figures = json.loads(benchmark("conv.py", "--shapes", str(tmp_path / "kinds"), "--samples", "1", "--limit", "0"))
    assert [row["layer"] for row in figures["layers"]] == [name for name in "abc" for _ in conv.PASSES]
    assert max(row["error"] for row in figures["layers"] if row["error"] is not None) < 1e-5


def test_inference_is_forward_of_one_image():
    arguments = "--shapes dcgan --only at_4_s2 --inference --samples 1 --limit 0"
    (row,) = json.loads(benchmark("conv.py", *shlex.split(arguments)))["layers"]
    assert (row["layer"], row["pass"]) == ("up4x4_512_to_256_at_4_s2", "fwd")


def test_random_layers_are_realistic_and_come_again_with_their_seed():
    layers = [planner.drawn(random.Random(seed)) for seed in range(300)]
    assert layers[7] == planner.drawn(random.Random(7)) and len(set(layers)) > 250
    assert {s.name for s in layers} == {kind.replace(" ", "_") for kind in planner.KINDS}
    assert {s.stride for s in layers} == {1, 2, 4} and {s.dil for s in layers} == {1, 2, 4}
    assert (
        any(1 < s.groups < s.C for s in layers)
        and any(s.groups == s.C for s in layers)
        and any(s.R != s.S for s in layers)
    )
    assert all(math.prod(s.x_size) <= planner.LARGEST_TENSOR and min(s.y_size) > 0 for s in layers)


def test_lines_of_shapes_are_read_back(tmp_path):
    shapes = [*SMALL_SHAPES, planner.drawn(random.Random(1))]
    (tmp_path / "lines.txt").write_text("\n".join(s.line for s in shapes))
    assert harness.read_shapes(str(tmp_path / "lines")) == shapes


def test_planner_compares_the_rows_that_auto_may_take():
    rows = torchconv.explain((8, 512, 28, 28), (512, 512, 3, 3), padding=1, algo="auto:direct").rows
    assert all(row["allowed"] for row in rows if row["chosen"] or row["reason"].startswith("slower"))
    assert not any(row["allowed"] for row in rows if "directly" in row["reason"])
    assert any("directly" in row["reason"] for row in rows)


def test_planner_joins_runs(tmp_path):
    case = {
        "shape": "a", "layout": "nchw", "pass": "fwd", "pick": "im2col", "best": "fft", "ratio": 2.0,
        "seconds": {"im2col": 2.0, "fft": 1.0}, "predicted": {"im2col": 1.0, "fft": 1.0}, "clean_samples": 1,
    }  # fmt: skip
    for seed in (2, 3):
        (tmp_path / f"{seed}").write_text(json.dumps({"seed": seed, "all": [case]}))
    joined = json.loads(benchmark("planner.py", "--join", str(tmp_path / "2"), str(tmp_path / "3")))
    assert (joined["seed"], joined["cases"], joined["misses"]) == ([2, 3], 2, [case, case])


def test_planner_counts_hits_and_leaves_out_what_was_interrupted():
    def case(ratio, predicted, clean):
        seconds = {"picked": ratio, "best": 1.0}
        return {
            "pass": "fwd", "pick": "picked", "best": "best", "ratio": ratio, "seconds": seconds,
            "predicted": {"picked": predicted * ratio, "best": 1.0}, "clean_samples": clean,
        }  # fmt: skip

    cases = [case(1.05, 1.0, 5), case(1.2, 0.6, 4), case(1.3, 0.4, 3), case(1.05, 2.1, 6), case(9.0, 9.0, 0)]
    cases += [{**c, "pass": pass_} for pass_ in ("grad_input", "grad_weight") for c in cases]
    figures = planner.summary(cases)
    assert (figures["within_10_percent"], figures["within_25_percent"]) == (50, 75)
    assert (figures["predicted_within_2x"], figures["predicted_within_2x_all_rows"]) == (50, 75)
    assert (figures["cases"], figures["interrupted_cases"]) == (12, 3)
    assert figures["clean_samples"]["within_10_percent"] == 3
    assert "grad_input_within_10_percent" not in planner.summary(cases[:5])  # none of its cases was clean
    busy = planner.summary([case(1.2, 1.0, 0)])
    assert busy["clean_samples"]["within_25_percent"] == 0 and busy["within_25_percent"] == 100


def test_operations_of_a_tile_are_those_that_lavin_counts():
    """Lavin and Gray 2016, section 4.1: F(2x2, 3x3) takes 32 for data, 28 for a filter and 24 for a result."""
    axis = bounds.Side(2, 3, 8)
    assert [bounds.operations(axis, axis, kind) for kind in ("data", "weights", "result")] == [32, 28, 24]
    assert bounds.operations(bounds.Side(0, 3, 8), bounds.Side(0, 3, 8), "data") == 0


@pytest.mark.parametrize("s", [*SMALL_SHAPES, harness.Shape("pointwise", 2, 3, 9, 8, 4, 1, 1, 1, 0, 1, 1, 1)])
@pytest.mark.parametrize("pass_", conv.SINGLE)
def test_a_bound_is_at_most_that_of_direct_sums(s, pass_):
    machine = bounds.Machine(1e9, 1e9)
    seconds, by = bounds.bound(s, pass_, machine, False)
    assert 0 < seconds <= s.flop / 2e9 and (by == "direct" or s.R * s.S > 1)
    cold, by = bounds.bound(s, pass_, bounds.Machine(1e9, 1e3), True)
    assert cold > 3.999e-3 * (math.prod(s.x_size) + math.prod(s.y_size) + math.prod(s.w_size)) and "memory" in by


# Each benchmark at a size that takes seconds.
SMALL = {
    "bounds.py": "--only stem --batch 1 --samples 1 --limit 0 --pass fwd",
    "errors.py": "--layers 1 --seed 2",
    "scaling.py": "--batches 1 2 --samples 1 --limit 0 --threads 1",
    "fused.py": "--shapes depthwise --only at_7 --batch 1 --samples 1 --limit 1",
    "frozen.py": "--model squeezenet1_1 --size 32 --samples 1 --limit 1",
    "conv.py": "--only stem --batch 1 --samples 1 --limit 1",
    "gemm.py": "--size 64 --samples 1",
    "memory.py": "--channels 2 --size 64",
    "networks.py": "--network squeezenet1_1 --size 64 --samples 1 --limit 1 --peers torch",
    "overhead.py": "--samples 1 --shapes 1",
    "peers.py": "--shapes dcgan --only at_4_s2 --samples 1 --limit 0 --peers torch",
    "planner.py": "--layers 1 --samples 1 --limit 0 --seed 2",
    "pool.py": "--only _14 --samples 1 --limit 1",
    "suite.py": "--quick",
}


OTHER_SHAPES = re.compile(r"--shapes (depthwise|large_kernels|dense3x3|grouped|phases|peers)\b")


def test_bounds_of_frozen_layers_are_measured():
    report = json.loads(benchmark("bounds.py", *shlex.split(SMALL["bounds.py"]), "--frozen"))
    assert [(row["layer"], row["pass"]) for row in report["layers"]] == [("stem_7x7_s2", "fwd")]
    assert report["bound"] > 0 and report["percent"] > 0 and report["memory_gb_per_second"] > 0


@pytest.mark.parametrize("script", {shlex.split(bar["run"])[0]: None for bar in SETTINGS["bars"]})
def test_benchmark_gives_the_figures_that_bars_name(script):
    figures = json.loads(benchmark(script, *shlex.split(SMALL[script])))
    runs = [bar for bar in SETTINGS["bars"] if bar["run"].startswith(script) and not OTHER_SHAPES.search(bar["run"])]
    named = {bar["figure"] for bar in runs} | {bar["detail"] for bar in runs if "detail" in bar}
    assert named - set(figures) <= {"pointwise_nchw_geomean"}  # the stem is no 1x1 layer
    untimed = {"best_rival", "largest_error", "error_over_torchs", "most", "least"}
    untimed |= {"workspace_mib_per_thread", "beyond_operands_mib_per_thread"} | {n for n in named if n.endswith("_is")}
    timed = named & set(figures) - untimed
    assert timed <= set(figures.get("clean_samples", {}))
    if script == "conv.py":
        assert figures["workspace_mib_per_thread"] > 0 and 0 < figures["worst"] <= figures["geomean"]


def test_depthwise_shapes_give_the_figures_that_bars_name():
    arguments = "--shapes depthwise --algo depthwise --only at_7 --batch 1 --samples 1 --limit 1"
    figures = json.loads(benchmark("conv.py", *shlex.split(arguments)))
    named = {bar["figure"] for bar in SETTINGS["bars"] if "--shapes depthwise" in bar["run"]}
    assert len(named) == 6 and named <= set(figures) and named <= set(figures["clean_samples"])


def test_grouped_shapes_are_the_networks_own_and_give_the_figures_that_bars_name():
    shapes = harness.read_shapes("grouped")
    assert all(s.name.startswith(f"g{s.C // s.groups}_") for s in shapes)
    network = harness.read_shapes("resnext50_32x4d")
    resnext = {(*s.x_size, *s.w_size, s.stride): s.count for s in network if s.groups > 1}
    listed = {(*s.x_size, *s.w_size, s.stride): s.count for s in shapes if s.groups == 32}
    assert listed.items() <= resnext.items() and len(listed) == 5
    kinds = {s.name.split("_")[0] for s in shapes}
    named = {bar["figure"] for bar in SETTINGS["bars"] if "--shapes grouped" in bar["run"]}
    assert kinds <= set(conv.KINDS) and named <= {f"{kind}_{pass_}" for kind in kinds for pass_ in ("fwd", "backward")}


def test_peers_give_a_figure_for_each_and_say_which_are_missing():
    figures = json.loads(benchmark("peers.py", *shlex.split(SMALL["peers.py"])))
    assert figures["torch"] > 0 and figures["not_installed"] == []
    kinds = ("", "up4x4_", "strided4x4_", "others_")
    named = {f"{kind}{rival}" for kind in kinds for rival in ("torch", "best_peer")} | {"worst"}
    untimed = {"clean_samples", "not_installed", "layers", "machine", "worst_is"}
    assert set(figures) - untimed == set(figures["clean_samples"]) <= named
    (layer,) = figures["layers"]
    assert set(layer["seconds"]) == {"torch", "torchconv"} and max(layer["errors"].values()) < 1e-5


def test_kinds_of_layers_have_figures_of_their_own():
    shapes = harness.read_shapes("peers")
    rows = [
        {"layer": s.name, "H": s.H, "ratio": {"onnxruntime": ratio, "ncnn": 3.0}, "clean_samples": 5}
        for s, ratio in zip(shapes, [2.0] * 10 + [4.0] * len(shapes), strict=False)
    ]
    figures = peers.summary(rows, ["onnxruntime", "ncnn"])
    named = {bar["figure"] for bar in SETTINGS["bars"] if bar["run"].startswith("peers.py")}
    assert named <= set(figures)
    assert figures["1x1_onnxruntime"] == pytest.approx(2) and figures["others_best_peer"] == pytest.approx(3)
    assert figures["worst"] == 2 and figures["worst_is"] == shapes[0].name
    assert bars.verdict({"figure": "worst", "at_least": 1}, {"not_installed": ["ncnn"]})["passed"] is False


def test_predicted_errors_are_judged_by_the_worst_rows():
    cases = {("fft", "fwd", "wide"): 0.4, ("im2col", "fwd", "normal"): 0.8, ("im2col", "fwd", "wide"): 1.2}
    figures = errors.summary(cases)
    assert (figures["most"], figures["most_is"]) == (1.2, "im2col fwd wide")
    assert (figures["least"], figures["least_is"]) == (0.4, "fft fwd wide")
    assert figures["within_percent"] == pytest.approx(100 / 3)
    assert set(errors.VALUES) == {"normal", "positive", "wide"} and errors.VALUES["positive"]([9]).min() >= 0


def test_a_peer_that_is_not_installed_is_named(monkeypatch, capfd):
    monkeypatch.setitem(peers.PEERS, "another", (peers.torch_calls, ("no_such_module",)))
    assert peers.installed(["torch", "another"]) == ["torch"]
    assert "another is left out: no module no_such_module; make peers installs it" in " ".join(
        capfd.readouterr().err.split()
    )


def test_a_peer_that_computes_something_else_is_not_timed(monkeypatch):
    wrong = lambda s, x, w: {"halved": lambda: conv.torchs("fwd", s, x, w, x)() / 2}  # noqa: E731
    monkeypatch.setitem(peers.PEERS, "wrong", (wrong, ()))
    with pytest.raises(
        RuntimeError, match=r"halved: expected the result of torch on strided 2 3 9 8 .*, got one 5.0e-01 off"
    ):
        peers.compare(SMALL_SHAPES[0], ["wrong"], None)


def test_a_training_step_of_both_sides():
    model, x = torchvision.models.squeezenet1_1(), torch.randn(1, 3, 64, 64)
    calls = networks.training_calls(model, x)
    assert {name for name, _ in calls} == {"torch", "torchconv"} and len(calls) == 4
    figures = networks.summary(harness.measure(calls, 1, 0.0, pause=networks.PAUSE))
    assert figures["best_rival"] == "torch" and figures["channels_last"] >= figures["ratio"] > 0
    assert all(p.grad is None for p in model.parameters())


def test_stages_of_large_kernels():
    model = networks.make("replknet31b").eval()
    large = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d) and m.groups > 1]
    assert [(m.groups, m.kernel_size[0]) for m in large] == [(128, 31), (256, 29), (512, 27), (1024, 13)]
    assert model(torch.randn(1, 3, 64, 64)).shape == (1, 1024, 2, 2)


def test_a_network_that_computes_something_else_is_not_timed(monkeypatch):
    halved = lambda model, x, threads: {"halved": lambda: model(x) / 2}  # noqa: E731
    monkeypatch.setitem(networks.PEERS, "wrong", (halved, ()))
    with pytest.raises(RuntimeError, match=r"halved: expected the result of torch, got one 5.0e-01 off"):
        networks.inference_calls(torch.nn.Conv2d(3, 4, 3).eval(), torch.randn(1, 3, 8, 8), ["wrong"], 1)


@pytest.mark.parametrize("peer", ["onnxruntime", "openvino", "ncnn"])
@pytest.mark.filterwarnings("ignore")
def test_peers_compute_whole_networks(peer):
    if not peers.installed([peer], networks.PEERS):
        pytest.skip(f"{peer} is not installed")
    model = torchvision.models.squeezenet1_1().eval()
    with torch.no_grad():
        assert networks.inference_calls(model, torch.randn(2, 3, 64, 64), [peer], 1).keys() >= {(peer, peer)}


@pytest.mark.parametrize("peer", ["onnxruntime", "openvino", "ncnn"])
def test_peers_compute_every_kind_of_layer(peer):
    """Where the peer is installed: compare raises where its result is not torch's."""
    if not peers.installed([peer]):
        pytest.skip(f"{peer} is not installed")
    options = SimpleNamespace(samples=1, limit=0.0)
    kinds = [*SMALL_SHAPES, harness.Shape("depthwise", 1, 16, 9, 9, 16, 5, 3, 1, (2, 1), 1, 16, 1)]
    for s in kinds:
        row = peers.compare(dataclasses.replace(s, N=1), [peer], options)
        assert row["ratio"].keys() == {peer}


def test_rows_race_and_what_auto_picks_is_among_them():
    s = harness.Shape("small", 2, 32, 12, 12, 32, 3, 3, 1, 1, 1, 1, 1)
    for pass_ in conv.SINGLE:
        race = algorithms.race(pass_, s, torch.float32, SimpleNamespace(samples=1, limit=0.0), errors=True)
        assert set(race.seconds) == set(race.errors) <= {*algorithms.algorithms(), "torch"}
        assert race.picked in race.seconds and race.winner != "torch" and "torch" in race.seconds
        assert algorithms.REFERENCE not in race.seconds and race.picked_seconds > 0
        assert max(race.errors.values()) < 1e-4


def test_suite_writes_a_page_with_every_part(tmp_path):
    figures = json.loads(benchmark("suite.py", SMALL["suite.py"], "--output", str(tmp_path)))
    kinds = [f"{of}_{kind}" for of in ("dcgan",) for kind in suite.KINDS] + [f"{kind}_geomean" for kind in suite.KINDS]
    assert set(kinds) == set(figures) - {"clean_samples", "machine", "page"} == set(figures["clean_samples"])
    page, data = read_report(tmp_path, "bench")
    parts = (
        "Networks layer by layer",
        "Roofline",
        "Error against speed",
        "Scaling",
        "Crossover map",
        "Other libraries",
    )
    assert all(part in page.text for part in parts)
    assert page.tags.count("svg") == 5
    assert len(data["layers"]) == 2 * len(suite.KINDS) and len(data["sweeps"]) == 4 and len(data["maps"]) == 9
    assert {row["contender"] for row in data["errors"]} >= {"torch", "im2col"}
    assert {row["dtype"] for row in data["errors"]} == {"float32", "bfloat16"}


def test_suite_knows_every_network():
    assert set(suite.NETWORKS) == set(write_shapes.NETWORKS)


@pytest.mark.parametrize("shapes", ["large_kernels", "dense3x3"])
def test_shapes_have_a_layer_for_every_figure_that_bars_name(shapes):
    kinds = {s.name.split("_")[0] for s in harness.read_shapes(shapes)}
    runs = [bar for bar in SETTINGS["bars"] if shapes in bar["run"] and bar["run"].startswith("conv.py")]
    named = {bar["figure"] for bar in runs if "geomean" not in bar["figure"]}
    assert kinds <= set(conv.KINDS) and named == {f"{kind}_{pass_}" for kind in kinds for pass_ in ("fwd", "backward")}
