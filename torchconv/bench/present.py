"""Figures of layers and networks as tables and plots of a Report, for the demo and for bench."""

from collections.abc import Callable, Sequence
from typing import Any

from torchconv.bench.layers import LayerFigures
from torchconv.bench.networks import NetworkFigures
from torchconv.report import Cell, Ratio, Report

Announce = Callable[[str], None]
LONGEST = 40  # layers in a plot: more of them cannot be read
COLUMNS = (
    *("layer", "what it is", ">times", ">torch ms", ">torchconv ms", ">ratio", "algorithm"),
    *(">GFLOP/s", ">% of peak", ">error: torch", ">torchconv"),
)
DONE = {"forward": "forward", "training": "forward and gradients"}


def overall(layers: Sequence[LayerFigures], what: str) -> float:
    """Torch's time for all layers over torchconv's."""
    return sum(layer.best(what, "torch") for layer in layers) / sum(layer.best(what, "torchconv") for layer in layers)


def in_words(layers: Sequence[LayerFigures], what: str) -> str:
    """The speed of the layers in a sentence or two."""
    best, worst = (extreme(layers, key=lambda layer: layer.ratio(what)) for extreme in (max, min))
    count = sum(layer.count for layer in layers)
    said = f"{count} convolutions, {DONE[what]}: torchconv is {overall(layers, what):.2f} times as fast as torch"
    said += ", each in the memory layout that suits it best."
    if len(layers) > 1:
        said += f" At its best on {best.name} ({best.description}): {best.ratio(what):.2f} times;"
        said += f" at its worst on {worst.name} ({worst.description}): {worst.ratio(what):.2f} times."
    return said


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.2f}"


def unsure(layers: Sequence[LayerFigures]) -> str:
    """A warning where times were disturbed, or nothing."""
    count = sum(layer.clean_samples == 0 for layer in layers)
    said = f"\nThe machine was busy: in {count} of {len(layers)} lines, every sample of a contender was interrupted."
    return said if count else ""


def layer_table(
    report: Report, layers: Sequence[LayerFigures], what: str, peak: float, title: str, **options: Any
) -> None:
    """A line for each layer: times, ratio, algorithm, speed, error.

    Args:
        report: where it goes.
        layers: what measure_layers gave.
        what: "forward" or "training".
        peak: GFLOP/s of this machine.
        title: of the table.
        options: as in Report.table.
    """
    rows: list[tuple[Cell, ...]] = [
        (
            layer.name,
            layer.description,
            str(layer.count),
            _milliseconds(layer.best(what, "torch")),
            _milliseconds(layer.best(what, "torchconv")),
            Ratio(layer.ratio(what)),
            layer.algorithm(what),
            f"{layer.gflops(what):.0f}",
            f"{100 * layer.gflops(what) / peak:.0f}",
            f"{layer.error['torch']:.0e}",
            f"{layer.error['torchconv']:.0e}",
        )
        for layer in layers
    ]
    times = [sum(layer.best(what, library) for layer in layers) for library in ("torch", "torchconv")]
    count = str(sum(layer.count for layer in layers))
    gflops = sum(layer.gflop[what] * layer.count for layer in layers) / times[1]
    rest = (Ratio(overall(layers, what)), "", f"{gflops:.0f}", f"{100 * gflops / peak:.0f}", "", "")
    rows.append(("all", "", count, *map(_milliseconds, times), *rest))
    report.table(
        title,
        COLUMNS,
        rows,
        caption=f"Milliseconds are medians, {DONE[what]}, of all convolutions that do the same, each library in the "
        "layout that suits it best.\nGFLOP/s are torchconv's, counted as a direct sum; peak: "
        f"{peak:.0f} GFLOP/s, measured in this run. Errors are max|y - exact| / max|exact| against float64."
        + unsure(layers),
        last_is_total=True,
        **options,
    )


def layer_plot(report: Report, layers: Sequence[LayerFigures], what: str) -> None:
    from torchconv.report import plots  # which needs matplotlib

    longest = sorted(layers, key=lambda layer: -layer.best(what, "torch"))[:LONGEST]
    shown = [layer for layer in layers if layer in longest]
    names = [f"{layer.description}" + (f" (x{layer.count})" if layer.count > 1 else "") for layer in shown]
    notes = [f"{Ratio(layer.ratio(what))} {layer.algorithm(what)}" for layer in shown]
    seconds = {library: [layer.best(what, library) for layer in shown] for library in ("torch", "torchconv")}
    svg = plots.layer_bars(names, seconds, notes, f"ms, {DONE[what]}", "time of each layer on torch and on torchconv")
    left_out = len(layers) - len(shown)
    more = f" The {LONGEST} that take torch longest; {left_out} more stand in the table." if left_out else ""
    report.figure(svg, f"Shorter is faster. Beside each pair: torch's time over ours, and the algorithm chosen.{more}")


def network_table(report: Report, networks: dict[str, NetworkFigures], training: bool, title: str) -> None:
    """A line for each variant of a network: its time in each layout, and how far its results are from exact ones."""
    theirs = networks["torch"]
    layouts = list(theirs.seconds)
    best = "best ms" if len(layouts) > 1 else None
    columns = ["variant", *(f">{layout} ms" for layout in layouts), *([f">{best}"] if best else []), ">ratio to torch"]
    rows: list[tuple[Cell, ...]] = []
    for name, figures in networks.items():
        times = [_milliseconds(figures.seconds[layout]) if layout in figures.seconds else "" for layout in layouts]
        times += [_milliseconds(figures.best)] if best else []
        error = figures.gradients_apart if training else figures.error
        rows.append((name, *times, Ratio(theirs.best / figures.best), "" if error is None else f"{error:.0e}"))
    columns.append(">gradients apart" if training else ">error")
    meaning = (
        "gradients apart: the largest relative difference of a parameter's gradient from torch's; in torch's line, of "
        "its two layouts from each other"
        if training
        else "error: max|y - exact| / max|exact| of what the network returns, against float64"
    )
    made_by = {
        "converted": "torchconv.convert(model)",
        "frozen": "torchconv.freeze(model)",
        "compiled": "torch.compile(torchconv.convert(model))",
    }
    told = [f"{name} is {made_by[name]}" for name in networks if name in made_by]
    report.table(title, columns, rows, caption=f"Medians of the whole network. {'; '.join(told)}; {meaning}.")


def network_in_words(networks: dict[str, NetworkFigures]) -> str:
    theirs = networks["torch"].best
    told = [f"{name} {Ratio(theirs / figures.best)}" for name, figures in networks.items() if name != "torch"]
    return f"Torch's time over that of the others: {'; '.join(told)}; each in the better of its layouts."
