"""unfold and fold against torch.nn.functional, and as each other's adjoint."""

import pytest
import torch
from torch.nn import functional as F

unfold = torch.ops.torchconv.unfold
fold = torch.ops.torchconv.fold

DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]

# name: N C H W, kernel, stride, padding (top bottom left right), dilation
CASES = {
    "plain": ((2, 3, 7, 9), (3, 3), (1, 1), (1, 1, 1, 1), (1, 1)),
    "one pixel": ((1, 1, 1, 1), (1, 1), (1, 1), (0, 0, 0, 0), (1, 1)),
    "even kernel": ((2, 5, 8, 6), (2, 4), (1, 1), (0, 1, 2, 1), (1, 1)),
    "stride beyond the kernel": ((1, 3, 17, 19), (2, 1), (5, 3), (1, 0, 0, 2), (1, 1)),
    "dilated": ((3, 2, 12, 11), (3, 2), (2, 1), (2, 2, 3, 3), (2, 3)),
    "kernel beyond the input": ((2, 3, 2, 3), (5, 7), (1, 2), (2, 3, 3, 2), (1, 1)),
    "padding beyond the kernel": ((1, 2, 3, 4), (2, 2), (1, 3), (6, 5, 7, 6), (1, 1)),
    "row longer than one piece": ((1, 2, 5, 700), (3, 5), (1, 1), (1, 1, 2, 2), (1, 1)),
    "long strided row": ((1, 1, 4, 523), (1, 3), (1, 4), (0, 0, 0, 1), (1, 2)),
    "many threads": ((4, 17, 20, 21), (3, 3), (1, 1), (1, 1, 1, 1), (1, 1)),
}


def integers(size, dtype):
    """Small integers: every sum of a few of them is exact in every dtype."""
    return torch.randint(-4, 5, size).to(dtype)


def torch_unfold(x, kernel, stride, padding, dilation):
    top, bottom, left, right = padding
    return F.unfold(F.pad(x, (left, right, top, bottom)), kernel, dilation=dilation, stride=stride)


def torch_fold(columns, size, kernel, stride, padding, dilation):
    top, bottom, left, right = padding
    padded = (size[0] + top + bottom, size[1] + left + right)
    return F.fold(columns, padded, kernel, dilation=dilation, stride=stride)[
        :, :, top : top + size[0], left : left + size[1]
    ]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_matches_torch(name, dtype):
    size, *window = CASES[name]
    for memory_format in (torch.contiguous_format, torch.channels_last):
        x = integers(size, dtype).to(memory_format=memory_format)
        columns = unfold(x, *window)
        assert columns.is_contiguous() and columns.dtype == dtype
        torch.testing.assert_close(columns, torch_unfold(x, *window), rtol=0, atol=0)
    back = fold(columns, size[2:], *window)
    assert back.is_contiguous() and back.dtype == dtype
    expected = torch_fold(columns.double(), size[2:], *window).to(dtype)
    torch.testing.assert_close(back, expected, rtol=0, atol=0)


def test_fold_sums_16_bit_types_in_float():
    # 64 ones and one 256: in bfloat16 itself the sum would stick at 256.
    columns = torch.ones(1, 65, 65, dtype=torch.bfloat16)
    columns[0, 0] = 256
    x = fold(columns, (65, 1), (65, 1), (1, 1), (32, 32, 0, 0), (1, 1))
    expected = torch_fold(columns.double(), (65, 1), (65, 1), (1, 1), (32, 32, 0, 0), (1, 1))
    torch.testing.assert_close(x, expected.bfloat16(), rtol=0, atol=0)


@pytest.mark.parametrize("name", CASES)
def test_adjoint(name):
    size, *window = CASES[name]
    x = torch.randn(size, dtype=torch.float64)
    columns = unfold(x, *window)
    other = torch.randn_like(columns)
    torch.testing.assert_close((columns * other).sum(), (x * fold(other, size[2:], *window)).sum())


