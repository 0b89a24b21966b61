"""convert() puts the convolutions and linear layers of a model on torchconv, revert() puts them back.

Only the class of a module changes, in place: Parameters, hooks, optimizers, shared modules and wrappers stay.
"""

import collections
import dataclasses
from typing import Any, TypeVar

import torch
from rich.table import Table
from torch.nn.modules.conv import _ConvNd
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from torchconv import _C, nn
from torchconv._redirect import redirected_class, redirected_from
from torchconv._text import Printable
from torchconv.errors import TorchconvError

ModuleT = TypeVar("ModuleT", bound=torch.nn.Module)

# What convert puts in the place of what, for modules of exactly these classes.
_TORCHCONV_CLASS: dict[type, type] = {
    torch.nn.Conv1d: nn.Conv1d,
    torch.nn.Conv2d: nn.Conv2d,
    torch.nn.Conv3d: nn.Conv3d,
    torch.nn.ConvTranspose1d: nn.ConvTranspose1d,
    torch.nn.ConvTranspose2d: nn.ConvTranspose2d,
    torch.nn.ConvTranspose3d: nn.ConvTranspose3d,
    torch.nn.LazyConv1d: nn.LazyConv1d,
    torch.nn.LazyConv2d: nn.LazyConv2d,
    torch.nn.LazyConv3d: nn.LazyConv3d,
    torch.nn.LazyConvTranspose1d: nn.LazyConvTranspose1d,
    torch.nn.LazyConvTranspose2d: nn.LazyConvTranspose2d,
    torch.nn.LazyConvTranspose3d: nn.LazyConvTranspose3d,
    torch.nn.Linear: nn.Linear,
    torch.nn.LazyLinear: nn.LazyLinear,
}
_TORCH_CLASS = {ours: torchs for torchs, ours in _TORCHCONV_CLASS.items()}

# Set on a converted module, so that revert leaves alone those that were built as torchconv.nn modules.
_MARK = "_torchconv_converted"
_REPORT = "torchconv_report"
_DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


@dataclasses.dataclass(frozen=True)
class ConversionReport(Printable):
    """What convert did to a model. print() shows it as a table.

    Attributes:
        converted: name and class of every module that runs on torchconv.
        left_alone: name of every other module, with its class and the reason. The name of the model itself is "".

    Example:
        >>> import torch, torchconv
        >>> report = torchconv.convert(torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3))).torchconv_report
        >>> report.converted
        {'0': 'Conv2d'}
        >>> report.left_alone
        {'': 'Sequential: not a convolution'}
    """

    converted: dict[str, str]
    left_alone: dict[str, str]

    def __rich__(self) -> Table:
        table = Table("modules", "class", "", title=f"{len(self.converted)} modules run on torchconv")
        for cls, count in collections.Counter(self.converted.values()).most_common():
            table.add_row(str(count), cls, "on torchconv")
        table.add_section()
        for line, count in collections.Counter(self.left_alone.values()).most_common():
            cls, reason = line.split(": ", 1)
            table.add_row(str(count), cls, f"left alone: {reason}")
        return table


