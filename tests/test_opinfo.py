"""torch's own samples and error inputs for its convolutions, run on torchconv."""

import pytest
import torch
from torch.testing import assert_close
from torch.testing._internal.common_methods_invocations import op_db

import torchconv

OPS = {
    "nn.functional.conv1d": torchconv.conv1d,
    "nn.functional.conv2d": torchconv.conv2d,
    "nn.functional.conv3d": torchconv.conv3d,
    "nn.functional.conv_transpose1d": torchconv.conv_transpose1d,
    "nn.functional.conv_transpose2d": torchconv.conv_transpose2d,
    "nn.functional.conv_transpose3d": torchconv.conv_transpose3d,
    "nn.functional.unfold": torchconv.unfold,
}
OPINFOS = [op for op in op_db if op.name in OPS]
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]


def value_and_gradients(function, sample, change):
    operands = [change(t) if isinstance(t, torch.Tensor) else t for t in (sample.input, *sample.args)]
    y = function(*operands, **sample.kwargs)
    return [y, *torch.autograd.grad(y, [t for t in operands if isinstance(t, torch.Tensor)], torch.ones_like(y))]


def tolerance(name, exact, dtype):
    """torch's own, but where the terms of long sums in float32 cancel: torch is beyond it there too, in 3-D."""
    if dtype != torch.float32 or exact.numel() == 0 or not name.endswith("3d"):
        return {}
    return {"rtol": 1.3e-6, "atol": max(1e-5, 2e-6 * exact.abs().max().item())}


def test_torch_has_samples_for_every_function():
    assert {op.name for op in OPINFOS} == set(OPS)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("op", OPINFOS, ids=lambda op: op.name)
def test_samples(op, dtype):
    for sample in op.sample_inputs("cpu", dtype, requires_grad=True):
        y, *grads = value_and_gradients(OPS[op.name], sample, lambda t: t)
        # Against torch in float64: in float16 torch itself is further from it than its own tolerance.
        expected = value_and_gradients(op, sample, lambda t: t.detach().double().requires_grad_())
        assert y.dtype == dtype
        for ours, exact in zip([y, *grads], expected, strict=True):
            assert_close(ours, exact.to(dtype), **tolerance(op.name, exact, dtype))


@pytest.mark.parametrize("op", [op for op in OPINFOS if op.error_inputs_func is not None], ids=lambda op: op.name)
def test_error_inputs(op):
    errors = [e for e in op.error_inputs("cpu") if "is not supported for strided" not in e.error_regex]  # here it is
    assert errors
    for error in errors:
        sample = error.sample_input
        with pytest.raises(
            torchconv.TorchconvError, match=r"^(x|w|bias|stride|padding|dilation|groups): expected .*got "
        ):
            OPS[op.name](sample.input, *sample.args, **sample.kwargs)
