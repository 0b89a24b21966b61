"""The CUDA library: built, loaded and registered without a GPU, and honest about why where it is not."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from torchconv import _build, _cuda_library, info

built = pytest.mark.skipif(not _cuda_library.LOADED, reason=_cuda_library.WHY_NOT_LOADED or "loaded")
CSRC = Path(__file__).parent.parent / "csrc"


def test_it_is_loaded_exactly_where_torch_has_the_same_major_version_of_cuda():
    same = bool(_build.CUDA and torch.version.cuda) and _build.CUDA.split(".")[0] == torch.version.cuda.split(".")[0]
    assert same is _cuda_library.LOADED
    assert bool(_cuda_library.WHY_NOT_LOADED) != same


@pytest.mark.parametrize(
    ("built_for", "torch_has", "reason"),
    [
        (None, "13.0", "torchconv has no CUDA kernels: nvcc was not found when it was built"),
        ("13.0", None, "has no CUDA"),
        ("13.0", "12.8", "torchconv's kernels are for CUDA 13.0, but torch's for CUDA 12.8"),
        ("13.0", "13.2", ""),
    ],
)
def test_reasons_not_to_load(monkeypatch, built_for, torch_has, reason):
    why = "" if built_for else "nvcc was not found when it was built"
    monkeypatch.setattr(_cuda_library, "_build", SimpleNamespace(CUDA=built_for, WHY_NO_CUDA=why))
    monkeypatch.setattr(torch.version, "cuda", torch_has)
    found = _cuda_library._why_not()
    assert reason in found
    assert bool(found) == bool(reason)


def test_info_shows_the_reason(monkeypatch):
    monkeypatch.setattr(_cuda_library, "LOADED", False)
    monkeypatch.setattr(_cuda_library, "WHY_NOT_LOADED", "nvcc was on holiday")
    cuda = info.info()["cuda"]
    assert cuda["reason"] == "nvcc was on holiday"
    assert cuda["gpu"] == "not used: the CUDA library is not loaded"


@built
def test_operator_is_registered():
    assert str(torch.ops.torchconv.cuda_probe.default._schema) == "torchconv::cuda_probe(Tensor x) -> Tensor"


@built
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_operator_says_so():
    with pytest.raises(RuntimeError, match="torchconv: x: expected a tensor on a GPU, but there is no GPU to use"):
        torch.ops.torchconv.cuda_probe(torch.zeros(3))


@built
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("n", [0, 1, 255, 257, 1 << 20])
def test_kernel_runs_on_the_current_stream(n):
    x = torch.arange(n, dtype=torch.float32, device="cuda")
    with torch.cuda.stream(torch.cuda.Stream()):
        y = torch.ops.torchconv.cuda_probe(x)
    torch.cuda.synchronize()
    assert torch.equal(y, x + 1)


@built
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_kernel_refuses_other_tensors():
    with pytest.raises(RuntimeError, match="x: expected a tensor on a GPU, got one elsewhere"):
        torch.ops.torchconv.cuda_probe(torch.zeros(3))
    with pytest.raises(RuntimeError, match="x: expected dtype float32, got Double"):
        torch.ops.torchconv.cuda_probe(torch.zeros(3, dtype=torch.float64, device="cuda"))


ROW = """
#include "registry.h"
using namespace torchconv;
static std::string anything(const ConvProblem&) { return ""; }
static double zero(const ConvProblem&) { return 0; }
static int64_t nothing(const ConvProblem&) { return 0; }
static void run(const ConvProblem&, const ConvOperands&) {}
extern "C" void torchconv_cuda_rows(void (*add)(const Row&)) {
  add({"another", Pass::fwd, Device::cuda, anything, zero, zero, nothing, run, true});
}
"""


def load(path):
    """Loads a library in a process of its own (its rows would stay), and prints the rows for CUDA."""
    code = (
        "import torch; from torchconv import _C;"
        f"_C.load_cuda_library({str(path)!r}); print([row for row in _C.rows() if row[2] == 'cuda'])"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def compile_library(source, path):
    (path.parent / "rows.cpp").write_text(source)
    command = ["c++", "-std=c++17", "-shared", "-fPIC", f"-I{CSRC}", "rows.cpp", "-o", str(path)]
    subprocess.run(command, check=True, cwd=path.parent)
    return path


def test_rows_of_a_library_enter_the_registry(tmp_path):
    result = load(compile_library(ROW, tmp_path / "rows.so"))
    assert result.stdout.strip() == "[('another', 'fwd', 'cuda')]", result.stderr


def test_a_file_that_is_no_such_library_is_refused(tmp_path):
    missing = load(tmp_path / "missing.so")
    assert "torchconv: cuda library: expected a loadable file, got: " in missing.stderr
    empty = load(compile_library("int nothing;", tmp_path / "empty.so"))
    assert "expected the function torchconv_cuda_rows in" in empty.stderr
