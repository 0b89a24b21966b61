"""The whole suite as one page: layers of networks against torch, the roofline, and every algorithm against every other.

    python benchmarks/suite.py [--networks resnet50 unet] [--quick]

Writes bench.html and bench.json into benchmarks/results/ and prints the figures that sum it up as JSON. --quick is for
tests: a few small layers, once each. The whole of it takes an hour or two on two cores.
"""

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import conv
import harness
import peers
import torch
from algorithms import LARGEST_FLOP, SLOWEST, Race, algorithms, map_plans, race, sweep_plans
from harness import Shape, geomean
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from torchconv import _C
from torchconv.report import PACKAGES, WIDTH_OF_LOGS, Cell, Ratio, Report, require
from torchconv.report.charts import Map, Sweep, colours_of, maps, ratio_dots, roofline, speed_and_error, sweeps

HERE = Path(__file__).parent
NETWORKS = (
    *("resnet50", "vgg16", "mobilenet_v2", "efficientnet_b0", "convnext_tiny", "convnext_base", "replknet31b"),
    *("slak_tiny", "resnext50_32x4d", "shufflenet_v2", "dcgan", "unet", "deeplabv3"),
)
INFERENCE = "inference"  # forward of one image; the other kinds are the passes in training
KINDS = (INFERENCE, *conv.SINGLE)
CACHED_BUFFER = 8 << 20  # bytes
DTYPES = (torch.float32, torch.bfloat16)  # of the layer on which all algorithms race

Key = tuple[Any, ...]
Jobs = dict[Key, Callable[[], Any]]


def chosen(pass_: str, s: Shape, layout: str) -> str:
    rows = _C.explain(s.operator(pass_), s.conv_x_size, s.w_size, *s.geometry, "auto", "float32", layout)
    return next(row["algo"] for row in rows if row["chosen"])


def compare(kind: str, s: Shape, options: Any) -> dict[str, Any]:
    """A layer on auto against torch, each in the better of its layouts."""
    pass_ = "fwd" if kind == INFERENCE else kind
    s = Shape(**{**vars(s), "N": 1}) if kind == INFERENCE else s
    row = conv.compare(pass_, s, options)
    ours = row["seconds"]["torchconv"]
    nbytes = 4 * sum(math.prod(size) for size in (s.x_size, s.w_size, s.y_size))
    algo = chosen(pass_, s, min(ours, key=lambda layout: ours[layout]))
    return row | {"kind": kind, "count": s.count, "algo": algo, "flop_per_byte": s.flop / nbytes}


def layer_jobs(networks: Iterable[str], options: Any) -> Jobs:
    jobs: Jobs = {}
    for network in networks:
        shapes = harness.read_shapes(network, 1 if options.quick else None)
        if options.quick:
            shapes = sorted(shapes, key=lambda s: s.flop)[:2]
        for s in shapes:
            for kind in KINDS:
                jobs["layer", network, s.name, kind] = lambda s=s, kind=kind: compare(kind, s, options)
    return jobs


def error_jobs(s: Shape, options: Any) -> Jobs:
    def run(pass_: str, dtype: torch.dtype) -> dict[str, tuple[float, float]]:
        """GFLOP/s and error of each contender."""
        found = race(pass_, s, dtype, options, errors=True)
        return {name: (s.flop / t * 1e-9, found.errors[name]) for name, t in found.seconds.items()}

    return {("error", p, dtype): lambda p=p, dtype=dtype: run(p, dtype) for p in conv.SINGLE for dtype in DTYPES}


def scaling_jobs(options: Any) -> Jobs:
    jobs: Jobs = {}

    def add(key: Key, pass_: str, s: Shape) -> None:
        if s.flop <= LARGEST_FLOP:
            jobs[key] = lambda: race(pass_, s, torch.float32, options, SLOWEST)

    for i, sweep in enumerate(sweep_plans(options.quick)):
        for size in sweep.sizes:
            add(("sweep", i, size), "fwd", sweep.at(size))
    for i, plan in enumerate(map_plans(options.quick)):
        for pass_ in conv.SINGLE:
            for row in plan.rows:
                for column in plan.columns:
                    add(("map", i, pass_, row, column), pass_, plan.at(column, row))
    return jobs


