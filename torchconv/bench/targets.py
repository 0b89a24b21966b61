"""What `python -m torchconv bench` is asked to measure: a model of torchvision's, a model of the user's, or shapes."""

import difflib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from torchconv.bench.layers import Layer, layers_from, layers_of
from torchconv.bench.networks import failed, results
from torchconv.errors import TorchconvError
from torchconv.report import require
from torchconv.timing import read_shapes

BATCH, SIZE = 8, 224
# torchvision's folders of models that take one batch of images.
_FOLDERS = ("", "segmentation")


@dataclass
class Target:
    """A model with its inputs, or the layers of a file alone."""

    name: str
    model: nn.Module | None
    inputs: Sequence[Any]
    layers: list[Layer]

    @property
    def convolutions(self) -> int:
        return sum(layer.count for layer in self.layers)


def load(target: str, batch: int | None, size: int | None, training: bool) -> Target:
    """Finds out what the target is, and runs a model once to see its convolutions.

    Args:
        target: a name in torchvision.models, file.py:function, or a file of shapes.
        batch: images in a batch; None stands for BATCH, for the example's own, or for the file's.
        size: their height and width; None stands for SIZE.
        training: whether the model is put into training mode.

    Raises:
        TorchconvError: it is none of these, or fails; the message says which part of it.
    """
    torch.manual_seed(0)
    if ":" in target:
        model, inputs = _from_file(target, batch, size)
    elif Path(target).is_file() and not target.endswith(".py"):
        if size is not None:
            raise TorchconvError("size: expected none beside a file of shapes, which has sizes of its own")
        return Target(Path(target).stem, None, (), layers_from(read_shapes(target, batch)))
    else:
        model, inputs = _from_torchvision(target), _images(batch, size)
    model.train(training)
    return Target(Path(target).name, model, inputs, _layers(target, model, inputs, training))


def _layers(target: str, model: nn.Module, inputs: Sequence[Any], training: bool) -> list[Layer]:
    try:
        with torch.no_grad():
            found = results(model, inputs)  # lazy modules take their sizes here
        layers = layers_of(model, inputs, training)
    except Exception as error:  # whatever the model's own code raises
        sizes = ", ".join(str(list(x.shape)) if isinstance(x, Tensor) else type(x).__name__ for x in inputs)
        raise failed(f"{target}: the model failed on its input, {sizes}", error) from error
    if not found:
        raise TorchconvError(f"{target}: expected a model that returns floating tensors, got none")
    if not layers:
        raise TorchconvError(f"{target}: expected a model with convolutions, got none that ran")
    return layers


def _images(batch: int | None, size: int | None) -> list[Tensor]:
    return [torch.randn(batch or BATCH, 3, size or SIZE, size or SIZE)]


def _from_torchvision(name: str) -> nn.Module:
    expected = "expected a model of torchvision as resnet50, file.py:function, or a file of shapes"
    if name.endswith(".py"):
        raise TorchconvError(f"MODEL: {expected}, got {name!r} without :function")
    if "/" in name or "." in name:
        raise TorchconvError(f"MODEL: {expected}, got {name!r}, which is no file")
    require(f"the model {name}", {"torchvision": "torchvision"})
    from torchvision import models

    known = models.list_models()
    if name not in known:
        close = ", ".join(difflib.get_close_matches(name, known, 3))
        raise TorchconvError(f"MODEL: {expected}, got {name!r}" + (f"; did you mean {close}?" if close else ""))
    builder = models.get_model_builder(name)
    folder = builder.__module__.removeprefix("torchvision.models").strip(".").split(".")[0]
    if folder in ("detection", "video", "optical_flow", "quantization"):
        raise TorchconvError(
            f"MODEL: {name} does not take one batch of float images; expected one that does, or file.py:function "
            "that returns (model, example_input)"
        )
    # inception_v3 and googlenet would spend minutes on drawing weights of their own kind.
    quick = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    return builder(weights=None, **({"weights_backbone": None} if folder == "segmentation" else {}), **quick)


def _from_file(target: str, batch: int | None, size: int | None) -> tuple[nn.Module, Sequence[Any]]:
    path, name = target.rsplit(":", 1)
    function = _function(Path(path), name)
    made = _run(f"{target}: {name}()", Path(path), function)
    model, example = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(model, nn.Module):
        got = f"({', '.join(type(m).__name__ for m in made)})" if isinstance(made, tuple) else type(made).__name__
        raise TorchconvError(f"{target}: expected {name}() to return a model or (model, example_input), got {got}")
    if example is None:
        return model, _images(batch, size)
    if batch is not None or size is not None:
        option = "batch" if batch is not None else "size"
        raise TorchconvError(f"{option}: expected none, since {name}() gives an example input of its own")
    inputs = list(example) if isinstance(example, tuple | list) else [example]
    if not any(isinstance(x, Tensor) for x in inputs):
        raise TorchconvError(
            f"{target}: expected example_input to be a tensor or a tuple, got {type(example).__name__}"
        )
    return model, inputs


def _function(path: Path, name: str) -> Callable[[], Any]:
    if not path.is_file():
        raise TorchconvError(f"MODEL: expected a Python file before the colon, got {str(path)!r}, which is no file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise TorchconvError(f"MODEL: expected a file whose name ends with .py, got {str(path)!r}")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent.resolve()))  # as for a script: it may import what lies beside it
    _run(f"{path}", path, partial(spec.loader.exec_module, module))
    function = getattr(module, name, None)
    if not callable(function):
        others = [n for n, thing in vars(module).items() if callable(thing) and not n.startswith("_")]
        has = f"; it has {', '.join(others)}" if others else ""
        raise TorchconvError(f"{path}: expected a function named {name}, got none{has}")
    return function


def _run(what: str, path: Path, call: Callable[[], Any]) -> Any:
    """Runs code of the user's; where it raises, the error names the line."""
    try:
        return call()
    except Exception as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).resolve() == path.resolve()]
        line = f" (line {frames[-1].lineno})" if frames else ""
        raise failed(f"{what} failed{line}", error) from error
