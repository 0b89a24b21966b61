"""`python -m torchconv tune`: tune() for a model or a file of shapes, in both memory layouts."""

import argparse
import json
from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import nn

from torchconv import _store
from torchconv.bench.layers import LAYOUTS, in_layout, tensor_in_layout
from torchconv.bench.networks import converted_inputs
from torchconv.bench.options import positive, seconds
from torchconv.bench.targets import BATCH, SIZE, Target, load
from torchconv.errors import TorchconvError
from torchconv.freeze import freeze
from torchconv.plan import LEVELS, precision
from torchconv.report import console
from torchconv.tune import Problem, measure_problems, problems_of


def add_options(command: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add = command.add_argument
    add("target", metavar="MODEL|SHAPES", help="resnet50 (torchvision's), file.py:function, or a file of shapes")
    add("--batch", type=positive, help=f"images in a batch (default: {BATCH}, or the file's own)")
    add("--size", type=positive, help=f"height and width of an image (default: {SIZE})")
    add("--threads", type=positive, default=torch.get_num_threads(), help="(default: torch's)")
    add("--layout", choices=("both", *LAYOUTS), default="both", help="memory layouts that the model will be used in")
    add("--train", action="store_true", help="both gradients too, in training mode")
    add("--freeze", action="store_true", help="what freeze() makes of the model too, which prepares its weights")
    add("--precision", choices=LEVELS, default="balanced", help="the loosest that will be used (default: balanced)")
    add("--samples", type=positive, default=7, help="timings of each algorithm (default: 7; the median counts)")
    add("--limit", type=seconds, default=1.0, help="seconds for each problem at most, once warm (default: 1)")
    add("--json", action="store_true", help="print JSON")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Measures what the options say, and prints it.

    Raises:
        TorchconvError: the target or an option is not what it should be, or the plans cannot be kept.
    """
    torch.set_num_threads(args.threads)
    _store.check_writable()
    target = load(args.target, args.batch, args.size, args.train)
    if args.freeze and (args.train or target.model is None):
        other = "--train, and a frozen model is for inference" if args.train else "a file of shapes, which has no model"
        raise TorchconvError(f"freeze: expected a model in inference, got {other}")
    layouts = LAYOUTS if args.layout == "both" else (args.layout,)
    with precision(args.precision):
        problems = [p for layout in layouts for p in _problems(target, layout, args.train, args.freeze)]
    found = measure_problems(problems, args.samples, args.limit, progress=True)
    if args.json:
        print(json.dumps(found.as_dict(), indent=2))
    else:
        console().print(found)


def _problems(target: Target, layout: str, train: bool, frozen: bool) -> Iterable[Problem]:
    models: list[tuple[nn.Module, Any]]
    if target.model is None:
        models = [(layer.conv, [layer.x.requires_grad_(train)]) for layer in target.layers]
    else:
        models = [(target.model, target.inputs)] + ([(freeze(target.model), target.inputs)] if frozen else [])
    for model, inputs in models:
        arranged = converted_inputs(inputs, partial(tensor_in_layout, layout))
        yield from problems_of(in_layout(layout, model), tuple(arranged), train)
