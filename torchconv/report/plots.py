"""Plots as SVG to stand in a page: they take its fonts and its colours, in a light page and in a dark one."""

import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# matplotlib draws with the colours on the left; in the SVG, the page's variables take their places.
INK, MUTED, GRID = "#010101", "#020202", "#030303"
TORCH, OURS = "#040404", "#050505"
_VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid", TORCH: "--torch", OURS: "--ours"}

STYLE: Any = {
    "svg.fonttype": "none",
    "font.size": 11.0,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 11.0,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}
WIDTH = 10.5  # inches of 72 units each: about as wide as the page's column


def as_svg(figure: Figure, label: str) -> str:
    """The figure as an <svg> element. label: what it shows, for those who cannot see it."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=nothing)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg)  # HTML knows both, and the page then names no address at all
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)  # the family is the page's
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    return svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def layer_bars(
    names: Sequence[str], seconds: Mapping[str, Sequence[float]], notes: Sequence[str], what: str, label: str
) -> str:
    """Two bars for each layer, torch's time and ours, in ms; the first layer stands on top.

    Args:
        names: of the layers.
        seconds: by "torch" and "torchconv", for each layer.
        notes: what to write beside each pair, as "1.32x im2col".
        what: what the time is of, for the axis.
        label: of the plot, for those who cannot see it.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.1 + 0.34 * len(names)), layout="constrained")
        axes: Axes = figure.subplots()
        places = list(range(len(names)))
        for side, colour, shift in (("torch", TORCH, -0.19), ("torchconv", OURS, 0.19)):
            times = [1e3 * s for s in seconds[side]]
            axes.barh([place + shift for place in places], times, 0.36, color=colour, label=side)
        for place, note, *pair in zip(places, notes, *seconds.values()):
            axes.annotate(note, (1e3 * max(pair), place), (6, 0), textcoords="offset points", va="center")
        axes.set_yticks(places, names)
        for tick in axes.get_yticklabels():
            tick.set_color(INK)
        axes.tick_params(axis="y", length=0)
        axes.grid(False, axis="y")
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlim(0, 1.22e3 * max(max(times) for times in seconds.values()))
        axes.set_xlabel(what)
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
        return as_svg(figure, label)


def loss_curves(losses: Mapping[str, Sequence[float]], label: str) -> str:
    """The loss of every step, torch's and ours on top of each other, and below how far they are apart.

    Args:
        losses: by "torch" and "torchconv".
        label: of the plot, for those who cannot see it.
    """
    theirs, ours = losses["torch"], losses["torchconv"]
    apart = [abs(a - b) / abs(a) or math.nan for a, b in zip(theirs, ours)]  # a logarithm shows no zero
    steps = range(1, len(theirs) + 1)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 5.4), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [2, 1]})
        upper.plot(steps, theirs, color=TORCH, linewidth=4, alpha=0.5, label="torch")
        upper.plot(steps, ours, color=OURS, linewidth=1.2, label="torchconv")
        upper.set_yscale("log")
        upper.set_title("training loss")
        upper.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
        lower.plot(steps, apart, color=OURS, linestyle="none", marker="o", markersize=2)
        lower.set_yscale("log")
        lower.set_title("relative difference of the two")
        lower.set_xlabel("step")
        lower.set_xlim(1, max(len(theirs), 2))
        return as_svg(figure, label)


def sorted_errors(errors: Mapping[str, Sequence[float]], what: str, label: str) -> str:
    """For each case, its errors from the largest to the smallest.

    Args:
        errors: by case, two of them at most.
        what: what each error is of, for the axis.
        label: of the plot, for those who cannot see it.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
        axes: Axes = figure.subplots()
        styles: list[dict[str, Any]] = [{"color": OURS, "marker": "o"}, {"color": TORCH, "marker": "s"}]
        for (case, values), style in zip(errors.items(), styles):
            ordered = sorted((max(v, 1e-18) for v in values), reverse=True)
            axes.plot(range(1, len(ordered) + 1), ordered, linewidth=1, markersize=3, label=case, **style)
        axes.set_yscale("log")
        axes.set_xlabel(what)
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
        return as_svg(figure, label)
