"""What stays of the memory of freed results: set_idle_memory_limit, idle_memory."""

from torchconv import _C
from torchconv.errors import TorchconvError


def idle_memory() -> int:
    """How many bytes of freed results stay for later ones, in the whole process.

    Example:
        >>> import torch, torchconv
        >>> y = torchconv.conv2d(torch.ones(1, 16, 256, 256), torch.ones(16, 16, 1, 1))
        >>> before = torchconv.idle_memory()
        >>> del y
        >>> torchconv.idle_memory() - before >= 16 * 256 * 256 * 4
        True
    """
    return _C.idle_memory()


def set_idle_memory_limit(limit: int) -> None:
    """Sets how many bytes of freed results may stay for later ones, in the whole process.

    On the CPU, memory of 1 MiB and more that a result of torchconv leaves is kept for the next result of about that
    size: fresh memory comes from the system page by page, which can take longer than the convolution. What is beyond
    the limit goes back to the system at once, the oldest first. A result that is larger than the limit is allocated by
    torch. So are all with torch before 2.11, which cannot hand such memory on. What lies in kept memory cannot be
    made larger in place: for that y.resize_() raises, and y.clone() is as any other tensor.

    Args:
        limit: bytes; 0 keeps nothing. At the start, a sixteenth of the memory of the machine or container, up to 1 GiB.

    Raises:
        TorchconvError: the limit is no whole number from 0 on.

    Example:
        >>> import torchconv
        >>> torchconv.set_idle_memory_limit(0)
        >>> torchconv.idle_memory()
        0
        >>> torchconv.set_idle_memory_limit(1 << 30)
    """
    if not isinstance(limit, int) or isinstance(limit, bool) or not 0 <= limit < 1 << 63:
        raise TorchconvError(f"limit: expected a number of bytes, got {limit!r}")
    _C.set_idle_memory_limit(limit)
