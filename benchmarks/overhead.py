"""What a call costs besides the work: a 1x1x1x1 conv2d, and the first call of a new shape. Prints JSON in microseconds.

python benchmarks/overhead.py [--samples 200] [--shapes 40]
"""

import gc
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import harness
import torch

import torchconv

CALLS = 50  # per sample: the clock and the switch counter cost about as much as one call


class TorchInFunction(torch.autograd.Function):
    """torch's own kernels as a Python autograd.Function: what any such Function costs at least."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x, w)
        return torch.nn.functional.conv2d(x, w)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, w = ctx.saved_tensors
        rest = (None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [True, True, False])
        grad_x, grad_w, _ = torch.ops.aten.convolution_backward(g, x, w, *rest)
        return grad_x, grad_w


def tiny(samples: int, limit: float) -> dict[str, Any]:
    """The time of each call on one pixel, the ratios to torch, and the clean samples of each."""
    plain, pixel = torch.randn(1, 1, 1, 1), torch.randn(1, 1, 1, 1)
    x, w = (t.clone().requires_grad_() for t in (plain, pixel))

    def both(conv2d: Callable[..., torch.Tensor]) -> Callable[[], object]:
        return lambda: conv2d(x, w).backward(pixel)

    calls = {
        "nograd_us": lambda: torchconv.conv2d(plain, pixel),
        "torch_nograd_us": lambda: torch.nn.functional.conv2d(plain, pixel),
        "fwd_bwd_us": both(torchconv.conv2d),
        "torch_fwd_bwd_us": both(torch.nn.functional.conv2d),
        "torch_in_function_us": both(TorchInFunction.apply),
    }
    timings = harness.measure(calls, samples, limit, repeats=CALLS)
    figures: dict[str, Any] = {name: timing.seconds * 1e6 for name, timing in timings.items()}
    clean = {name: timing.clean for name, timing in timings.items()}
    for what in ("nograd", "fwd_bwd"):
        figures[f"{what}_ratio"] = figures[f"{what}_us"] / figures[f"torch_{what}_us"]
        clean[f"{what}_ratio"] = min(clean[f"{what}_us"], clean[f"torch_{what}_us"])
    figures["percent_of_bound"] = 100 * figures["torch_in_function_us"] / figures["fwd_bwd_us"]
    clean["percent_of_bound"] = min(clean["fwd_bwd_us"], clean["torch_in_function_us"])
    return {**figures, "clean_samples": clean}


def first_calls(shapes: int) -> Iterator[tuple[float, float]]:
    """Forward and backward of shapes not seen before: (the first call, the median of later ones) in microseconds."""
    for i in range(shapes):
        x = torch.randn(2, 8 + i, 14, 14 + i % 5, requires_grad=True)
        w = torch.randn(16 + i % 7, 8 + i, 3, 3, requires_grad=True)

        def call(x: torch.Tensor = x, w: torch.Tensor = w) -> None:
            torchconv.conv2d(x, w, padding=1).sum().backward()

        (first, undisturbed), *others = (harness.sample(call) for _ in range(10))
        later = [seconds for seconds, clean in others if clean]
        if undisturbed and later:
            yield first * 1e6, statistics.median(later) * 1e6


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.set_defaults(samples=200, limit=60.0)
    parser.add_argument("--shapes", type=int, default=40, help="for the first call")
    options = parser.parse_args()
    harness.start(options)
    torch.set_grad_enabled(True)
    figures = tiny(options.samples, options.limit)
    gc.disable()
    pairs = list(first_calls(options.shapes))
    figures["clean_samples"]["first_call_over_bar_us"] = len(pairs)
    pairs = pairs or [(float("nan"), float("nan"))]
    figures["first_call_us"] = statistics.median(first for first, _ in pairs)
    figures["later_call_us"] = statistics.median(later for _, later in pairs)
    # The bar: a first call takes at most twice a later one and 200 us more.
    figures["first_call_over_bar_us"] = statistics.median(first - (2 * later + 200) for first, later in pairs)
    harness.write(figures)


if __name__ == "__main__":
    main()
