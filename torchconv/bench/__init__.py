"""`python -m torchconv bench`: a model or a file of shapes on torch and on torchconv, as a page with tables and plots.

Each convolution is timed alone, and the model as a whole, in both memory layouts, the contenders taking turns.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from torchconv.bench import present
from torchconv.bench.layers import LAYOUTS, Layer, LayerFigures, measure_layers
from torchconv.bench.networks import NetworkFigures, measure_networks, prepare
from torchconv.bench.options import positive, seconds
from torchconv.bench.targets import BATCH, SIZE, Target, load
from torchconv.bench.variants import COMPILED, INFERENCE, TRAINING
from torchconv.errors import TorchconvError
from torchconv.report import PACKAGES, Report, console, make_folder, require
from torchconv.timing import machine


def add_options(command: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add = command.add_argument
    add("target", metavar="MODEL|SHAPES", help="resnet50 (torchvision's), file.py:function, or a file of shapes")
    add("--batch", type=positive, help=f"images in a batch (default: {BATCH}, or the file's own)")
    add("--size", type=positive, help=f"height and width of an image (default: {SIZE})")
    add("--threads", type=positive, default=torch.get_num_threads(), help="(default: torch's)")
    add("--layout", choices=("both", *LAYOUTS), default="both", help="memory layouts to try; the faster one counts")
    add("--train", action="store_true", help="forward and backward, in training mode, instead of inference")
    add("--compile", action="store_true", help="time torch.compile of both too; takes g++, and a minute or more")
    add("--samples", type=positive, default=7, help="timings of each contender (default: 7; the median counts)")
    add("--limit", type=seconds, default=5.0, help="seconds for each layer at most, once warm (default: 5)")
    add("--output", type=Path, default=Path("report/bench"), help="folder for report.html and report.json")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Measures what the options say, prints it and writes the report.

    Raises:
        TorchconvError: the target, an option or a package is not what it should be.
    """
    require("bench", PACKAGES)
    make_folder(args.output)
    torch.set_num_threads(args.threads)
    target = load(args.target, args.batch, args.size, args.train)
    if args.compile and target.model is None:
        raise TorchconvError("compile: expected a model, got a file of shapes, which has layers alone")
    what = "training" if args.train else "forward"
    layouts = LAYOUTS if args.layout == "both" else (args.layout,)
    report = Report(console(), f"{target.name} on torchconv", _subtitle(target, what, layouts))
    with _progress(report) as progress:
        layers = _measure_layers(target, what, layouts, args, progress)
        networks = _measure_networks(target, layouts, args, progress)
    _present(report, layers, networks, what)
    report.write(args.output)


def _subtitle(target: Target, what: str, layouts: Sequence[str]) -> str:
    sizes = " and ".join("x".join(map(str, x.shape)) for x in target.inputs if isinstance(x, torch.Tensor))
    given = f"input {sizes}" if sizes else f"{len(target.layers)} shapes"
    layout = f" in {' and '.join(layouts)}" if len(layouts) > 1 else f" in {layouts[0]} alone"
    return f"{target.convolutions} convolutions, {given}, {present.DONE[what]},{layout}"


def _progress(report: Report) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=report.console, transient=True)


def _measure_layers(
    target: Target, what: str, layouts: Sequence[str], args: argparse.Namespace, progress: Progress
) -> list[LayerFigures]:
    task = progress.add_task("layers", total=len(target.layers))

    def shown(layers: Sequence[Layer]) -> Iterator[Layer]:
        for layer in layers:
            progress.update(task, description=layer.name)
            yield layer
            progress.advance(task)
        progress.update(task, description="layers")

    options = {"whats": (what,), "layouts": layouts, "samples": args.samples, "limit": args.limit}
    return measure_layers(target.layers, shown, **options)


def _measure_networks(
    target: Target, layouts: Sequence[str], args: argparse.Namespace, progress: Progress
) -> dict[str, NetworkFigures]:
    if target.model is None:
        return {}
    task = progress.add_task("network", total=None)

    def announce(what: str) -> None:
        progress.update(task, description=what)

    variants, compiled = TRAINING if args.train else INFERENCE, COMPILED if args.compile else ()
    made = prepare(target.model, variants, compiled, layouts, announce)
    return measure_networks(made, target.inputs, args.train, args.samples, 4 * args.limit, announce)


def _present(report: Report, layers: list[LayerFigures], networks: dict[str, NetworkFigures], what: str) -> None:
    found = machine()
    ratio = present.overall(layers, what)
    ratios = [layer.ratio(what) for layer in layers]
    report.highlight(f"{ratio:.2f}x", f"torch's time over torchconv's, all convolutions, {present.DONE[what]}")
    if networks:
        theirs, ours = networks["torch"].best, networks["converted"].best
        report.highlight(f"{theirs / ours:.2f}x", "the same for the whole network, torch over converted")
        report.section("The whole network", present.network_in_words(networks))
        present.network_table(report, networks, what == "training", "The whole network")
    report.highlight(f"{sum(r >= 1 for r in ratios)} of {len(ratios)}", "kinds of layer at least as fast as torch")
    report.highlight(f"{max(layer.error['torchconv'] for layer in layers):.0e}", "largest relative error of a layer")
    report.section("Layer by layer", present.in_words(layers, what))
    present.layer_plot(report, layers, what)
    present.layer_table(report, layers, what, found["peak_gflops"], "Every layer", terminal_columns=7)
    report.figures |= {
        "subtitle": report.subtitle,
        "machine": found,
        "layers": [layer.as_dict() for layer in layers],
        "ratio": ratio,
        "networks": {name: asdict(figures) for name, figures in networks.items()},
    }
    report.console.print(present.in_words(layers, what), highlight=False)
