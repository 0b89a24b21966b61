"""The kernels without torch: under the compiler's sanitizers, under valgrind, and on tensors of 2^31 elements.

tests/native has the programs; each says in its first lines what it runs.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "native"


def run(program: str, sanitizer: str, *settings: str) -> str:
    command = ["make", "--no-print-directory", f"-j{os.cpu_count()}", "-C", str(FOLDER)]
    command += [f"PROGRAM={program}", f"SANITIZER={sanitizer}", *settings]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-4000:]
    return result.stdout


@pytest.mark.parametrize("sanitizer", ["address", "thread"])
@pytest.mark.parametrize("program", ["rows", "pools", "chains"])
def test_kernels_are_clean(program, sanitizer, full):
    if sanitizer == "thread" and not full:
        pytest.skip("the thread sanitizer runs with --full")
    assert "agree with" in run(program, sanitizer)


def test_more_than_2_31_elements(full):
    """Under the sanitizers arithmetic that leaves its type is an error too. Results that large take minutes there."""
    assert "agree with exact arithmetic" in run("large", "address")
    if full:
        assert "agree with exact arithmetic" in run("large", "none", "ARGUMENTS=all")


@pytest.mark.parametrize("program", ["rows", "pools"])
def test_under_valgrind(program, full):
    """It sees reads of what was never written. It knows no AVX-512, so that the kernels are those of AVX2."""
    if not full:
        pytest.skip("valgrind runs with --full")
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed")
    valgrind = "RUNNER=valgrind -q --error-exitcode=9"
    assert "agree with" in run(program, "none", valgrind, "ARGUMENTS=6")