@pytest.mark.parametrize("view", ["sliced", "expanded", "transposed"])
def test_non_contiguous_input(view):
    window = ((3, 2), (2, 1), (1, 1, 0, 1), (1, 1))
    x = {
        "sliced": lambda: torch.randn(2, 3, 20, 9)[:, :, ::2],
        "expanded": lambda: torch.randn(2, 1, 1, 9).expand(2, 3, 10, 9),
        "transposed": lambda: torch.randn(2, 3, 9, 10).transpose(2, 3),
    }[view]()
    assert not x.is_contiguous()
    columns = unfold(x, *window)
    torch.testing.assert_close(columns, torch_unfold(x, *window), rtol=0, atol=0)
    turned = columns.transpose(1, 2).contiguous().transpose(1, 2)
    torch.testing.assert_close(fold(turned, (10, 9), *window), torch_fold(columns, (10, 9), *window))


@pytest.mark.parametrize("size", [(0, 3, 5, 5), (2, 0, 5, 5), (2, 3, 0, 5), (2, 3, 5, 0)])
def test_empty(size):
    window = ((3, 3), (1, 1), (2, 1, 2, 1), (1, 1))
    columns = unfold(torch.ones(size), *window)
    assert columns.shape == (size[0], size[1] * 9, (size[2] + 1) * (size[3] + 1))
    assert not columns.any()
    assert fold(columns, size[2:], *window).shape == size


def test_threads_do_not_change_the_bits():
    window = ((3, 3), (1, 1), (1, 1, 1, 1), (1, 1))
    columns = torch.randn(2, 5 * 9, 30 * 31)
    results = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        results.append(fold(columns, (30, 31), *window))
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])


WINDOW = ((3, 3), (1, 1), (1, 1, 1, 1), (1, 1))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"x": torch.ones(3, 5, 5)}, r"x: expected \[N, C, H, W\], got \[3, 5, 5\]"),
        ({"x": torch.ones(1, 3, 5, 5, dtype=torch.int64)}, "x: expected dtype float32, .* got Long"),
        ({"kernel_size": (3,)}, r"kernel_size: expected 2 entries, got \[3\]"),
        ({"kernel_size": (0, 3)}, r"kernel_size: expected positive numbers, got \[0, 3\]"),
        ({"kernel_size": (9, 3)}, r"kernel_size: expected a kernel no larger than the padded input \(7 in .*, got 9"),
        ({"stride": (0, 1)}, r"stride: expected positive numbers, got \[0, 1\]"),
        ({"padding": (1, 1)}, r"padding: expected 4 entries, got \[1, 1\]"),
        ({"padding": (-1, 1, 1, 1)}, "padding: expected numbers that are not negative"),
        ({"dilation": (1, 1 << 50)}, r"dilation: expected positive numbers up to 2\^40"),
        ({"padding": (1 << 39,) * 4}, "columns: expected a size that fits in memory"),
    ],
)
def test_unfold_refuses(change, message):
    arguments = dict(zip(("x", "kernel_size", "stride", "padding", "dilation"), (torch.ones(1, 3, 5, 5), *WINDOW)))
    unfold(*arguments.values())
    with pytest.raises(RuntimeError, match="torchconv: " + message):
        unfold(*(arguments | change).values())


@pytest.mark.parametrize(
    "change, message",
    [
        ({"columns": torch.ones(27, 25)}, r"columns: expected \[N, C\*R\*S, P\*Q\], got \[27, 25\]"),
        ({"columns": torch.ones(1, 26, 25)}, r"columns: expected a multiple of 3 \* 3 .* got \[1, 26, 25\]"),
        ({"columns": torch.ones(1, 27, 24)}, r"columns: expected 25 \(5 \* 5 places .* got \[1, 27, 24\]"),
        ({"columns": torch.ones(1, 27, 25, dtype=torch.cfloat)}, "columns: expected dtype float32, .* got Complex"),
        ({"output_size": (5, 5, 5)}, r"output_size: expected 2 entries, got \[5, 5, 5\]"),
        ({"output_size": (-1, 5)}, "output_size: expected sizes from 0 to .*, got -1 in spatial dimension 0"),
        ({"kernel_size": (3, 0)}, r"kernel_size: expected 2 positive numbers, got \[3, 0\]"),
        ({"kernel_size": (1 << 62, 1 << 62)}, "columns: expected a multiple of"),
    ],
)
def test_fold_refuses(change, message):
    names = ("columns", "output_size", "kernel_size", "stride", "padding", "dilation")
    arguments = dict(zip(names, (torch.ones(1, 27, 25), (5, 5), *WINDOW)))
    fold(*arguments.values())
    with pytest.raises(RuntimeError, match="torchconv: " + message):
        fold(*(arguments | change).values())
