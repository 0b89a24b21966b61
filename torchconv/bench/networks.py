"""Times whole networks: every variant in every layout, taking turns; and how far their results are from exact ones."""

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from torchconv.bench.layers import LAYOUTS, in_layout, relative_error, tensor_in_layout
from torchconv.bench.variants import Variant
from torchconv.errors import TorchconvError
from torchconv.timing import measure


def results(model: nn.Module, inputs: Sequence[Any]) -> list[Tensor]:
    """The floating tensors that the model returns, in whatever containers."""
    leaves = pytree.tree_leaves(model(*inputs))
    return [leaf for leaf in leaves if isinstance(leaf, Tensor) and leaf.is_floating_point()]


def converted_inputs(inputs: Sequence[Any], change: Callable[[Tensor], Tensor]) -> list[Any]:
    """The inputs, with a change to every floating tensor among them."""
    return [change(x) if isinstance(x, Tensor) and x.is_floating_point() else x for x in inputs]


def training_step(model: nn.Module, inputs: Sequence[Any]) -> dict[str, Tensor]:
    """The gradient of every parameter, of the mean square of the results, with the same random numbers each time."""
    torch.manual_seed(0)
    model.zero_grad()
    torch.stack([y.square().mean() for y in results(model, inputs)]).sum().backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def relative_errors(got: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, float]:
    """|got - wanted| / |wanted| for each parameter, largest first.

    A bias whose channels go straight into another normalized layer has the gradient zero, and what is there is
    rounding; so no gradient counts as smaller than a millionth of the largest.
    """
    least = max(1e-6 * max(g.norm().item() for g in wanted.values()), torch.finfo(torch.float64).tiny)
    errors = {n: (got[n].double() - g.double()).norm().item() / max(g.norm().item(), least) for n, g in wanted.items()}
    return dict(sorted(errors.items(), key=lambda item: -item[1]))


@dataclass
class NetworkFigures:
    """What was found about one variant of a network.

    Attributes:
        seconds: the medians by layout.
        clean_samples: how many samples that were not interrupted each of these medians is of.
        error: max|y - exact| / max|exact| of the results against float64; None in training.
        gradients_apart: the largest relative difference of a parameter's gradient from torch's; for torch itself, of
            its two layouts from each other. None in inference, and where compiled: other random numbers are drawn.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    clean_samples: list[int] = field(default_factory=list)
    error: float | None = None
    gradients_apart: float | None = None

    @property
    def best(self) -> float:
        return min(self.seconds.values())


Made = dict[tuple[str, str], nn.Module]  # by the name of the variant and the layout; torch itself comes first


def prepare(
    model: nn.Module,
    variants: Iterable[Variant],
    compiled: Iterable[Variant] = (),
    layouts: Sequence[str] = LAYOUTS,
    announce: Callable[[str], None] = lambda _: None,
) -> Made:
    """Each variant of the model in each layout; compiled ones in the first alone, since a compiler chooses its own.

    Args:
        model: torch's; it stays as it is.
        variants, compiled: as those of torchconv.bench.variants; the first is torch itself.
        layouts: of torchconv.bench.layers.LAYOUTS.
        announce: is told what comes next.

    Raises:
        TorchconvError: a variant cannot be made; it names the variant.
    """
    wanted = [(name, make, layout) for name, make in variants for layout in layouts]
    wanted += [(name, make, layouts[0]) for name, make in compiled]
    made: Made = {}
    for name, make, layout in wanted:
        announce(f"{name}, {layout}")
        try:
            made[name, layout] = make(in_layout(layout, model))
        except Exception as error:  # whatever the model's own code or a variant raises
            raise failed(f"{name}: the model cannot be made", error) from error
    return made


def failed(what: str, error: Exception) -> TorchconvError:
    """The error to raise where someone's model raised `error`: one line of it."""
    text = (str(error).strip() or "no message").splitlines()[0]
    return TorchconvError(f"{what}: {type(error).__name__}: {text}")


def _call(model: nn.Module, inputs: Sequence[Any], training: bool) -> Callable[[], object]:
    if training:
        return lambda: training_step(model, inputs)

    def inference() -> object:
        with torch.no_grad():
            return model(*inputs)

    return inference


def measure_networks(
    made: Made,
    inputs: Sequence[Any],
    training: bool = False,
    samples: int = 5,
    limit: float = 20.0,
    announce: Callable[[str], None] = lambda _: None,
) -> dict[str, NetworkFigures]:
    """Times each variant of a model and compares its results.

    Args:
        made: what prepare gave, with the model in training mode or not.
        inputs: its positional arguments.
        training: forward and backward, instead of forward alone.
        samples, limit: as in torchconv.timing.measure.
        announce: is told what comes next.

    Raises:
        TorchconvError: a variant fails with these inputs; it names the variant.
    """
    arranged = {to: converted_inputs(inputs, partial(tensor_in_layout, to)) for _, to in made}
    calls = {key: _call(network, arranged[key[1]], training) for key, network in made.items()}
    for (name, layout), call in calls.items():
        announce(f"{name}, {layout}: first call")
        try:
            call()
        except Exception as error:  # whatever the model's own code or a compiler raises
            raise failed(f"{name}: the model failed on its input", error) from error
    announce("timing the network")
    figures = {name: NetworkFigures() for name, _ in made}
    for (name, layout), timing in measure(calls, samples, limit).items():
        figures[name].seconds[layout] = timing.seconds
        figures[name].clean_samples.append(timing.clean)
    announce("comparing results")
    if training:
        _compare_gradients(figures, made, arranged)
    else:
        _compare_results(figures, made, arranged)
    return figures


@torch.no_grad()
def _compare_results(figures: dict[str, NetworkFigures], made: Made, arranged: dict[str, list[Any]]) -> None:
    theirs, first = next(iter(made))
    exact = results(copy.deepcopy(made[theirs, first]).double(), converted_inputs(arranged[first], Tensor.double))
    for name, found in figures.items():
        pairs = zip(results(made[name, first], arranged[first]), exact)
        found.error = max((relative_error(got, wanted) for got, wanted in pairs), default=0.0)


def _compare_gradients(figures: dict[str, NetworkFigures], made: Made, arranged: dict[str, list[Any]]) -> None:
    """With torch's in the first layout; torch itself in the last one shows how much is rounding."""
    theirs, first = next(iter(made))
    last = list(arranged)[-1]
    wanted = {n: g.clone() for n, g in training_step(made[theirs, first], arranged[first]).items()}
    for name, found in figures.items():
        layout = last if name == theirs else first
        if not isinstance(made[name, first], torch._dynamo.OptimizedModule) and (name, layout) != (theirs, first):
            errors = relative_errors(training_step(made[name, layout], arranged[layout]), wanted)
            found.gradients_apart = next(iter(errors.values()), 0.0)
