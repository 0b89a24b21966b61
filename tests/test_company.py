"""In the company of the rest of PyTorch: threads, forked workers, reparametrised weights, shapes that keep changing."""

import random
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune
from torch.utils.data import DataLoader, Dataset

import torchconv
from torchconv import _C

X, W = torch.ones(2, 8, 12, 12), torch.ones(16, 8, 3, 3)


def resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


class Convolved(Dataset):
    """Each item is computed in a worker: a process forked after this one has used its threads."""

    def __len__(self):
        return 8

    def __getitem__(self, i):
        return torchconv.conv2d(X * i, W, padding=1).sum()


@pytest.mark.parametrize("workers", [0, 2])
def test_in_data_loader_workers(workers):
    torch.set_num_threads(2)
    total = torchconv.conv2d(X, W, padding=1).sum()
    found = torch.cat(
        list(
            DataLoader(
                Convolved(), batch_size=4, num_workers=workers, multiprocessing_context="fork" if workers else None
            )
        )
    )
    torch.testing.assert_close(found, torch.arange(8) * total)


def test_concurrent_calls_give_the_same_bits():
    problems = [(torch.randn(2, 6, 15, 15), torch.randn(n, 6, 3, 3, requires_grad=True)) for n in range(1, 33)]

    def both(problem):
        x, w = problem
        y = torchconv.conv2d(x, w, padding=1)
        return y.detach(), torch.autograd.grad(y.sum(), w)[0]

    expected = [both(p) for p in problems]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            for found, known in zip(pool.map(both, problems), expected, strict=True):
                assert all(torch.equal(a, b) for a, b in zip(found, known, strict=True))


@pytest.mark.parametrize("change", ["weight_norm", "spectral_norm", "prune"])
def test_reparametrised_weights_train(change):
    ours, torchs = torchconv.nn.Conv2d(8, 4, 3), torch.nn.Conv2d(8, 4, 3)
    torchs.load_state_dict(ours.state_dict())
    for module in (ours, torchs):
        torch.manual_seed(0)
        if change == "prune":
            prune.l1_unstructured(module, "weight", amount=0.3)
        else:
            getattr(parametrizations, change)(module)
        module.train(False)
        module(X).square().sum().backward()
    for mine, theirs in zip(ours.parameters(), torchs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-4, atol=1e-3)


def test_with_deterministic_algorithms():
    torch.use_deterministic_algorithms(True)
    try:
        w = W.clone().requires_grad_()
        first, second = (torch.autograd.grad(torchconv.conv2d(X, w).sum(), w)[0] for _ in range(2))
        assert torch.equal(first, second)
    finally:
        torch.use_deterministic_algorithms(False)


def test_ten_thousand_shapes_take_no_more_memory(seed):
    """Nothing is kept for a shape that was seen."""
    draw = random.Random(seed)

    def call():
        x = torch.randn(1, draw.randint(1, 40), draw.randint(3, 30), draw.randint(3, 30))
        torchconv.conv2d(x, torch.randn(draw.randint(1, 40), x.shape[1], 3, 3))

    for _ in range(2000):
        call()
    before = resident_mib()
    for _ in range(8000):
        call()
    assert resident_mib() - before < 8


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_subnormal_numbers_are_kept(dtype):
    """They are numbers as any other: neither flushed to zero nor, on the way through float32, lost."""
    _C.set_max_isa("avx512")  # BF16 instructions take them as zero: docs/decisions.md
    x = torch.full((1, 4, 6, 6), torch.finfo(dtype).smallest_normal / 4, dtype=dtype)
    y = torchconv.conv2d(x, torch.ones(2, 4, 1, 1, dtype=dtype), algo="im2col")
    assert torch.equal(y, torch.full_like(y, torch.finfo(dtype).smallest_normal))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_subnormal_numbers_are_kept_in_pooling(dtype):
    least = torch.finfo(dtype).smallest_normal / 4
    for format in (torch.contiguous_format, torch.channels_last):
        x = torch.full((1, 4, 6, 6), least, dtype=dtype).to(memory_format=format).requires_grad_()
        for pool in (torchconv.max_pool2d, torchconv.avg_pool2d):
            y = pool(x, 2)
            (grad,) = torch.autograd.grad(y, x, torch.full_like(y, 4 * least))
            assert torch.equal(y, torch.full_like(y, least))
            assert torch.equal(grad.sum(), (4 * least * torch.ones(36, dtype=dtype)).sum())


ONES = torch.ones(16, 16, 3, 3)
OURS_AND_TORCHS = {
    "conv2d": (lambda x: torchconv.conv2d(x, ONES, algo="im2col"), lambda x: F.conv2d(x, ONES)),
    "max_pool2d": (lambda x: torchconv.max_pool2d(x, 3, 2), lambda x: F.max_pool2d(x, 3, 2)),
    "avg_pool2d": (lambda x: torchconv.avg_pool2d(x, 3, 2), lambda x: F.avg_pool2d(x, 3, 2)),
}


@pytest.mark.parametrize("format", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("name", OURS_AND_TORCHS)
def test_subnormal_numbers_are_not_slow(name, format):
    """At most a few times slower; where the processor itself makes them slow, no slower than in torch."""
    x = torch.rand(4, 16, 48, 48).to(memory_format=format)

    def fastest(call, x):
        def once():
            start = time.perf_counter()
            call(x)
            return time.perf_counter() - start

        return min(once() for _ in range(15))

    ours, torchs = OURS_AND_TORCHS[name]
    assert fastest(ours, x * 1e-39) < max(4 * fastest(ours, x), 2 * fastest(torchs, x * 1e-39))
