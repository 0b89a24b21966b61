"""Counts which library computes the convolutions."""

import re
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

# conv2d, convolution, mkldnn_convolution, convolution_backward, _slow_conv2d_forward ...; not convert.
_CONVOLUTION = re.compile("conv(?!ert)")


class CountConvolutions(TorchDispatchMode):
    """While it is entered, counts every convolution operator that reaches a backend, by library.

    A mode that watches takes eager calls off their shortest way: count in one run, and take results from another.

    Example:
        >>> import torch
        >>> with CountConvolutions() as count:
        ...     y = torch.conv1d(torch.ones(1, 1, 3), torch.ones(1, 1, 2))
        >>> count.aten, count.torchconv
        (1, 0)
    """

    def __init__(self) -> None:
        super().__init__()
        self.aten = 0
        self.torchconv = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "torchconv":
            self.torchconv += 1
        elif _CONVOLUTION.search(func.__name__):
            self.aten += 1
        return func(*args, **(kwargs or {}))
