"""The documentation tells the truth: its examples run, and the files it names are there."""

import doctest
import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import torchconv

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SOURCES = sorted((ROOT / "torchconv").rglob("*.py"))
NAMES = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in SOURCES if path.stem != "__main__"]
MODULES = [name.removesuffix(".__init__") for name in NAMES]  # doctest skips what says that it is from elsewhere
PUBLIC = {
    **{name: thing for name in torchconv.__all__ if callable(thing := getattr(torchconv, name))},
    **{f"nn.{name}": getattr(torchconv.nn, name) for name in torchconv.nn.__all__},
}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    module = importlib.import_module(name)
    failures, _ = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert failures == 0


@pytest.mark.parametrize("name", PUBLIC)
def test_docstring_sections(name):
    """What is public has an example; what is called says what it takes and raises, and modules say what shapes."""
    thing = PUBLIC[name]
    sections = ["Example:\n        >>> "]
    if (inspect.isfunction(thing) and inspect.signature(thing).parameters) or name.startswith("nn."):
        sections += ["Args:", "Raises:\n        TorchconvError: "]
    if name.startswith("nn."):
        sections += ["Shape:"]
    assert [section for section in sections if f"\n    {section}" not in thing.__doc__] == []


PYTHON_BLOCKS = [
    pytest.param(page, i, id=f"{page.name}-{i}") for page in PAGES for i in range(len(blocks(page, "python")))
]


@pytest.mark.parametrize(("page", "i"), PYTHON_BLOCKS)
def test_python_block(page, i):
    code = blocks(page, "python")[i]
    exec(compile(code, f"{page.name}, python block {i}", "exec"), {"__name__": "example"})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_exist(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    links = [link.split("#")[0] for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text)]
    paths = re.findall(r"`((?:csrc|torchconv|tests|docs|tools|examples|benchmarks|requirements)/[\w./-]*)`", text)
    missing = [link for link in links if not (page.parent / link).exists()]
    missing += [path for path in paths if not (ROOT / path).exists()]
    assert missing == []


def test_the_walk_through_compiles(tmp_path):
    page = ROOT / "docs" / "adding_an_algorithm.md"
    files = dict(re.fullmatch(r"// csrc/(\S+)\n(.*)", block, re.DOTALL).groups() for block in blocks(page, "cpp"))
    assert len(files) == 3
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    sources = [tmp_path / name for name in files if name.endswith(".cpp")]
    flags = ["-std=c++17", "-Wall", "-Werror", "-fsyntax-only", f"-I{tmp_path}", f"-I{ROOT / 'csrc'}"]
    run = subprocess.run([os.environ.get("CXX", "c++"), *flags, *sources], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_example_runs(example):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, example], capture_output=True, text=True, env=environment, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
