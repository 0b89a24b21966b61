"""The benchmarks themselves: that they measure what they say and that the bars can be judged. No speed is tested."""

import json
import shlex
import subprocess
import sys
import time
import tomllib
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


def test_conv_benchmark_gives_the_figures_that_bars_name():
    figures = json.loads(benchmark("conv.py", "--only", "stem", "--batch", "1", "--samples", "1", "--limit", "1"))
    stem = [bar["figure"] for bar in SETTINGS["bars"] if bar["run"].startswith("conv.py")]
    assert set(stem) - set(figures) <= {"pointwise_nchw_geomean"}
    assert figures["workspace_mib_per_thread"] > 0 and 0 < figures["worst"] <= figures["geomean"]
