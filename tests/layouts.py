"""The same values in other strides."""

import torch
from torch import Tensor


def lay_out(t: Tensor, layout: str) -> Tensor:
    """nchw, nhwc (for 3-D tensors too: channels innermost), or strided: every second element of a larger tensor."""
    if layout == "nhwc":
        order = (0, *range(2, t.dim()), 1)
        return t.permute(order).contiguous().permute([order.index(i) for i in range(t.dim())])
    if layout == "strided":
        wide = torch.full([2 * n + 1 for n in t.shape], torch.nan, dtype=t.dtype, device=t.device)
        inner = wide[tuple(slice(1, None, 2) for _ in t.shape)]
        return inner.copy_(t)
    return t.contiguous()
