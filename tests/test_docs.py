"""The documentation tells the truth: its examples run, the files it names are there, and its pages can be built."""

import doctest
import importlib
import importlib.util
import inspect
import os
import re
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import pytest

import torchconv
from torchconv.__main__ import main

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = sorted((ROOT / "torchconv").rglob("*.py"))
NAMES = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in SOURCES if path.stem != "__main__"]
MODULES = [name.removesuffix(".__init__") for name in NAMES]  # doctest skips what says that it is from elsewhere
PUBLIC = {
    **{name: thing for name in torchconv.__all__ if callable(thing := getattr(torchconv, name))},
    **{f"nn.{name}": getattr(torchconv.nn, name) for name in torchconv.nn.__all__},
}
OPERATORS = [
    name
    for name, thing in vars(torchconv.ops).items()
    if inspect.isfunction(thing) and thing.__module__ == "torchconv.ops" and not name.startswith("_")
]
# How far includes may lead: from a folder of csrc into which others. registry.h holds the types of a row.
INCLUDES = {"common": {"common"}, "cuda": {"common", "cuda", "registry.h"}}
SEES_TORCH = {"tensors.h", "profile.h", "common/parallel.cpp", "cuda/ops.cpp"}


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


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_have_examples(name):
    assert "\n    >>> " in getattr(torchconv.ops, name).__doc__


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_python_blocks(page):
    """The blocks of a page run one after another, as a reader would type them."""
    names = {"__name__": "example"}
    for i, code in enumerate(blocks(page, "python")):
        exec(compile(code, f"{page.name}, python block {i}", "exec"), names)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "pycon")], ids=lambda page: page.name)
def test_sessions(page):
    text = "\n".join(blocks(page, "pycon"))
    session = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    with warnings.catch_warnings():
        results = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(session)
    assert results.attempted > 5
    assert results.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
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


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built pages; a broken link, a page that no menu names or a missing docstring fails the build."""
    for module in ("sphinx", "furo", "myst_parser"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed (requirements/docs.txt)")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", ROOT / "docs", folder]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


def test_every_page_is_built_and_fetches_nothing(site):
    built = {path.relative_to(site): path.read_text() for path in site.rglob("*.html")}
    for page in PAGES[2:]:
        assert page.relative_to(ROOT / "docs").with_suffix(".html") in built
    fetched = [(path, tag) for path, text in built.items() for tag in re.findall(r"<(?:script|link|img)[^>]*>", text)]
    assert [(path, tag) for path, tag in fetched if re.search(r"(?:src|href)=\"(?:https?:)?//", tag)] == []


def test_the_reference_has_every_public_name(site):
    described = {
        name for page in site.rglob("*.html") for name in re.findall(r'id="(torchconv\.[\w.]+)"', page.read_text())
    }
    names = {f"torchconv.{name}" for name in PUBLIC}
    names |= {f"torchconv.ops.{name}" for name in OPERATORS}
    assert names - described == set(), "name it in a page of docs/api"


def test_the_reference_has_every_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"^    (\w+)  ", capsys.readouterr().out, re.MULTILINE)
    page = (ROOT / "docs" / "api" / "command_line.md").read_text()
    assert {"info", "explain", "demo"} <= set(commands)
    assert set(re.findall(r"^```{command-help} (\w+)$", page, re.MULTILINE)) == set(commands)


def test_pictures_are_what_the_tool_draws():
    spec = importlib.util.spec_from_file_location("draw_architecture", ROOT / "tools" / "draw_architecture.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    for name, draw in tool.PICTURES.items():
        assert (ROOT / "docs" / "images" / name).read_text() == draw(), "run python tools/draw_architecture.py"


def test_layers_are_kept():
    """What docs/architecture.md says: down, never back, no algorithm into another, and torch where it belongs."""
    csrc = ROOT / "csrc"
    files = {str(path.relative_to(csrc)): path.read_text() for path in csrc.rglob("*") if path.is_file()}
    own = {name: re.findall(r'#include "([^"]+)"', text) for name, text in files.items()}
    assert len(own["im2col/rows.cpp"]) > 1
    for name, included in own.items():
        folder = name.split("/")[0] if "/" in name else None
        allowed = INCLUDES.get(folder, {"common", folder, "registry.h"})
        wrong = [path for path in included if folder and path.split("/")[0] not in allowed]
        assert wrong == [], name
    assert {name for name, text in files.items() if "#include <torch/" in text} == SEES_TORCH


def test_platforms_names_the_versions_that_are_tested():
    page = (ROOT / "docs" / "platforms.md").read_text()
    torch_version = re.search(r"^torch==(\S+)$", (ROOT / "requirements" / "build.txt").read_text(), re.MULTILINE)[1]
    older = re.search(r"torch_version=\$\{1:-([\d.]+)\}", (ROOT / "tools" / "check_wheel.sh").read_text())[1]
    python = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    assert f"| PyTorch | {torch_version}: all tests; {older}: a wheel" in page
    assert f"| Python | {python} |" in page


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_example_runs(example):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, example], capture_output=True, text=True, env=environment, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
