"""DTensors on two processes; sharded.py says what runs there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def problems():
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *launcher, str(Path(__file__).with_name("sharded.py"))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_results_and_placements(problems):
    assert len(problems) > 80
    failed = {name: what for name, what in problems.items() if what}
    assert not failed, "\n".join(f"{name}:\n{what}" for name, what in failed.items())


def test_import_brings_no_dtensor():
    code = "import sys, torchconv; assert 'torch.distributed.tensor' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
