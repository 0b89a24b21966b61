"""The built extensions: they bind to torch through its stable C functions alone, and the stub tells all of _C."""

import ast
import subprocess
from pathlib import Path

import pytest

from torchconv import _C, _cuda_library


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
