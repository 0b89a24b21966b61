"""The kernels without torch under the compiler's sanitizers; tests/native/rows.cpp says what runs."""

import os
import subprocess
from pathlib import Path

import pytest


@pytest.mark.parametrize("sanitizer", ["address", "thread"])
def test_rows_are_clean(sanitizer, full):
    if sanitizer == "thread" and not full:
        pytest.skip("the thread sanitizer runs with --full")
    folder = Path(__file__).parent / "native"
    command = ["make", "--no-print-directory", f"-j{os.cpu_count()}", "-C", str(folder), f"SANITIZER={sanitizer}"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-4000:]
    assert "runs agree with the reference" in result.stdout
