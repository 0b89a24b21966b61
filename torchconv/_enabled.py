"""enabled(): unmodified code runs on torchconv.

torch's convolutions all come down to two operators, aten::convolution and its backward. While at least one enabled() is
open they have a kernel of ours on the CPU (and on CUDA, once there are rows for it); autograd, autocast and transforms
stay torch's own, above it. What torchconv does not have goes on to torch's kernel, and is counted.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._prims_common import suggest_memory_format

from torchconv import _C, plan
from torchconv._direct import Kernels
from torchconv.errors import TorchconvError

_DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
_Ints = Sequence[int]


class _Geometry:
    """A convolution's window as torchconv's operators take it, from torch's lists of one entry or one per dimension."""

    def __init__(self, d: int, stride: _Ints, padding: _Ints, dilation: _Ints, groups: int) -> None:
        self.stride, self.padding, self.dilation = (
            list(v) * d if len(v) == 1 else list(v) for v in (stride, padding, dilation)
        )
        sides = [p for p in self.padding for _ in range(2)]
        self.rest = (self.stride, sides, self.dilation, groups, plan.default_algo)

    def transposed_size(self, x: Tensor, w: Tensor, output_padding: _Ints, groups: int) -> list[int]:
        extra = list(output_padding) * len(self.stride) if len(output_padding) == 1 else output_padding
        window = zip(x.shape[2:], w.shape[2:], self.stride, self.padding, self.dilation, extra, strict=True)
        sizes = [(n - 1) * s - 2 * p + dil * (k - 1) + 1 + e for n, k, s, p, dil, e in window]
        return [x.shape[0], w.shape[1] * groups, *sizes]


def _why_not(x: Tensor, w: Tensor, *others: Tensor | None) -> str:
    """Why torch's own kernel has to run this, or ""."""
    for t in (x, w, *others):
        if t is None:
            continue
        if t.layout != torch.strided:
            return f"layout {str(t.layout).removeprefix('torch.')}"
        if t.dtype not in _DTYPES:
            return f"dtype {str(t.dtype).removeprefix('torch.')}"
        if t.dtype != x.dtype or t.device != x.device:
            return "operands of different dtypes or devices"
    if w.dim() not in (3, 4, 5):
        return f"{w.dim() - 2}-D"
    if x.dim() != w.dim():
        return "operands of different dimensions"
    if w.dim() == 3 and not w.is_contiguous():
        return "1-D weights in another order than contiguous"  # torch runs them as 2-D, and gives y their order
    return ""


_CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


def _memory_format(x: Tensor, w: Tensor, *window: Any) -> torch.memory_format:
    """What torch's own kernel for these operands gives its results."""
    last = _CHANNELS_LAST.get(x.dim())
    if last is None or all(t.is_contiguous() and not t.is_contiguous(memory_format=last) for t in (x, w)):
        return torch.contiguous_format
    backend = torch._C._select_conv_backend(x, w, None, *window, None)
    return torch._C._conv_determine_backend_memory_format(x, w, backend)


def _in_format(t: Tensor, memory_format: torch.memory_format) -> Tensor:
    """t in a memory format that its strides say too: those of dimensions of size 1 may say anything."""
    t = t.contiguous(memory_format=memory_format)
    if memory_format != torch.contiguous_format and suggest_memory_format(t) != memory_format:
        t = t.as_strided(t.shape, torch.empty(t.shape, device="meta").to(memory_format=memory_format).stride())
    return t


