"""The built extensions bind to torch through its stable C functions alone, and the build knows all that it needs."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from torchconv import _C, _cuda_library

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", ["_C", "_cuda"])
def test_extensions_use_no_cxx_symbol_of_torch(name):
    path = Path(_C.__file__) if name == "_C" else _cuda_library.PATH
    if not path.exists():
        pytest.skip(_cuda_library.WHY_NOT_LOADED)
    listed = subprocess.check_output(["nm", "--dynamic", "--undefined-only", "--demangle", str(path)], text=True)
    symbols = [line.split(maxsplit=1)[1] for line in listed.splitlines()]
    assert any(symbol.startswith("aoti_torch_") for symbol in symbols)
    assert [symbol for symbol in symbols if symbol.startswith(("at::", "c10::", "torch::"))] == []


def test_stub_names_what_the_module_has():
    stub = ast.parse(Path(_C.__file__).with_name("_C.pyi").read_text())
    told = {node.name for node in stub.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert told == {name for name in dir(_C) if not name.startswith("_")}


def test_what_is_imported_is_pinned():
    folders = ("torchconv", "tests", "benchmarks", "examples", "tools")
    trees = [ast.parse(path.read_text()) for folder in folders for path in (ROOT / folder).rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    modules = {name.split(".")[0] for name in imported} - sys.stdlib_module_names - {"torchconv"}
    packages = packages_distributions()  # not in it: modules of our own, such as tests/cases.py
    needed = {packages[name][0] for name in modules if name in packages}
    lines = "".join(path.read_text() for path in (ROOT / "requirements").glob("*.txt"))
    pinned = {name.lower().replace("_", "-") for name in re.findall(r"^([\w.-]+)==", lines, re.MULTILINE)}
    assert {"torch", "pytest", "rich"} <= needed
    assert {name.lower().replace("_", "-") for name in needed} - pinned == set()


def test_readme_names_the_python_that_is_required():
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    assert set(re.findall(r"Python (3\.\d+)", (ROOT / "README.md").read_text())) == {required}


def test_make_builds_again_where_the_extension_was_deleted(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("setup.py", "pyproject.toml", "csrc/ops.cpp", "torchconv/_C.so", ".venv/ready", "build/ready"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    def plan() -> str:
        return subprocess.check_output(["make", "-n", "build"], cwd=tmp_path, text=True, stderr=subprocess.DEVNULL)

    assert "build_ext" not in plan()
    (tmp_path / "torchconv/_C.so").unlink()
    assert "build_ext" in plan()
