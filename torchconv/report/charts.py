"""More plots as SVG: of many algorithms over many layers, as benchmarks/suite.py puts them on its page."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, NullFormatter

from torchconv.report.plots import INK, MUTED, OURS, STYLE, TORCH, WIDTH, as_svg

# Of middle lightness, so that they stand out on a light page and on a dark one.
_COLOURS = ("#3f88d4", "#3a9c63", "#a763c4", "#c2920f", "#cf4f63", "#2fa3a8", "#8f7a5c", "#7f86c9")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_PLAIN = FuncFormatter(lambda value, _: f"{value:g}")


def colours_of(names: Sequence[str]) -> dict[str, str]:
    """A colour for each name; torch has the page's own.

    Example:
        >>> from torchconv.report.charts import TORCH, colours_of
        >>> colours_of(["a", "torch"])["torch"] == TORCH
        True
    """
    others = [name for name in dict.fromkeys(names) if name != "torch"]
    return {"torch": TORCH} | {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(others)}


def _panels(count: int, height: float, abreast: int = 2) -> tuple[Figure, list[Axes]]:
    """Up to so many of them side by side."""
    columns = min(count, abreast)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(WIDTH, height * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for unused in axes[count:]:
        unused.set_visible(False)
    return figure, axes[:count]


def _legend_above(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(labels))


def ratio_dots(names: Sequence[str], ratios: Mapping[str, Sequence[float | None]], label: str) -> str:
    """A line for each layer with a dot for each kind of ratio; right of 1, torchconv is faster.

    Args:
        names: of the layers, the first on top.
        ratios: torch's time over ours, by kind ("fwd", ...), for each layer; None where there is none.
        label: of the plot, for those who cannot see it.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.0 + 0.21 * len(names)), layout="constrained")
        axes: Axes = figure.subplots()
        axes.axvline(1, color=TORCH, linewidth=1.5)
        for (kind, values), colour, marker in zip(ratios.items(), (OURS, *_COLOURS[1:]), _MARKERS):
            found = [(value, place) for place, value in enumerate(values) if value is not None]
            axes.plot(*zip(*found), color=colour, marker=marker, markersize=5, linestyle="none", label=kind)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(_PLAIN)
        axes.set_yticks(range(len(names)), names, fontsize=9, color=INK)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlabel("torch's time / torchconv's")
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(ratios))
        return as_svg(figure, label)


