"""What every test shares: the --full option, a fixed seed, and settings and plans put back after each test."""

import os
from collections import Counter

import pytest
import torch

os.environ["TORCHCONV_CACHE"] = "off"  # before torchconv reads plans that were tuned on this machine
import torchconv


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run every cell of the matrix and the long fuzz, not a sample")
    parser.addoption("--seed", type=int, default=0, help="what samples and random inputs start from (default 0)")


COUNTED = pytest.StashKey[Counter]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[COUNTED] = Counter()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """At the end, because -q has no header."""
    terminalreporter.write_line(f"samples and random inputs started from --seed {config.getoption('--seed')}")
    for what, count in config.stash[COUNTED].items():
        terminalreporter.write_line(f"{count} {what}")


@pytest.fixture
def counted(request: pytest.FixtureRequest) -> Counter:
    """What a test of many problems has run of each kind, for the summary."""
    return request.config.stash[COUNTED]


@pytest.fixture
def full(request: pytest.FixtureRequest) -> bool:
    return request.config.getoption("--full")


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    return request.config.getoption("--seed")


@pytest.fixture(autouse=True)
def same_start(seed):
    torch.manual_seed(seed)
    threads, isa = torch.get_num_threads(), torchconv._C.current_isa()
    yield
    torch.set_num_threads(threads)
    torchconv._C.set_max_isa(isa)
    torchconv.set_workspace_limit(None)
    torchconv._store.load()
