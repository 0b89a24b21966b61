"""float16 and bfloat16 in im2col: every bit pattern, one rounding per result, and sums in float32."""

import pytest
import torch

from torchconv import _C, ops

DTYPES = [torch.float16, torch.bfloat16]
FORMATS = [torch.contiguous_format, torch.channels_last]


@pytest.fixture(params=["baseline", "avx2", "avx512", "avx512_bf16"])
def isa(request):
    _C.set_max_isa(request.param)
    if _C.current_isa() != request.param:
        pytest.skip(f"this CPU has no {request.param}")
    return request.param


def every_pattern(dtype):
    """All 65,536 values as an image of 32 channels: enough for whole vectors, and for the tail of a panel."""
    return torch.arange(2**16, dtype=torch.int32).to(torch.uint16).view(dtype).reshape(1, 32, 32, 64)


def flushed(t):
    """Zeros for subnormal numbers, as the BF16 instructions have it."""
    return t.where(~(t.abs() < torch.finfo(t.dtype).smallest_normal), 0.0)


def pointwise(x, w, bias=None):
    return ops.conv_fwd(x, w, bias, [1, 1], [0] * 4, [1, 1], x.shape[1], "im2col")


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("factor", [1.0, 1.5, -0.37, 2.0**-8])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_value_is_read_and_rounded_as_torch_does(dtype, factor, memory_format, isa):
    x = every_pattern(dtype).contiguous(memory_format=memory_format)
    w = torch.full((32, 1, 1, 1), factor, dtype=dtype)
    flush = flushed if isa == "avx512_bf16" and dtype == torch.bfloat16 else lambda t: t
    expected = flush(flush(x).float() * w[0].float()).to(dtype)
    assert torch.equal(pointwise(x, w).nan_to_num(12345), expected.nan_to_num(12345))


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_bias_is_added_before_the_rounding(dtype, isa):
    x, w = torch.ones(1, 8, 5, 7, dtype=dtype), torch.ones(16, 8, 1, 1, dtype=dtype)
    bias = torch.full((16,), torch.finfo(dtype).eps * 4, dtype=dtype)  # half of the last digit of 8
    y = ops.conv_fwd(x, w, bias, [1, 1], [0] * 4, [1, 1], 1, "im2col")
    assert torch.equal(y, (torch.full_like(y, 8).float() + bias[0].float()).to(dtype))


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_are_in_float32(dtype, memory_format, isa):
    # 4,096 ones and then some: a sum kept in the type itself would stick at 256 or 2,048.
    x = torch.ones(1, 4100, 3, 3, dtype=dtype).contiguous(memory_format=memory_format)
    w = torch.ones(16, 4100, 1, 1, dtype=dtype)
    rest = ([1, 1], [0] * 4, [1, 1], 1, "im2col")
    y = ops.conv_fwd(x, w, None, *rest)
    assert torch.equal(y, torch.full((1, 16, 3, 3), 4100.0).to(dtype))
    g = torch.ones(5, 3, 30, 30, dtype=dtype).contiguous(memory_format=memory_format)
    grad_w = ops.conv_grad_weight(g, g, [3, 3, 1, 1], *rest)
    assert torch.equal(grad_w, torch.full((3, 3, 1, 1), 4500.0).to(dtype))