class _Override:
    """Our kernels for the two operators on one device, and torch's."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.keys = torch._C.DispatchKeySet(getattr(torch._C.DispatchKey, device))
        self.ours = Kernels(device)
        self.torchs = {
            name: torch.library.get_kernel(f"aten::{name}", device) for name in ("convolution", "convolution_backward")
        }

    def register(self, library: torch.library.Library) -> None:
        library.impl("convolution", self.convolution, self.device)
        library.impl("convolution_backward", self.convolution_backward, self.device)

    def delegate(self, name: str, why: str, *args: Any) -> Any:
        _count(f"{name}: {why}")
        return self.torchs[name].call_boxed(self.keys, *args)

    def convolution(
        self, x: Tensor, w: Tensor, bias: Tensor | None, stride: _Ints, padding: _Ints, dilation: _Ints,
        transposed: bool, output_padding: _Ints, groups: int,
    ) -> Tensor:  # fmt: skip
        if torch._C._get_tracing_state() is not None:  # the tracer records what runs below this one, and not this
            instead = "which would keep its result as a constant; trace convert(model), or use torch.export"
            raise TorchconvError(f"enabled(): expected no convolution under torch.jit.trace, {instead}")
        why = _why_not(x, w, bias)
        if why:
            args = (x, w, bias, stride, padding, dilation, transposed, output_padding, groups)
            return self.delegate("convolution", why, *args)
        _count()
        geometry = _Geometry(w.dim() - 2, stride, padding, dilation, groups)
        window = (stride, padding, dilation, transposed, output_padding, groups)
        x = _in_format(x, _memory_format(x, w, *window))
        if not transposed:
            return self.ours.conv_fwd(x, w, bias, *geometry.rest)
        size = geometry.transposed_size(x, w, output_padding, groups)
        return self.ours.conv_grad_input(x, w, bias, size, *geometry.rest)

    def convolution_backward(
        self, grad_y: Tensor, x: Tensor, w: Tensor, bias_sizes: _Ints | None, stride: _Ints, padding: _Ints,
        dilation: _Ints, transposed: bool, output_padding: _Ints, groups: int, mask: Sequence[bool],
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:  # fmt: skip
        why = _why_not(x, w, grad_y)
        if why:
            args = (grad_y, x, w, bias_sizes, stride, padding, dilation, transposed, output_padding, groups, mask)
            return self.delegate("convolution_backward", why, *args)
        _count()
        rest = _Geometry(w.dim() - 2, stride, padding, dilation, groups).rest
        window = (stride, padding, dilation, transposed, output_padding, groups)
        memory_format = _memory_format(x, w, *window)
        grad_y, x = _in_format(grad_y, memory_format), _in_format(x, memory_format)
        grad_x = grad_w = grad_b = None
        if mask[0] and transposed:
            grad_x = self.ours.conv_fwd(grad_y, w, None, *rest)
        elif mask[0]:
            grad_x = self.ours.conv_grad_input(grad_y, w, None, x.shape, *rest)
        if mask[1]:
            image, result = (grad_y, x) if transposed else (x, grad_y)
            grad_w = self.ours.conv_grad_weight(image, result, w.shape, *rest)
        if mask[2]:
            grad_b = grad_y.sum([0, *range(2, grad_y.dim())])
        return grad_x, grad_w, grad_b


_lock = threading.Lock()
_open = 0
_library: torch.library.Library | None = None
_calls: Counter[str] = Counter()  # by reason of delegation; "" for those that torchconv ran
_overrides: list[_Override] = []


def _count(why: str = "") -> None:
    with _lock:
        _calls[why] += 1


def _enter() -> None:
    global _open, _library
    with _lock:
        _open += 1
        if _open > 1:
            return
        if not _overrides:
            devices = {device for _, _, device in _C.rows()}
            _overrides.extend(_Override(device.upper()) for device in sorted(devices))
        _library = torch.library.Library("aten", "IMPL")
        for override in _overrides:
            override.register(_library)


def _leave() -> None:
    global _open, _library
    with _lock:
        _open -= 1
        if _open == 0 and _library is not None:
            _library._destroy()
            _library = None


@contextmanager
def enabled() -> Iterator[None]:
    """Within it, convolutions of unmodified code run on torchconv: torch.nn.functional, modules, and their backward.

    It holds for the whole process, all threads, may be nested, and serves as a decorator too. A backward that runs
    after it has ended uses torch's kernel, with the same result. It costs about 40 us per call, which convert() does
    not; under torch.compile, too, convert() is the better way.

    What torchconv does not have, such as integers, runs on torch's kernel; stats() counts it.

    Raises:
        TorchconvError: within it, a convolution has wrong arguments, or is traced by torch.jit.trace.

    Example:
        >>> import torch, torchconv
        >>> model, x = torch.nn.Conv2d(3, 8, 3), torch.ones(1, 3, 10, 10)
        >>> former = torchconv.stats(reset=True)
        >>> with torchconv.enabled():
        ...     y = model(x)
        >>> torchconv.stats()["torchconv"]
        1
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def stats(reset: bool = False) -> dict[str, Any]:
    """How many convolutions ran within enabled(), forward and backward calls each counted once.

    Args:
        reset: count anew from now on.

    Returns:
        A dict with how many torchconv ran, under "torchconv", and how many torch's own kernel ran by operator and
        reason, under "delegated".

    Raises:
        TorchconvError: `reset` is not a bool.

    Example:
        >>> import torchconv
        >>> sorted(torchconv.stats())
        ['delegated', 'torchconv']
    """
    if not isinstance(reset, bool):
        raise TorchconvError(f"reset: expected True or False, got {reset!r}")
    with _lock:
        counts = {"torchconv": _calls[""], "delegated": {why: n for why, n in _calls.items() if why}}
        if reset:
            _calls.clear()
    return counts
