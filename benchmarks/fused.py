"""What an activation costs inside a convolution, against the bare convolution with a bias. Prints JSON, ratios of time.

    python benchmarks/fused.py [--shapes resnet50] [--batch 8] [--algo auto]

Each layer in the memory format in which it runs faster bare; weights prepacked in both. With a residual there is a
tensor more to read, so that its figure has no bar; torch's way, with steps of their own, is the last figure.
"""

import harness
import torch
from harness import geomean
from rich.progress import track

from torchconv import ops

ACTIVATIONS = ("relu", "silu", "gelu")


def compare(shape: harness.Shape, options) -> dict[str, harness.Timing]:
    """The times of one layer, by what is fused."""
    x, w, bias = torch.randn(shape.x_size), torch.randn(shape.w_size), torch.randn(shape.K)
    calls = {}
    for layout, t in (("nchw", x), ("nhwc", x.contiguous(memory_format=torch.channels_last))):
        pack = ops.conv_pack(t, w, *shape.geometry, "none", False, options.algo)
        pack = pack if pack.numel() else None
        y = ops.conv_fwd(t, w, bias, *shape.geometry, options.algo)

        def run(activation="none", residual=None, t=t, pack=pack):
            return ops.conv_fused(t, w, bias, residual, pack, *shape.geometry, activation, options.algo)

        calls[layout, "bare"] = run
        for name in ACTIVATIONS:
            calls[layout, name] = lambda name=name, run=run: run(name)
        calls[layout, "residual"] = lambda run=run, y=y: run("relu", y)
        calls[layout, "in steps"] = lambda run=run, y=y: run().add_(y).relu_()
    times = harness.measure(calls, options.samples, options.limit)
    best = min(("nchw", "nhwc"), key=lambda layout: times[layout, "bare"].seconds)
    return {name: t for (layout, name), t in times.items() if layout == best}


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.add_argument("--shapes", default="resnet50")
    parser.add_argument("--only", default="", help="layers whose names have this part")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--algo", default="auto")
    options = parser.parse_args()
    harness.start(options)
    layers, clean = {}, []
    shapes = [s for s in harness.read_shapes(options.shapes, options.batch) if options.only in s.name]
    if any(s.transposed for s in shapes):
        parser.error("--only: expected layers that are not transposed, which have no fused form")
    for shape in track(shapes, console=harness.messages):
        times = compare(shape, options)
        layers[shape.name] = {name: t.seconds / times["bare"].seconds for name, t in times.items()}
        clean.append(min(t.clean for t in times.values()))
    names = [name for name in next(iter(layers.values())) if name != "bare"]
    figures = {name: geomean([layer[name] for layer in layers.values()]) for name in names}
    worst = max(layer["relu"] for layer in layers.values())
    samples = dict.fromkeys([*figures, "relu_worst"], min(clean))
    harness.write(
        {"machine": harness.machine(), **figures, "relu_worst": worst, "clean_samples": samples, "layers": layers}
    )


if __name__ == "__main__":
    main()
