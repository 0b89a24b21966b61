"""What a call costs besides the work: a 1x1x1x1 conv2d, and the first call of a new shape. Prints JSON in microseconds.

    python benchmarks/overhead.py [--rounds 200]

Functions take turns in random order; a sample during which the process was switched out does not count.
"""

import argparse
import gc
import json
import random
import resource
import statistics
import time
from collections.abc import Callable, Iterator

import torch

import torchconv

CALLS = 50  # per sample: the clock and the switch counter cost about as much as one call


def sample(call: Callable[[], object], calls: int) -> float | None:
    """Microseconds per call, or None if the process was switched out."""
    switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
    start = time.perf_counter()
    for _ in range(calls):
        call()
    elapsed = time.perf_counter() - start
    return elapsed / calls * 1e6 if resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw == switches else None


def tiny(rounds: int) -> dict[str, float]:
    """The median time of each call on one pixel."""
    plain, pixel = torch.randn(1, 1, 1, 1), torch.randn(1, 1, 1, 1)
    x, w = (t.clone().requires_grad_() for t in (plain, pixel))

    def both(conv2d: Callable[..., torch.Tensor]) -> Callable[[], object]:
        return lambda: conv2d(x, w).backward(pixel)

    calls = {
        "nograd_us": lambda: torchconv.conv2d(plain, pixel),
        "torch_nograd_us": lambda: torch.nn.functional.conv2d(plain, pixel),
        "fwd_bwd_us": both(torchconv.conv2d),
        "torch_fwd_bwd_us": both(torch.nn.functional.conv2d),
    }
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name in random.sample(list(calls), len(calls)):
            taken = sample(calls[name], CALLS)
            if taken is not None:
                samples[name].append(taken)
    return {name: statistics.median(taken) for name, taken in samples.items()}


def first_calls() -> Iterator[tuple[float, float]]:
    """Forward and backward of shapes not seen before: (the first call, the median of later ones)."""
    for i in range(40):
        x, w = torch.randn(2, 8 + i, 14, 14 + i % 5), torch.randn(16 + i % 7, 8 + i, 3, 3)
        tensors = x.requires_grad_(), w.requires_grad_()

        def call(x: torch.Tensor = x, w: torch.Tensor = w) -> None:
            torchconv.conv2d(x, w, padding=1).sum().backward()

        first = sample(call, 1)
        later = [taken for _ in range(9) if (taken := sample(call, 1)) is not None]
        if first is not None and later:
            yield first, statistics.median(later)
        del tensors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    arguments = parser.parse_args()
    random.seed(0)
    gc.disable()
    figures = tiny(arguments.rounds)
    pairs = list(first_calls())
    figures["first_call_us"] = statistics.median(first for first, _ in pairs)
    figures["later_call_us"] = statistics.median(later for _, later in pairs)
    # The bar: a first call takes at most twice a later one and 200 us more.
    figures["first_call_over_bar_us"] = statistics.median(first - (2 * later + 200) for first, later in pairs)
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}, indent=2))


if __name__ == "__main__":
    main()
