"""Two processes with half a batch each come to the weights of one process with all of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "train_distributed.py"


def train(file: Path, *command: str, steps: int = 20) -> dict[str, torch.Tensor]:
    arguments = [*command, "--steps", str(steps), "--save", str(file)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "default", *arguments], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "grad strides do not match" not in done.stderr.lower()
    return torch.load(file)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    trained = train(folder / "weights.pt", str(EXAMPLE))
    untrained = train(folder / "start.pt", str(EXAMPLE), steps=0)
    assert all((trained[name] - untrained[name]).abs().max() > 1e-3 for name in trained)  # every layer has learnt
    return trained


@pytest.mark.parametrize("wrap", ["ddp", "fsdp"])
def test_two_processes_train_as_one(wrap, alone, tmp_path):
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    together = train(tmp_path / "weights.pt", *launcher, str(EXAMPLE), "--wrap", wrap)
    assert together.keys() == alone.keys()
    for name, weight in alone.items():
        torch.testing.assert_close(together[name], weight, rtol=0, atol=1e-5)