def roofline(
    points: Mapping[str, Sequence[tuple[float, float]]], peak: float, bandwidths: Mapping[str, float], label: str
) -> str:
    """What each layer reaches, under what its multiply-adds and its bytes allow.

    Args:
        points: by kind, for each layer: FLOP per byte of operands and result, and GFLOP/s.
        peak: GFLOP/s.
        bandwidths: GB/s, by where the bytes are.
        label: of the plot, for those who cannot see it.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 5.2), layout="constrained")
        axes: Axes = figure.subplots()
        every = [point for group in points.values() for point in group]
        first, last = min(x for x, _ in every) / 1.5, max(x for x, _ in every) * 1.5
        for (kind, group), colour, marker in zip(points.items(), (OURS, *_COLOURS[1:]), _MARKERS):
            axes.plot(*zip(*group), color=colour, marker=marker, markersize=4, alpha=0.7, linestyle="none", label=kind)
        for style, (where, bandwidth) in zip(("-", "--", ":"), bandwidths.items()):
            ridge = peak / bandwidth
            xs = [first, max(first, ridge), max(last, ridge)]
            said = f"{where}: {bandwidth:.0f} GB/s"
            axes.plot(
                xs, [min(peak, x * bandwidth) for x in xs], color=MUTED, linestyle=style, linewidth=1.3, label=said
            )
        axes.annotate(f"peak: {peak:.0f} GFLOP/s", (last, peak), (0, 4), textcoords="offset points", ha="right")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter(_PLAIN)
        axes.yaxis.set_major_formatter(_PLAIN)
        axes.set_xlim(first, last)
        axes.set_xlabel("FLOP of the direct sum for each byte of operands and result")
        axes.set_ylabel("GFLOP/s")
        _legend_above(figure, axes)
        return as_svg(figure, label)


def speed_and_error(
    panels: Mapping[str, Mapping[str, Mapping[str, tuple[float, float]]]], colours: Mapping[str, str], label: str
) -> str:
    """For each pass a dot for each contender: right is faster, down is more exact.

    Args:
        panels: by pass, by dtype, by contender: GFLOP/s and error.
        colours: by contender.
        label: of the plot, for those who cannot see it.
    """
    with matplotlib.rc_context(STYLE):
        figure, every = _panels(len(panels), 4.2, abreast=3)
        for axes, (title, by_dtype) in zip(every, panels.items()):
            axes.set_title(title)
            for (dtype, contenders), marker in zip(by_dtype.items(), _MARKERS):
                axes.plot([], [], color=MUTED, marker=marker, linestyle="none", label=dtype)
                for name, (gflops, error) in contenders.items():
                    place = gflops, max(error, 1e-18)  # a logarithm shows no zero
                    axes.plot(*place, color=colours[name], marker=marker, linestyle="none")
                    axes.annotate(name, place, (6, 3), textcoords="offset points", fontsize=8)
            axes.set_yscale("log")
            axes.margins(x=0.3, y=0.1)
            axes.set_xlabel("GFLOP/s")
        every[0].set_ylabel("error")
        _legend_above(figure, every[0])
        return as_svg(figure, label)


@dataclass(frozen=True)
class Sweep:
    """GFLOP/s while one size of a layer grows: by contender, None where it cannot run."""

    title: str
    axis: str
    sizes: list[int]
    gflops: dict[str, list[float | None]]


def sweeps(panels: Sequence[Sweep], colours: Mapping[str, str], label: str) -> str:
    """A panel for each sweep with a line for each contender."""
    with matplotlib.rc_context(STYLE):
        figure, every = _panels(len(panels), 3.4)
        shown: dict[str, None] = {}
        for axes, sweep in zip(every, panels):
            axes.set_title(sweep.title)
            for name, values in sweep.gflops.items():
                ys = [math.nan if value is None else value for value in values]
                label_once = f"_{name}" if name in shown else name  # matplotlib's legend leaves out what begins with _
                shown[name] = None
                width = 2.6 if name == "torch" else 1.5
                axes.plot(
                    sweep.sizes, ys, color=colours[name], marker="o", markersize=3.5, linewidth=width, label=label_once
                )
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            axes.set_xticks(sweep.sizes, [str(size) for size in sweep.sizes], fontsize=8)
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.yaxis.set_major_formatter(_PLAIN)
            axes.set_xlabel(sweep.axis)
            axes.set_ylabel("GFLOP/s")
        figure.legend(loc="outside upper right", ncols=max(1, len(shown)))
        return as_svg(figure, label)


@dataclass(frozen=True)
class Map:
    """Which contender wins for each pair of sizes; None where nothing was measured.

    Attributes:
        cells: [row][column] of (winner, what to write there).
    """

    title: str
    x_axis: str
    columns: list[int]
    y_axis: str
    rows: list[int]
    cells: list[list[tuple[str, str] | None]]


def maps(panels: Sequence[Map], colours: Mapping[str, str], label: str) -> str:
    """Each map with its cells in the colours of the winners."""
    with matplotlib.rc_context(STYLE):
        figure, every = _panels(len(panels), 3.4, abreast=3)
        winners: dict[str, None] = {}
        for axes, panel in zip(every, panels):
            axes.set_title(panel.title)
            axes.grid(False)
            for i, row in enumerate(panel.cells):
                for j, cell in enumerate(row):
                    if cell is None:
                        continue
                    winner, note = cell
                    winners[winner] = None
                    axes.add_patch(Rectangle((j - 0.48, i - 0.48), 0.96, 0.96, color=colours[winner], alpha=0.75))
                    axes.annotate(note, (j, i), ha="center", va="center", fontsize=8, color=INK)
            axes.set_xticks(range(len(panel.columns)), map(str, panel.columns))
            axes.set_yticks(range(len(panel.rows)), map(str, panel.rows))
            axes.set_xlim(-0.6, len(panel.columns) - 0.4)
            axes.set_ylim(-0.6, len(panel.rows) - 0.4)
            axes.tick_params(length=0)
            axes.set_xlabel(panel.x_axis)
            axes.set_ylabel(panel.y_axis)
        handles = [Rectangle((0, 0), 1, 1, color=colours[name], alpha=0.75) for name in winners]
        figure.legend(handles, list(winners), loc="outside upper right", ncols=max(1, len(winners)))
        return as_svg(figure, label)
