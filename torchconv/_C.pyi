"""The control plane that csrc/bindings.cpp offers; importing it registers torch.ops.torchconv."""

from collections.abc import Sequence
from typing import Any

def rows() -> list[tuple[str, str, str]]: ...
def conv_output_size(
    x_size: Sequence[int],
    w_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> list[int]: ...
def check_activation(name: str) -> None: ...
def check_output_size(
    name: str,
    x_size: Sequence[int],
    w_size: Sequence[int],
    y_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> None: ...
def unfold_places(
    x_name: str,
    x_size: Sequence[int],
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> tuple[int, int]: ...
def pool_output_size(
    x_size: Sequence[int],
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
) -> list[int]: ...
def explain(
    pass_: str,
    x_size: Sequence[int],
    w_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    algo: str = "auto",
    dtype: str = "float32",
    layout: str = "nchw",
    device: str = "cpu",
    has_bias: bool = False,
    w_channels_last: bool = False,
    threads: int = 0,
    packed: bool = False,
) -> list[dict[str, Any]]: ...
def add_plan(
    pass_: str,
    x_size: Sequence[int],
    w_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    dtype: str,
    layout: str,
    device: str,
    threads: int,
    isa: str,
    packed: bool,
    timed: Sequence[tuple[str, float]],
) -> None: ...
def clear_plans() -> None: ...
def set_workspace_limit(bytes: int) -> None: ...
def keep_workspace(on: bool) -> None: ...
def kept_workspace() -> int: ...
def workspace_limit() -> int: ...
def set_idle_memory_limit(bytes: int) -> None: ...
def idle_memory_limit() -> int: ...
def idle_memory() -> int: ...
def plan_generation() -> int: ...
def watch_problems(on: bool) -> None: ...
def watched_problems() -> list[tuple[dict[str, Any], str]]: ...
def fft_tiles(
    pass_: str,
    x_size: Sequence[int],
    w_size: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> tuple[tuple[int, int, int], tuple[int, int, int]]: ...
def detected_isa() -> str: ...
def current_isa() -> str: ...
def set_max_isa(name: str) -> None: ...
def num_threads() -> int: ...
def load_cuda_library(path: str) -> None: ...
def relative_speed(isa: str) -> float: ...
def measure_peak(isa: str, threads: int, dtype: str = "float32") -> float: ...
def measure_round_trip() -> float: ...