def peer_jobs(names: list[str], options: Any) -> Jobs:
    """ResNet-50's layers on other libraries, one thread."""

    def run(s: Shape) -> dict[str, Any]:
        torch.set_num_threads(1)
        row = peers.compare(s, names, options)
        torch.set_num_threads(options.threads)
        return row

    shapes = harness.read_shapes("resnet50", 1)
    return {("peer", s.name): lambda s=s: run(s) for s in (shapes[-1:] if options.quick else shapes)}


def measured(jobs: Jobs, console: Console) -> dict[Key, Any]:
    """Runs the jobs, with a bar that shows how many are left."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    found = {}
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task("", total=len(jobs))
        for key, job in jobs.items():
            progress.update(task, description=" ".join(map(str, key)))
            found[key] = job()
            progress.advance(task)
    return found


def ratios_section(report: Report, found: dict[Key, Any], networks: Iterable[str], peak: float) -> dict[str, Any]:
    """A line for each network, then a plot and a table for each. Returns the figures."""
    rows_of = {n: [row for key, row in found.items() if key[:2] == ("layer", n)] for n in networks}
    figures: dict[str, Any] = {"clean_samples": {}}

    def put(name: str, rows: list[dict[str, Any]]) -> float:
        figures[name] = geomean([row["ratio"] for row in rows])
        figures["clean_samples"][name] = min(row["clean_samples"] for row in rows)
        return figures[name]

    every = [row for rows in rows_of.values() for row in rows]
    for kind in KINDS:
        of_kind = [row for row in every if row["kind"] == kind]
        mean, fast = put(f"{kind}_geomean", of_kind), sum(row["ratio"] >= 1 for row in of_kind)
        report.highlight(
            f"{mean:.2f}x", f"{kind}: torch's time over torchconv's; {fast} of {len(of_kind)} layers faster"
        )
    lines: list[tuple[Cell, ...]] = []
    for network, rows in rows_of.items():
        means = [Ratio(put(f"{network}_{kind}", [r for r in rows if r["kind"] == kind])) for kind in KINDS]
        worst = min(rows, key=lambda row: row["ratio"])
        lines.append((network, *means, f"{worst['ratio']:.2f}x {worst['layer']} {worst['kind']}"))
    report.section(
        "Networks layer by layer",
        "Torch's time over torchconv's: above 1 torchconv is faster. Each side in the better of its memory formats. "
        f"{INFERENCE.capitalize()} is the forward pass of one image, the other passes have the batch size of training.",
    )
    columns = ["network", *(f">{kind}" for kind in KINDS), "slowest"]
    report.table("Geometric means over the layers", columns, lines)
    for network, rows in rows_of.items():
        layer_figures(report, network, rows, peak)
    return figures


def layer_figures(report: Report, network: str, rows: list[dict[str, Any]], peak: float) -> None:
    names = list(dict.fromkeys(row["layer"] for row in rows))
    of = {(row["layer"], row["kind"]): row for row in rows}
    ratios = {kind: [of[name, kind]["ratio"] for name in names] for kind in KINDS}
    report.figure(ratio_dots(names, ratios, f"the ratio of each layer of {network}"), f"{network}, layer by layer.")
    lines: list[tuple[Cell, ...]] = []
    for row in rows:
        best = {side: 1e3 * min(by_layout.values()) for side, by_layout in row["seconds"].items()}
        speed = (f"{row['gflops']:.0f}", f"{100 * row['gflops'] / peak:.0f}", f"{row['error']:.0e}")
        times = (f"{best['torch']:.2f}", f"{best['torchconv']:.2f}", Ratio(row["ratio"]))
        lines.append((row["layer"], row["kind"], *times, row["algo"], *speed, str(row["clean_samples"])))
    head = ("layer", "pass", ">torch ms", ">torchconv ms", ">ratio", "algorithm", ">GFLOP/s", ">% of peak", ">error")
    columns = [*head, ">clean samples"]
    report.table(f"Every layer of {network}", columns, lines, folded=True, terminal_columns=0)


def roofline_section(report: Report, found: dict[Key, Any], peak: float, bandwidths: dict[str, float]) -> None:
    points = {
        kind: [
            (row["flop_per_byte"], row["gflops"]) for key, row in found.items() if key[0] == "layer" and key[3] == kind
        ]
        for kind in KINDS
    }
    report.section(
        "Roofline",
        "What each layer reaches under the multiply-add peak of this machine and the rate at which its bytes come. "
        "FLOP are those of the direct sum, so that an algorithm that does without some of them may pass the peak.",
    )
    report.figure(roofline(points, peak, bandwidths, "GFLOP/s of each layer over its FLOP per byte"))


def error_section(report: Report, found: dict[Key, Any], s: Shape, colours: dict[str, str]) -> list[dict[str, Any]]:
    panels: dict[str, dict[str, dict[str, tuple[float, float]]]] = {}
    rows = []
    for (_, pass_, dtype), contenders in ((key, value) for key, value in found.items() if key[0] == "error"):
        name = str(dtype).removeprefix("torch.")
        panels.setdefault(pass_, {})[name] = contenders
        for contender, (gflops, error) in contenders.items():
            rows.append({"pass": pass_, "dtype": name, "contender": contender, "gflops": gflops, "error": error})
    report.section(
        "Error against speed",
        f"Every algorithm on one layer, {s.name} with batch {s.N}: right is faster, down is more exact. The error is "
        "max|y - exact| / max|exact| of one image against float64.",
    )
    report.figure(speed_and_error(panels, colours, "error and speed of every algorithm on one layer"))
    lines = [(r["pass"], r["dtype"], r["contender"], f"{r['gflops']:.0f}", f"{r['error']:.1e}") for r in rows]
    columns = ["pass", "dtype", "contender", ">GFLOP/s", ">error"]
    report.table("Error and speed", columns, lines, folded=True, terminal_columns=0)
    return rows


def scaling_section(report: Report, found: dict[Key, Any], colours: dict[str, str], options: Any) -> dict[str, Any]:
    names = [*algorithms(), "torch"]
    panels, figures = [], []
    for i, plan in enumerate(sweep_plans(options.quick)):
        races: dict[int, Race] = {size: found["sweep", i, size] for size in plan.sizes if ("sweep", i, size) in found}
        speeds = {
            name: [
                plan.at(size).flop / r.seconds[name] * 1e-9 if name in r.seconds else None for size, r in races.items()
            ]
            for name in names
        }
        speeds = {name: values for name, values in speeds.items() if any(values)}
        panels.append(Sweep(plan.title, plan.axis, list(races), speeds))
        figures.append({**vars(panels[-1]), "seconds": {size: r.seconds for size, r in races.items()}})
    report.section(
        "Scaling",
        "The forward pass of one image on every algorithm, and on torch, while one size grows. Each in the better of "
        f"its memory formats; what is predicted to take {SLOWEST:.0f} times as long as the fastest is left out.",
    )
    report.figure(sweeps(panels, colours, "GFLOP/s of every algorithm while one size grows"))
    drawn = []
    for i, plan in enumerate(map_plans(options.quick)):
        for pass_ in conv.SINGLE:
            cells = [[cell(found.get(("map", i, pass_, row, column))) for column in plan.columns] for row in plan.rows]
            title = f"{pass_}, {plan.title}"
            drawn.append(Map(title, plan.x_axis, list(plan.columns), plan.y_axis, list(plan.rows), cells))
    report.section(
        "Crossover map",
        "Which algorithm wins where, for one image. The number is torch's time over the winner's; a star says that "
        "auto picks another one there, which takes more than 10% longer. Empty cells would take too long.",
    )
    report.figure(maps(drawn, colours, "the fastest algorithm for each pair of sizes"))
    return {"sweeps": figures, "maps": [vars(panel) for panel in drawn]}


def peers_section(report: Report, found: dict[Key, Any], names: list[str], asked: list[str]) -> dict[str, Any]:
    rows = [row for key, row in found.items() if key[0] == "peer"]
    figures = peers.summary(rows, names)
    missing = [name for name in asked if name not in names]
    report.section(
        "Other libraries",
        "ResNet-50's layers alone: forward, one image, one thread, float32, weights prepared once on every side. A "
        f"ratio is the library's time over torchconv's. Not installed here: {', '.join(missing) or 'none'}.",
    )
    lines: list[tuple[Cell, ...]] = [
        (row["layer"], f"{1e3 * row['seconds']['torchconv']:.2f}", *(Ratio(row["ratio"][name]) for name in names))
        for row in rows
    ]
    lines.append(("geometric mean", "", *(Ratio(figures[name]) for name in names)))
    columns = ["layer", ">torchconv ms", *(f">{name}" for name in names)]
    report.table("torchconv and others", columns, lines, last_is_total=True, terminal_columns=0)
    return {**figures, "not_installed": missing, "layers": rows}


def cell(found: Race | None) -> tuple[str, str] | None:
    if found is None:
        return None
    best = found.seconds[found.winner]
    return found.winner, f"{found.seconds['torch'] / best:.1f}" + "*" * (found.picked_seconds > 1.1 * best)


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.set_defaults(samples=5, limit=1.0)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, metavar="NAME", help="files in shapes/")
    parser.add_argument(
        "--layer", default="3x3_256_to_256_at_14", help="of resnet50: where every algorithm's error is shown"
    )
    parser.add_argument("--peers", nargs="*", choices=peers.PEERS, default=list(peers.PEERS), help="see peers.py")
    parser.add_argument("--quick", action="store_true", help="a few small layers, once each")
    parser.add_argument("--output", type=Path, default=HERE / "results")
    options = parser.parse_args()
    options.algo, options.dtype, options.cold = "auto", torch.float32, False
    if options.quick:
        options.samples, options.limit = 1, 0.0
        options.networks = ("dcgan",) if options.networks is NETWORKS else options.networks
        options.peers = ["torch"]
    require("suite.py", PACKAGES)
    harness.start(options)
    console = harness.messages if harness.messages.is_terminal else Console(stderr=True, width=WIDTH_OF_LOGS)
    one = [s for s in harness.read_shapes("resnet50", 1 if options.quick else None) if s.name == options.layer]
    if not one:
        parser.error(f"--layer: expected a layer in shapes/resnet50.txt, got {options.layer}")
    machine = harness.machine()
    peak = machine["peak_gflops"]
    bandwidths = {"memory": harness.bandwidth(options), "cache": harness.bandwidth(options, CACHED_BUFFER)}
    report = Report(
        console, "torchconv's benchmarks", f"{len(options.networks)} networks, every algorithm, against torch"
    )
    names = peers.installed(options.peers)
    jobs = peer_jobs(names, options) if names else {}  # first: what fails, fails early
    jobs |= layer_jobs(options.networks, options) | error_jobs(one[0], options) | scaling_jobs(options)
    found = measured(jobs, console)
    colours = colours_of([*algorithms(), "torch"])
    figures = ratios_section(report, found, options.networks, peak)
    roofline_section(report, found, peak, bandwidths)
    errors = error_section(report, found, one[0], colours)
    scaling = scaling_section(report, found, colours, options)
    others = peers_section(report, found, names, options.peers) if names else {}
    layers = [{"network": key[1], **row} for key, row in found.items() if key[0] == "layer"]
    report.figures |= {"machine": machine, "bandwidth_gbytes": bandwidths, **figures, "layers": layers}
    report.figures |= {"errors": errors, **scaling, "peers": others}
    page = report.write(options.output, "bench")
    harness.write({**figures, "machine": machine, "page": str(page)})


if __name__ == "__main__":
    main()
