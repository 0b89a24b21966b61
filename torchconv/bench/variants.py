"""The ways to run a model that are compared: each is a name, and a function that makes it of a copy of the model."""

from collections.abc import Callable

import torch
from torch import nn

from torchconv.convert import convert
from torchconv.freeze import freeze

Variant = tuple[str, Callable[[nn.Module], nn.Module]]


def unchanged(model: nn.Module) -> nn.Module:
    return model


def compiled(model: nn.Module) -> nn.Module:
    made: nn.Module = torch.compile(model)  # type: ignore[assignment]  # torch declares a function
    return made


# The first one is what the others are compared with.
TRAINING: list[Variant] = [("torch", unchanged), ("converted", convert)]
INFERENCE: list[Variant] = [*TRAINING, ("frozen", freeze)]
COMPILED: list[Variant] = [("torch, compiled", compiled), ("compiled", lambda model: compiled(convert(model)))]
