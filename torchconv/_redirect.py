"""User classes whose forward calls torch's convolution functions, made to reach torchconv."""

import copyreg
import functools
from collections.abc import Callable
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from torchconv import functional
from torchconv.errors import TorchconvError


def _convolution(
    input: Tensor, weight: Tensor, bias: Any, stride: Any, padding: Any, dilation: Any,
    transposed: bool, output_padding: Any, groups: int,
) -> Tensor:  # fmt: skip
    """torch.convolution, which is all of them in one."""
    d = weight.dim() - 2
    if d not in (1, 2, 3):
        _refuse("convolution")
    if transposed:
        transpose = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)[d - 1]
        return transpose(input, weight, bias, stride, padding, output_padding, groups, dilation)
    conv = (functional.conv1d, functional.conv2d, functional.conv3d)[d - 1]
    return conv(input, weight, bias, stride, padding, dilation, groups)


def _refuse(name: str, *args: Any, **kwargs: Any) -> NoReturn:
    expected = "a 1-D, 2-D or 3-D convolution in the forward of a converted module"
    raise TorchconvError(f"torch.{name}: expected {expected}, got one that torchconv does not have")


def _replacements() -> dict[Any, Callable[..., Any]]:
    """What is called for each convolution that torch has, as a function and as an operator.

    torch.nn.functional has the very objects that torch has.
    """
    ours = {
        "conv1d": functional.conv1d,
        "conv2d": functional.conv2d,
        "conv3d": functional.conv3d,
        "conv_transpose1d": functional.conv_transpose1d,
        "conv_transpose2d": functional.conv_transpose2d,
        "conv_transpose3d": functional.conv_transpose3d,
        "convolution": _convolution,
    }
    found: dict[Any, Callable[..., Any]] = {}
    for name in dir(torch):
        if "conv" in name and "convert" not in name and hasattr(torch.ops.aten, name):
            operator = getattr(torch.ops.aten, name)
            overloads = (getattr(operator, overload) for overload in operator.overloads())
            replacement = ours.get(name) or functools.partial(_refuse, name)
            found.update(dict.fromkeys((getattr(torch, name), operator, *overloads), replacement))
    return found


_REPLACEMENTS = _replacements()


class _RedirectMode(TorchFunctionMode):
    """Such a mode belongs to one thread, reaches whatever is called inside it, and is understood by torch.compile."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _REPLACEMENTS.get(func, func)(*args, **(kwargs or {}))


class _Redirected:
    """Comes before a user's class among the bases of the class that redirected_class makes."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        with _RedirectMode():
            return super().forward(*args, **kwargs)  # type: ignore[misc]

    def __reduce_ex__(self, protocol: Any) -> Any:
        # The class exists in this process only: pickle and deepcopy make it again from the user's class.
        reduced: Any = super().__reduce_ex__(max(protocol, 2))
        make, args, *state = reduced
        if make is copyreg.__newobj__:  # type: ignore[attr-defined]
            make, args = _new_redirected, (redirected_from(args[0]), *args[1:])
        return (make, args, *state)


@functools.cache
def redirected_class(cls: type) -> type:
    """A subclass of `cls`, under the same name, whose forward runs torchconv in the place of torch's convolutions."""
    names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    return type(cls)(cls.__name__, (_Redirected, cls), names)


def redirected_from(redirected: type) -> type:
    """The class that redirected_class was given."""
    return redirected.__bases__[1]


def _new_redirected(cls: type, *args: Any) -> Any:
    redirected = redirected_class(cls)
    return redirected.__new__(redirected, *args)