def convert(model: ModuleT) -> ModuleT:
    """Puts every convolution and linear layer of a model on torchconv, in place, and returns the model.

    Modules of torch.nn's classes become their torchconv.nn counterparts. A subclass of a convolution keeps its own
    forward, in which the calls of torch's convolution functions (torch.conv2d, torch.nn.functional.conv2d and so on)
    go to torchconv; one that torchconv does not have, such as torch.conv_tbc, raises when it is called.
    Only classes change: parameters, state_dict, hooks, parametrizations, pruning, optimizers and wrappers stay.
    Converting twice changes nothing more; revert() undoes it.

    Args:
        model: any module; it may hold uninitialised (lazy) modules and may be wrapped, as by DistributedDataParallel.

    Returns:
        The same model, with a ConversionReport as model.torchconv_report, which gives the reason for every module
        that was left alone.

    Raises:
        TorchconvError: model is not a torch.nn.Module.

    Example:
        >>> import torch, torchconv
        >>> model = torchconv.convert(torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU()))
        >>> type(model[0])
        <class 'torchconv.nn.conv.Conv2d'>
        >>> model.torchconv_report.left_alone["1"]
        'ReLU: not a convolution'
    """
    _check_module(model)
    converted, left_alone = {}, {}
    for name, module in model.named_modules():
        cls = parametrize.type_before_parametrizations(module)
        if _MARK in vars(module):
            converted[name] = cls.__name__
        elif reason := _reason_against(module, cls):
            left_alone[name] = f"{cls.__name__}: {reason}"
        else:
            _set_class(module, _TORCHCONV_CLASS.get(cls) or redirected_class(cls))
            setattr(module, _MARK, True)
            converted[name] = cls.__name__
    setattr(model, _REPORT, ConversionReport(converted, left_alone))
    return model


def revert(model: ModuleT) -> ModuleT:
    """Undoes convert(), in place, and returns the model; modules built as torchconv.nn modules stay what they are.

    Args:
        model: any module, converted or not.

    Returns:
        The same model, without the report of convert().

    Raises:
        TorchconvError: model is not a torch.nn.Module.

    Example:
        >>> import torch, torchconv
        >>> type(torchconv.revert(torchconv.convert(torch.nn.Conv2d(3, 8, 3))))
        <class 'torch.nn.modules.conv.Conv2d'>
    """
    _check_module(model)
    for module in model.modules():
        vars(module).pop(_REPORT, None)
        if vars(module).pop(_MARK, False):
            cls = parametrize.type_before_parametrizations(module)
            _set_class(module, _TORCH_CLASS.get(cls) or redirected_from(cls))
    return model


def _check_module(model: Any) -> None:
    if not isinstance(model, torch.nn.Module):
        raise TorchconvError(f"model: expected a torch.nn.Module, got {type(model).__name__}")


def _reason_against(module: torch.nn.Module, cls: type) -> str | None:
    """Why a module that was not converted cannot be, or None if it can."""
    if isinstance(module, torch.jit.ScriptModule):
        return "compiled by TorchScript"
    if issubclass(cls, tuple(_TORCH_CLASS)):
        return "computed by torchconv already"
    if issubclass(cls, torch.nn.Linear) and cls not in _TORCHCONV_CLASS:
        return "of linear layers, torchconv takes over torch.nn's own class and no subclasses"
    if not issubclass(cls, (_ConvNd, torch.nn.Linear)):
        return "not a convolution"
    if not issubclass(cls, tuple(_TORCHCONV_CLASS)):
        return "torchconv has modules for torch.nn's Conv1d to Conv3d and ConvTranspose1d to ConvTranspose3d only"
    if "forward" in vars(module):
        return "its forward was replaced on the instance, and what that calls is unknown"
    if cls not in _TORCHCONV_CLASS and any(map(is_lazy, module.parameters())):
        return "it is an uninitialised subclass and takes another class when it sees its first input; convert it then"
    for parameter in module.parameters():
        if parameter.dtype not in _DTYPES:
            return f"torchconv does not support {parameter.dtype}"
        if parameter.device.type not in _devices():
            return f"torchconv has no algorithm for device {parameter.device.type}"
    return None


def _devices() -> set[str]:
    return {"meta"} | {device for _, _, device in _C.rows()}


def _set_class(module: torch.nn.Module, cls: type) -> None:
    """Makes cls the class of a module, below the class that torch.nn.utils.parametrize gave it, if it did."""
    if parametrize.is_parametrized(module):
        injected = type(module)
        names = {name: value for name, value in vars(injected).items() if name not in ("__dict__", "__weakref__")}
        cls = type(injected.__name__, (cls,), names)
    module.__class__ = cls
