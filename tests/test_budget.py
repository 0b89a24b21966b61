"""What an error budget lets through, of a stride with a dilation: direct sums alone can do that."""

import pytest
import torch

import torchconv
from torchconv import _C, TorchconvError


def chosen(algo: str, dtype: str = "float32") -> list[str]:
    candidates = _C.explain("fwd", [1, 64, 8, 8], [64, 64, 3, 3], [2, 2], [2] * 4, [2, 2], 1, algo, dtype)
    return [c["algo"] for c in candidates if c["chosen"]]


def predicted(algo: str) -> float:
    candidates = _C.explain("fwd", [1, 64, 8, 8], [64, 64, 3, 3], [2, 2], [2] * 4, [2, 2], 1, algo)
    return next(c["error"] for c in candidates if c["chosen"])


@pytest.mark.parametrize("level", ["auto", "auto:balanced", "auto:exact", "auto:direct"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_a_named_level_always_lets_direct_sums_through(level: str, dtype: str) -> None:
    assert len(chosen(level, dtype)) == 1


def test_a_number_binds_direct_rows_too() -> None:
    loose, tight = predicted("im2col"), predicted("reference")
    assert tight < loose
    assert chosen(f"auto:{loose * 1.01}") == ["im2col"]
    assert chosen(f"auto:{loose * 0.99}") == ["reference"]


def test_a_budget_that_no_row_meets_raises_with_every_reason() -> None:
    x, w = torch.randn(1, 64, 8, 8), torch.randn(64, 64, 3, 3)
    message = r"im2col: predicted error.*\n.*strassen: .*\n(.*winograd.: .*\n){4}.*reference: predicted error"
    with pytest.raises(TorchconvError, match=message):
        torchconv.conv2d(x, w, padding=1, algo="auto:1e-9")
