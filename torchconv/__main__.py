"""The command line: python -m torchconv {info,explain,tune,bench,demo}."""

import argparse
import json
import sys
from collections.abc import Callable

import torch

from torchconv import bench, demo, explain
from torchconv.bench import tuning
from torchconv.info import info, print_info

LARGEST = 1 << 40  # no operator takes a longer dimension
DTYPES = ("float32", "float64", "float16", "bfloat16")


def _size(text: str) -> tuple[int, ...]:
    """(8, 64, 56, 56) from "8x64x56x56"."""
    parts = text.split("x")
    if not all(part.isdecimal() and int(part) <= LARGEST for part in parts):
        raise argparse.ArgumentTypeError(f"expected numbers up to 2^40 joined by x, as 8x64x56x56, got {text!r}")
    return tuple(map(int, parts))


def _padding(text: str) -> str | tuple[int, ...]:
    return text if text in ("same", "valid") else _size(text)


def _info(args: argparse.Namespace) -> None:
    if args.json:
        print(json.dumps(info(), indent=2))
    else:
        print_info()


def _explain(args: argparse.Namespace) -> None:
    x, w = (torch.empty(size, dtype=getattr(torch, args.dtype), device="meta") for size in (args.x, args.w))
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    if args.channels_last and x.dim() in formats:
        x = x.to(memory_format=formats[x.dim()])
    found = explain(x, w, None, args.stride, args.padding, args.dilation, args.groups, args.algo)
    print(json.dumps(found.as_dict(), indent=2) if args.json else found)


def _add_explain(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add("explain", help="which algorithm runs a convolution and its gradients, and why no other one does")
    command.add_argument("x", type=_size, help="size of x, as 8x64x56x56")
    command.add_argument("w", type=_size, help="size of w, as 128x64x3x3")
    command.add_argument("--stride", type=_size, default=(1,), help="one number, or one per dimension: 2x1")
    command.add_argument("--padding", type=_padding, default=(0,), help="one number, one per dimension, same or valid")
    command.add_argument("--dilation", type=_size, default=(1,), help="one number, or one per dimension")
    command.add_argument("--groups", type=int, default=1)
    command.add_argument("--dtype", choices=DTYPES, default="float32")
    command.add_argument("--channels-last", action="store_true", help="x is in channels_last")
    command.add_argument("--algo", default="auto", help="an algorithm's name, auto, or auto:LEVEL")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=_explain)


def main(argv: list[str] | None = None) -> None:
    """Runs one command; argv is the process's own command line by default."""
    parser = argparse.ArgumentParser(prog="python -m torchconv", description="Convolution for PyTorch.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("info", help="what this build is, what it found here, and which of it is used")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=_info)
    _add_explain(commands.add_parser)
    tuning.add_options(commands.add_parser("tune", help="measure a model's convolutions, and keep the winners on disk"))
    bench.add_options(commands.add_parser("bench", help="a model or shapes, on torch and on torchconv, as a page"))
    command = commands.add_parser("demo", add_help=False, help="real networks and data, on torchconv and on torch")
    command.set_defaults(run=None)
    args, rest = parser.parse_known_args(argv)
    if args.run is None:
        demo.main(rest)  # which has options of its own
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    else:
        try:
            args.run(args)
        except RuntimeError as error:  # TorchconvError, or the registry's own, as for a bad TORCHCONV_MAX_ISA
            sys.exit(str(error).removeprefix("torchconv: "))


if __name__ == "__main__":
    main()
