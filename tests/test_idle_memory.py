"""Memory of freed results that stays for later ones."""

import copy
import os
import pickle
import threading

import pytest
import torch

import torchconv

MIB = 1 << 20
X, W = torch.randn(1, 32, 128, 128), torch.randn(32, 32, 3, 3)  # a result of 2 MiB
LIMIT = torchconv._C.idle_memory_limit()


def result() -> torch.Tensor:
    return torchconv.conv2d(X, W, padding=1)


@pytest.fixture(autouse=True)
def nothing_idle():
    torchconv.set_idle_memory_limit(0)
    torchconv.set_idle_memory_limit(64 * MIB)
    yield
    torchconv.set_idle_memory_limit(LIMIT)


def test_the_limit_at_the_start():
    assert 0 < LIMIT <= 1 << 30


def test_a_result_lies_where_the_last_one_was_freed():
    y = result()
    where, expected = y.data_ptr(), y.clone()
    assert torchconv.idle_memory() == 0
    del y
    assert torchconv.idle_memory() == 2 * MIB
    y = result()
    assert y.data_ptr() == where and torchconv.idle_memory() == 0
    assert torch.equal(y, expected)


def test_a_view_keeps_its_memory():
    part = result()[0, 3]
    assert torchconv.idle_memory() == 0
    expected = part.clone()
    others = [result() for _ in range(3)]
    assert torch.equal(part, expected) and len({y.data_ptr() for y in others}) == 3
    del part, others
    assert torchconv.idle_memory() == 8 * MIB


def test_a_block_serves_somewhat_smaller_results_only():
    y = result()
    where = y.data_ptr()
    del y
    half = torchconv.conv2d(X[:, :, :64], W, padding=1)
    assert half.data_ptr() != where and torchconv.idle_memory() == 2 * MIB
    most = torchconv.conv2d(X[:, :, :120], W, padding=1)
    assert most.data_ptr() == where and torchconv.idle_memory() == 0


def test_small_results_and_those_above_the_limit_are_torchs():
    small = torchconv.conv2d(X[:, :, :8], W, padding=1)
    torchconv.set_idle_memory_limit(MIB)
    large = result()
    del small, large
    assert torchconv.idle_memory() == 0


def test_a_limit_frees_the_oldest():
    first, last = result(), result()
    kept = last.data_ptr()
    del first
    del last
    torchconv.set_idle_memory_limit(3 * MIB)
    assert torchconv.idle_memory() == 2 * MIB
    assert result().data_ptr() == kept
    torchconv.set_idle_memory_limit(0)
    assert torchconv.idle_memory() == 0


@pytest.mark.parametrize("bad", [None, -1, 1.0, True, 1 << 63, "1"])
def test_a_limit_that_is_none(bad):
    with pytest.raises(torchconv.TorchconvError, match="limit: expected a number of bytes, got"):
        torchconv.set_idle_memory_limit(bad)


def test_such_a_result_is_a_tensor_like_any_other():
    y = result()
    assert torch.equal(pickle.loads(pickle.dumps(y)), y) and torch.equal(copy.deepcopy(y), y)
    assert torch.equal(torch.from_numpy(y.numpy()), y)
    y.resize_(1, 2, 3)
    expected = y.clone()
    assert torch.equal(y.share_memory_(), expected) and y.is_shared()
    with pytest.raises(RuntimeError, match="resiz"):
        result().resize_(2, *X.shape[1:])


def test_gradients_lie_in_it_too_and_are_freed_by_other_threads():
    x = X.clone().requires_grad_()
    torchconv.conv2d(x, W, padding=1).sum().backward()
    expected = torch.nn.functional.conv_transpose2d(torch.ones(1, 32, 128, 128), W, padding=1)
    torch.testing.assert_close(x.grad, expected, rtol=1e-4, atol=1e-3)
    held = [result()]
    before = torchconv.idle_memory()
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    assert torchconv.idle_memory() == before + 2 * MIB


def test_threads_do_not_share_results():
    wrong = []

    def work(scale: float) -> None:
        torch.set_num_threads(1)
        expected = result() * scale
        for _ in range(30):
            if not torch.equal(torchconv.conv2d(X * scale, W, padding=1, algo="im2col"), expected):
                wrong.append(scale)

    def result() -> torch.Tensor:
        return torchconv.conv2d(X, W, padding=1, algo="im2col")

    threads = [threading.Thread(target=work, args=(scale,)) for scale in (1.0, 2.0, 4.0, 0.5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_fork_has_memory_of_its_own():
    expected = result().clone()
    torch.set_num_threads(1)  # OpenMP's threads do not survive a fork
    child = os.fork()
    if child == 0:
        os._exit(0 if torch.allclose(result(), expected, rtol=1e-4, atol=1e-4) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
