"""The benchmarks themselves: that they measure what they say and that the bars can be judged. No speed is tested."""

import json
import re
import shlex
import subprocess
import sys
import time
import tomllib
from collections import Counter
from pathlib import Path

import pytest
import torch
import torchvision

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import bars  # noqa: E402
import conv  # noqa: E402
import harness  # noqa: E402

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


def test_summary_counts_the_clean_samples_of_each_figure():
    rows = [
        {"layer": layer, "pass": pass_, "ratio": 2.0, "ratio_nchw": 3.0, "clean_samples": clean}
        for layer, clean in (("1x1_a", 9), ("stem_b", 4))
        for pass_ in conv.PASSES
    ]
    rows[-1] |= {"ratio": 1.0, "clean_samples": 0}  # the stem's backward
    figures = conv.summary(rows)
    assert figures["clean_samples"] == {
        "geomean": 4, "worst": 4, "fwd_geomean": 4, "grad_input_geomean": 4, "grad_weight_geomean": 4,
        "backward_geomean": 0, "pointwise_nchw_geomean": 9, "stem_backward": 0,
    }  # fmt: skip
    assert figures["worst"] == 2.0 and figures["stem_backward"] == pytest.approx(1.0)
    assert figures["pointwise_nchw_geomean"] == pytest.approx(3.0)


def test_resnet50_shapes_are_the_networks_own():
    found: dict[tuple, int] = {}

    def count(module, inputs, _):
        key = (*inputs[0].shape[1:], module.out_channels, *module.kernel_size)
        key += (module.stride[0], module.padding[0], module.dilation[0], module.groups)
        found[key] = found.get(key, 0) + 1

    with torch.device("meta"):
        model = torchvision.models.resnet50()
        for module in model.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.register_forward_hook(count)
        model(torch.empty(1, 3, 224, 224))
    shapes = harness.read_shapes("resnet50")
    listed = {(s.C, s.H, s.W, s.K, s.R, s.S, s.stride, s.pad, s.dil, s.groups): s.count for s in shapes}
    assert listed == found and sum(found.values()) == 53


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


def test_rivals_compute_the_same():
    """Both sides of every comparison, in every pass, on a strided layer with padding."""
    s = harness.Shape("small", 2, 3, 9, 8, 4, 3, 3, 2, 1, 1, 1, 1)
    x, w, grad_y = (torch.randn(size) for size in (s.x_size, s.w_size, s.y_size))
    for pass_ in conv.PASSES:
        ours, torchs = conv.ours(pass_, s, "auto", x, w, grad_y)(), conv.torchs(pass_, s, x, w, grad_y)()
        ours = ours if isinstance(ours, tuple) else (ours,)
        torchs = torchs if isinstance(torchs, tuple) else (torchs,)
        torch.testing.assert_close(ours, tuple(t for t in torchs if t is not None))


# Each benchmark at a size that takes seconds.
SMALL = {
    "fused.py": "--shapes depthwise --only at_7 --batch 1 --samples 1 --limit 1",
    "frozen.py": "--model squeezenet1_1 --size 32 --samples 1 --limit 1",
    "conv.py": "--only stem --batch 1 --samples 1 --limit 1",
    "gemm.py": "--size 64 --samples 1",
    "memory.py": "--channels 2 --size 64",
    "overhead.py": "--samples 1 --shapes 1",
    "pool.py": "--only _14 --samples 1 --limit 1",
}


OTHER_SHAPES = re.compile("--shapes (depthwise|large_kernels)")


@pytest.mark.parametrize("script", {shlex.split(bar["run"])[0]: None for bar in SETTINGS["bars"]})
def test_benchmark_gives_the_figures_that_bars_name(script):
    figures = json.loads(benchmark(script, *shlex.split(SMALL[script])))
    runs = [bar for bar in SETTINGS["bars"] if bar["run"].startswith(script) and not OTHER_SHAPES.search(bar["run"])]
    named = {bar["figure"] for bar in runs} | {bar["detail"] for bar in runs if "detail" in bar}
    assert named - set(figures) <= {"pointwise_nchw_geomean"}  # the stem is no 1x1 layer
    timed = named & set(figures) - {"worst_is", "workspace_mib_per_thread", "beyond_operands_mib_per_thread"}
    assert timed <= set(figures.get("clean_samples", {}))
    if script == "conv.py":
        assert figures["workspace_mib_per_thread"] > 0 and 0 < figures["worst"] <= figures["geomean"]


def test_depthwise_shapes_give_the_figures_that_bars_name():
    arguments = "--shapes depthwise --algo depthwise --only at_7 --batch 1 --samples 1 --limit 1"
    figures = json.loads(benchmark("conv.py", *shlex.split(arguments)))
    named = {bar["figure"] for bar in SETTINGS["bars"] if "--shapes depthwise" in bar["run"]}
    assert len(named) == 6 and named <= set(figures) and named <= set(figures["clean_samples"])


def test_large_kernels_have_a_layer_for_every_figure_that_bars_name():
    kinds = {s.name.split("_")[0] for s in harness.read_shapes("large_kernels")}
    named = {bar["figure"] for bar in SETTINGS["bars"] if "large_kernels" in bar["run"]}
    assert kinds <= set(conv.KINDS) and named == {f"{kind}_{pass_}" for kind in kinds for pass_ in ("fwd", "backward")}
