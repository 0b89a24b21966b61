"""Runs what bars.toml names and says which bars are met; exits with 1 if one is missed.

    python benchmarks/bars.py [--list] [--only NAME ...]

The JSON of every run, and the verdicts, go to benchmarks/results/.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from torchconv import _C

HERE = Path(__file__).parent
RESULTS = HERE / "results"
ISAS = ("baseline", "avx2", "avx512", "avx512_bf16")
# What tune() found on this machine would decide instead of the predictions, or hide them.
WITHOUT_PLANS = {"TORCHCONV_CACHE": "off"}
# Left over from a shell, these would hobble the BLAS of some builds of torch.
CLEARED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def run(command: str, environment: dict[str, str]) -> dict[str, Any]:
    """The JSON that the benchmark prints, or {"failed": why}."""
    script, *options = shlex.split(command)
    inherited = {name: value for name, value in os.environ.items() if name not in CLEARED}
    # The checkout's torchconv, also where it is not installed.
    inherited["PYTHONPATH"] = os.pathsep.join(filter(None, (str(HERE.parent), inherited.get("PYTHONPATH"))))
    process = subprocess.run(
        [sys.executable, str(HERE / script), *options],
        env=inherited | WITHOUT_PLANS | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    if process.returncode:
        return {"failed": f"{command} ended with {process.returncode}"}
    return json.loads(process.stdout)


def bound(bar: dict[str, Any]) -> str:
    return f">= {bar['at_least']:g}" if "at_least" in bar else f"<= {bar['at_most']:g}"


def verdict(bar: dict[str, Any], figures: dict[str, Any]) -> dict[str, Any]:
    if "failed" in figures:
        return {"figure": None, "clean": None, "passed": False, "detail": figures["failed"]}
    if bar["figure"] not in figures and figures.get("not_installed"):
        missing = ", ".join(figures["not_installed"])
        return {
            "figure": None,
            "clean": None,
            "passed": False,
            "detail": f"not measured: make peers installs {missing}",
        }
    value = figures[bar["figure"]]
    clean = figures.get("clean_samples", {}).get(bar["figure"])  # None: not a time
    if clean == 0:
        return {"figure": None, "clean": 0, "passed": False, "detail": "not measured: every sample was interrupted"}
    passed = bar.get("at_least", float("-inf")) <= value <= bar.get("at_most", float("inf"))
    return {"figure": value, "clean": clean, "passed": passed, "detail": figures.get(bar.get("detail", ""), "")}


def judge(bars: list[dict[str, Any]], environments: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
    """Every bar with its verdict; bars with the same command and environment share one run."""
    runs: dict[tuple[str, str], dict[str, Any]] = {}
    judged = []
    for bar in bars:
        if ISAS.index(bar.get("needs", "baseline")) > ISAS.index(_C.detected_isa()):
            why = f"this CPU has no {bar['needs']}"
            judged.append({**bar, "figure": None, "clean": None, "passed": None, "detail": why})
            continue
        key = bar["run"], bar.get("environment", "")
        if key not in runs:
            runs[key] = run(key[0], environments.get(key[1], {}))
        judged.append({**bar, **verdict(bar, runs[key])})
    RESULTS.mkdir(exist_ok=True)
    for (command, environment), figures in runs.items():
        name = "_".join(filter(None, (command.replace(".py", "").replace(" --", "_").replace(" ", "_"), environment)))
        (RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n")
    (RESULTS / "bars.json").write_text(json.dumps(judged, indent=2) + "\n")
    return judged


def table(judged: list[dict[str, Any]]) -> Table:
    out = Table(Column("bar", no_wrap=True), "what", "figure", "bar is", "clean samples", "", title="torchconv's bars")
    words = {True: "[green]pass[/]", False: "[red]miss[/]", None: "[yellow]skipped[/]"}
    for bar in judged:
        figure = "" if bar["figure"] is None else f"{bar['figure']:.3g}"
        clean = "" if bar["clean"] is None else str(bar["clean"])
        result = f"{words[bar['passed']]} {bar['detail']}".strip()
        out.add_row(bar["name"], bar["what"], figure, bound(bar), clean, result)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="show the bars and run nothing")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="bars by name")
    options = parser.parse_args()
    settings = tomllib.loads((HERE / "bars.toml").read_text())
    bars = settings["bars"]
    if options.only:
        unknown = set(options.only) - {bar["name"] for bar in bars}
        if unknown:
            parser.error(f"--only: expected names that --list shows, got {', '.join(sorted(unknown))}")
        bars = [bar for bar in bars if bar["name"] in options.only]
    console = Console()
    if options.list:
        listing = Table(Column("bar", no_wrap=True), "what", "bar is", "run")
        for bar in bars:
            listing.add_row(bar["name"], bar["what"], bound(bar), f"{bar['run']} {bar.get('environment', '')}".strip())
        console.print(listing)
        return
    judged = judge(bars, settings["environments"])
    console.print(table(judged))
    missed = [bar["name"] for bar in judged if bar["passed"] is False]
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
