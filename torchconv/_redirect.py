"""User classes whose forward calls torch's convolution functions, made to reach torchconv."""

import copyreg
import functools
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from torchconv import functional

# torch.nn.functional has these very objects under the same names.
_REDIRECTED = {
    torch.conv1d: functional.conv1d,
    torch.conv2d: functional.conv2d,
    torch.conv_transpose1d: functional.conv_transpose1d,
    torch.conv_transpose2d: functional.conv_transpose2d,
}


class _RedirectMode(TorchFunctionMode):
    """Such a mode belongs to one thread, reaches whatever is called inside it, and is understood by torch.compile."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _REDIRECTED.get(func, func)(*args, **(kwargs or {}))


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
