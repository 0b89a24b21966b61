"""What every test shares: the --full option, a fixed seed, and threads and instruction set put back after each test."""

import pytest
import torch

import torchconv._C


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run every cell of the matrix and the long fuzz, not a sample")
    parser.addoption("--seed", type=int, default=0, help="what samples and random inputs start from (default 0)")


def pytest_report_header(config: pytest.Config) -> str:
    return f"samples and random inputs start from --seed {config.getoption('--seed')}"


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
