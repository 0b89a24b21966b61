"""What the benchmarks share: their options, their shapes, and the timing of torchconv/timing.py."""

import argparse
import json
import random
import sys
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from torchconv import timing
from torchconv.timing import Shape, Timing, cpu_name, geomean, machine, measure, sample

__all__ = ["Shape", "Timing", "cpu_name", "geomean", "machine", "measure", "sample"]

LARGE_BUFFER = 256 << 20  # bytes, beyond all caches
messages = Console(stderr=True)  # JSON alone goes to the standard output


def read_shapes(name: str, batch: int | None = None) -> list[Shape]:
    return timing.read_shapes(Path(__file__).parent / "shapes" / f"{name}.txt", batch)


def arguments(description: str) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--samples", type=int, default=9, help="clean samples per call")
    parser.add_argument("--limit", type=float, default=10.0, help="seconds per comparison, however many samples")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    return parser


def start(options: argparse.Namespace) -> None:
    torch.manual_seed(options.seed)
    random.seed(options.seed)
    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)


def bandwidth(options: argparse.Namespace, nbytes: int = LARGE_BUFFER) -> float:
    """GB/s that reading and writing every element of a buffer reaches."""
    buffer = torch.zeros(nbytes // 4)
    repeats = max(1, LARGE_BUFFER // nbytes)
    timing = measure({"add": lambda: buffer.add_(1)}, options.samples, options.limit, repeats=repeats)["add"]
    return 2e-9 * nbytes / timing.seconds


def write(figures: dict[str, Any]) -> None:
    json.dump(figures, sys.stdout, indent=2)
    print()
