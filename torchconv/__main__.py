"""The command line: python -m torchconv info."""

import argparse
import json

from rich.console import Console

from torchconv.info import info, print_info


def _info(args: argparse.Namespace) -> None:
    if args.json:
        print(json.dumps(info(), indent=2))
    else:
        print_info(Console())


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m torchconv", description="Convolution for PyTorch.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("info", help="what this build is, what it found here, and which of it is used")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=_info)
    args = parser.parse_args(argv)
    args.run(args)


if __name__ == "__main__":
    main()
