"""What a thread keeps of its workspace between calls."""

import torch

import torchconv
from torchconv import _C

X, W = torch.randn(1, 128, 96, 96), torch.randn(64, 128, 5, 5)


def small_call() -> None:
    torchconv.conv2d(X[..., :6, :6], W, padding=2, algo="im2col")


def large_call() -> int:
    torchconv.conv2d(X, W, padding=2, algo="fft")
    rows = torchconv.explain(X.shape, W.shape, padding=2, algo="fft").rows
    return next(row["workspace"] for row in rows if row["chosen"] and row["pass"] == "fwd")


def test_a_thread_keeps_the_largest():
    assert 1 << 20 < large_call() <= _C.kept_workspace() <= 64 << 20
    kept = _C.kept_workspace()
    small_call()
    assert _C.kept_workspace() == kept


def test_a_limit_frees_what_is_beyond_it():
    large_call()
    torchconv.set_workspace_limit(2 << 20)
    try:
        small_call()
        assert _C.kept_workspace() <= 2 << 20
        large_call()  # by its name: not limited, and not kept
        assert _C.kept_workspace() <= 2 << 20
    finally:
        torchconv.set_workspace_limit(None)


def test_nothing_is_kept_where_tests_want_fresh_memory():
    large_call()
    _C.keep_workspace(False)
    try:
        small_call()
        assert _C.kept_workspace() == 0
    finally:
        _C.keep_workspace(True)
