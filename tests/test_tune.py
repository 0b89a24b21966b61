"""tune() and the plan store: what was measured is kept on disk, decides from then on, and cannot break a process."""

import json
import multiprocessing
import os
import subprocess
import sys
import threading
import warnings

import pytest
import torch

import torchconv
from torchconv import _C, _store, timing
from torchconv.__main__ import main
from torchconv.info import info, plan_store
from torchconv.timing import Timing

tune_module = sys.modules["torchconv.tune"]
SIZES = (2, 8, 12, 12), (8, 8, 3, 3)  # x and w of a problem that five algorithms can do


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store of the test's own, empty."""
    monkeypatch.setenv("TORCHCONV_CACHE", str(tmp_path))
    _store.load()
    return tmp_path / "plans.json"


@pytest.fixture
def paces(monkeypatch):
    """Seconds for each algorithm, in the place of a clock: a busy machine would have no undisturbed samples."""
    chosen = {"reference": 5.0}

    def race(calls, samples, limit):
        for call in calls.values():
            call()
        timings = {algo: Timing(chosen.get(algo, 1.0), samples, 0) for algo in calls}
        return dict(sorted(timings.items(), key=lambda item: item[1].seconds))

    monkeypatch.setattr(tune_module, "race", race)
    return chosen


def rows(pass_="fwd", algo="auto", x=SIZES[0], **options):
    found = torchconv.explain(x, SIZES[1], padding=1, algo=algo, **options).rows
    return {row["algo"]: row for row in found if row["pass"] == pass_}


def chosen(*args, **options):
    return next(row for row in rows(*args, **options).values() if row["chosen"])


def plan(seconds, **changes):
    """A plan for SIZES on this machine, as the file has them."""
    problem = {
        "pass": "fwd", "x": list(SIZES[0]), "w": list(SIZES[1]), "stride": [1, 1], "padding": [1] * 4,
        "dilation": [1, 1], "groups": 1, "dtype": "float32", "layout": "nchw", "device": "cpu", "packed": False,
        "isa": _C.current_isa(), "threads": torch.get_num_threads(),
    }  # fmt: skip
    return {**problem, "seconds": seconds, **_store.here(), **changes}


def write(store, *plans, schema=_store.SCHEMA):
    store.write_text(json.dumps({"schema": schema, "plans": plans}))
    _store.load()


def slower_one():
    """An algorithm that the predicted times leave alone, and the one that they take."""
    usual = chosen()["algo"]
    return next(algo for algo in ("winograd4", "fft") if algo != usual), usual


def model():
    return torch.nn.Sequential(torch.nn.Conv2d(8, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 1))


def test_what_is_measured_decides_at_once_and_after_the_store_is_read_again(store, paces):
    slower, usual = slower_one()
    paces |= {slower: 0.5}
    found = torchconv.tune(model().eval(), torch.randn(SIZES[0]))
    assert [(p["pass"], p["x"], p["w"]) for p in found.plans] == [
        ("fwd", [2, 8, 12, 12], [4, 8, 1, 1]),
        ("fwd", [2, 8, 12, 12], [8, 8, 3, 3]),
    ]
    assert (found.plans[1]["before"], found.plans[1]["fastest"]) == (usual, slower)
    assert found.store == str(store) and store.name in str(found).replace("\n", "")
    _C.clear_plans()
    assert chosen()["algo"] == usual
    _store.load()
    row = chosen()
    assert (row["algo"], row["tuned"], row["measured"]) == (slower, True, 0.5)
    assert rows()[usual]["reason"] == f"slower: measured 2x the time of {slower}"
    assert "tuned: measured 500" in str(torchconv.explain(*SIZES, padding=1))
    assert json.loads(json.dumps(found.as_dict())) == found.as_dict()


def test_the_kernel_that_runs_is_the_one_of_the_plan(store):
    slower, usual = slower_one()
    x, w = torch.randn(SIZES[0]), torch.randn(SIZES[1])
    write(store, plan({slower: 1.0}))
    assert torch.equal(torchconv.conv2d(x, w, padding=1), torchconv.conv2d(x, w, padding=1, algo=slower))
    assert not torch.equal(torchconv.conv2d(x, w, padding=1), torchconv.conv2d(x, w, padding=1, algo=usual))


def test_another_process_uses_the_store_and_its_log_says_so(store):
    slower, _ = slower_one()
    write(store, plan({slower: 1e-3}))
    program = f"import torch, torchconv; torchconv.conv2d(torch.ones({SIZES[0]}), torch.ones({SIZES[1]}), padding=1)"
    environment = {**os.environ, "TORCHCONV_LOG": "1", "OMP_NUM_THREADS": str(torch.get_num_threads())}
    said = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True).stderr
    assert f": {slower}, measured 1e+03 us by tune(), predicted" in said


@pytest.mark.parametrize(
    "changes",
    [{"threads": 1 + torch.get_num_threads()}, {"machine": "another"}, {"kernels": "older"}, {"dtype": "float64"},
     {"isa": "baseline" if _C.current_isa() != "baseline" else "avx2"}, {"layout": "nhwc"}, {"packed": True},
     {"pass": "grad_input"}, {"padding": [1, 1, 1, 2]}, {"stride": [2, 2]}],
    ids=lambda changes: next(iter(changes)),
)  # fmt: skip
def test_a_plan_holds_for_nothing_else(store, changes):
    slower, usual = slower_one()
    write(store, plan({slower: 1.0}, **changes))
    assert chosen()["algo"] == usual
    assert not chosen()["tuned"]
    assert _store.in_use.plans == (0 if {"machine", "kernels"} & set(changes) else 1)


def test_threads_and_instruction_sets_may_change_in_a_process(store):
    write(store, plan({"reference": 1.0}, threads=1), plan({"im2col": 1.0}, isa="baseline"))
    torch.set_num_threads(1)
    assert chosen()["algo"] == "reference"
    torch.set_num_threads(2)
    _C.set_max_isa("baseline")
    write(store, plan({"im2col": 1.0}, threads=2, isa="baseline"))
    assert chosen()["tuned"]


def test_an_algorithm_that_is_not_there_or_cannot_run_it_is_passed_over(store):
    slower, usual = slower_one()
    write(store, plan({"phases(winograd9)": 0.1, "depthwise": 0.2, slower: 1.0}))
    assert chosen()["algo"] == slower
    write(store, plan({"phases(winograd9)": 0.1, "depthwise": 0.2}))
    assert (chosen()["algo"], chosen()["tuned"]) == (usual, False)


def test_budgets_filter_when_an_algorithm_is_chosen(store):
    write(store, plan({"winograd4": 0.1, "fft": 0.2, "im2col": 0.3}))
    assert chosen()["algo"] == "winograd4"
    assert chosen(algo="auto:exact")["algo"] == "fft"
    assert chosen(algo="auto:direct")["algo"] == "im2col"
    assert chosen(algo="reference")["tuned"] is False
    with torchconv.precision("exact"):
        assert "above the budget" in rows()["winograd4"]["reason"]
    torchconv.set_workspace_limit(rows()["im2col"]["workspace"])
    assert chosen()["algo"] == "im2col"
    assert "bytes is above the limit" in rows()["winograd4"]["reason"]


def test_the_limit_of_the_workspace_without_plans():
    wanted = chosen()
    torchconv.set_workspace_limit(wanted["workspace"] - 1)
    assert chosen()["workspace"] < wanted["workspace"] and not rows()[wanted["algo"]]["allowed"]
    assert rows(algo=wanted["algo"])[wanted["algo"]]["chosen"]  # by name
    torchconv.set_workspace_limit(0)
    assert chosen()["algo"] == "reference"
    x, w = torch.randn(SIZES[0]), torch.randn(SIZES[1])
    assert torch.equal(torchconv.conv2d(x, w), torchconv.conv2d(x, w, algo="reference"))
    for bad in (-1, 1 << 63, 1.5, True, "1 GiB"):
        with pytest.raises(torchconv.TorchconvError, match=r"^limit: expected a number of bytes or None, got"):
            torchconv.set_workspace_limit(bad)


def test_only_rows_within_the_budgets_are_measured(store, paces):
    with torchconv.precision("direct"):
        found = torchconv.tune(model().eval(), torch.randn(SIZES[0]))
    assert "im2col" in found.plans[1]["seconds"] and set(found.plans[1]["seconds"]) <= {"im2col", "reference"}
    found = torchconv.tune(model().eval(), torch.randn(SIZES[0]))
    assert {"im2col", "winograd2", "winograd4", "fft"} <= set(found.plans[1]["seconds"])
    with torchconv.precision("direct"):
        torchconv.tune(model().eval(), torch.randn(SIZES[0]))
    assert "winograd4" in next(p for p in _store.read(store) if p["w"] == list(SIZES[1]))["seconds"]


def passes(**options):
    return sorted(p["pass"] for p in torchconv.tune(**options).plans)


def test_gradients_are_measured_where_they_are_needed(store, paces):
    x, network = torch.randn(SIZES[0]), model()
    everything = ["fwd", "fwd", "grad_input", "grad_weight", "grad_weight"]
    assert passes(model=network, example=x) == everything  # the first layer needs no grad_input
    assert passes(model=network.eval(), example=x) == ["fwd", "fwd"]
    assert passes(model=network, example=x, gradients=True) == everything
    assert passes(model=network, example=x.clone().requires_grad_()) == sorted([*everything, "grad_input"])
    assert passes(model=network.requires_grad_(False), example=x, gradients=True) == ["fwd", "fwd"]


def test_the_model_the_example_and_the_random_numbers_stay_as_they_are(store, paces):
    class Changing(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm, self.drop = torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Dropout()

        def forward(self, x):
            return self.drop(self.norm(self.conv(x.mul_(2))))

    network, x = Changing(), torch.ones(2, 3, 6, 6)
    before, state = {k: v.clone() for k, v in network.state_dict().items()}, torch.get_rng_state()
    torchconv.tune(network, x)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert torch.equal(x, torch.ones(2, 3, 6, 6)) and all(p.grad is None for p in network.parameters())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_problems_of_every_kind_come_back_as_they_were_met(store, paces, layout):
    network = torch.nn.Sequential(
        torch.nn.Conv2d(4, 8, (3, 1), stride=(2, 1), padding=(0, 2), dilation=(1, 2), groups=2),
        torch.nn.ConvTranspose2d(8, 4, 4, stride=2, padding=1, bias=False),
    ).to(memory_format=layout)
    x = torch.randn(2, 4, 9, 8).to(memory_format=layout)
    for convert in (lambda m: m, torchconv.convert):
        found = torchconv.tune(convert(network), x)
        assert sorted(p["pass"] for p in found.plans) == ["fwd", "fwd", "grad_input", "grad_weight", "grad_weight"]
        assert {p["layout"] for p in found.plans} == {"nhwc" if layout == torch.channels_last else "nchw"}
    explained = torchconv.explain(x, network[0].weight, None, (2, 1), (0, 2), (1, 2), 2).rows
    assert {row["pass"] for row in explained if row["tuned"]} == {"fwd", "grad_weight"}


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_one_and_three_dimensions_and_other_dtypes(store, paces, dtype):
    for d, conv in ((1, torch.nn.Conv1d), (3, torch.nn.Conv3d)):
        network, x = conv(4, 8, 3, padding=1).to(dtype), torch.randn(2, 4, *[5] * d, dtype=dtype)
        torchconv.tune(network, x)
        found = torchconv.explain(x, network.weight, padding=1).rows
        assert [row["pass"] for row in found if row["tuned"]] == ["fwd", "grad_weight"]


def test_frozen_models_have_plans_of_their_own(store, paces):
    network = torchconv.freeze(model().eval())
    x, conv = torch.randn(SIZES[0]), network.model.get_submodule("0")
    y = network(x)
    paces |= {"im2col": 0.1}
    found = torchconv.tune(network, x)
    assert {p["packed"] for p in found.plans} == {True} and {p["fastest"] for p in found.plans} == {"im2col"}
    assert not chosen()["tuned"]
    expected = torchconv.conv2d(x, conv.weight, conv.bias, padding=1, algo="im2col").relu()
    assert torch.equal(conv(x), expected)  # packs that were made before tune() do not stay
    torch.testing.assert_close(network(x), y, rtol=1e-4, atol=1e-4)


def test_what_was_interrupted_all_the_time_is_not_kept(store, monkeypatch):
    monkeypatch.setattr(tune_module, "race", lambda calls, *_: {algo: Timing(1.0, 0, 5) for algo in calls})
    found = torchconv.tune(model().eval(), torch.randn(SIZES[0]))
    assert len(found.plans) == 2 and "but for 2: the machine was busy" in str(found)
    assert _store.read(store) == [] and not chosen()["tuned"]


def test_what_was_measured_is_kept_when_it_is_stopped(store, monkeypatch):
    def race(calls, samples, limit):
        races.append(calls)
        if len(races) == 2:
            raise KeyboardInterrupt
        return {algo: Timing(1.0, 1, 0) for algo in calls}

    races = []
    monkeypatch.setattr(tune_module, "race", race)
    with pytest.raises(KeyboardInterrupt):
        torchconv.tune(model().eval(), torch.randn(SIZES[0]))
    assert len(_store.read(store)) == 1


def test_slow_algorithms_are_timed_once(monkeypatch):
    rounds = []

    def measure(calls, samples, limit, repeats=1):
        rounds.append((set(calls), samples, repeats))
        return {algo: Timing({"fast": 1e-5, "near": 1.9e-5}.get(algo, 1e-4), samples, 0) for algo in calls}

    monkeypatch.setattr(timing, "measure", measure)
    timings = timing.race(dict.fromkeys(("slow", "near", "fast"), lambda: None), 7, 1.0)
    assert rounds == [({"fast", "near", "slow"}, 1, 1), ({"fast", "near"}, 7, 20)]
    assert list(timings) == ["fast", "near", "slow"]


def test_timing_for_real_gives_plausible_times():
    found = torchconv.tune(torch.nn.Conv2d(8, 8, 3).eval(), torch.randn(1, 8, 12, 12), samples=1, progress=False)
    [plan] = found.plans
    assert found.store is None and all(1e-7 < s < 60 for s in plan["seconds"].values())
    assert list(plan["seconds"].values()) == sorted(plan["seconds"].values())


BROKEN = {
    "empty": "",
    "cut off": '{"schema": 1, "plans": [{"pass"',
    "another kind": "[1, 2]",
    "older": json.dumps({"schema": 0, "plans": []}),
    "without seconds": json.dumps({"schema": 1, "plans": [{k: v for k, v in plan({}).items() if k != "seconds"}]}),
    "no plan": json.dumps({"schema": 1, "plans": [7]}),
    "no sizes": json.dumps({"schema": 1, "plans": [plan({"im2col": 1.0}, x=[1, 2])]}),
    "no times": json.dumps({"schema": 1, "plans": [plan({"im2col": -1.0})]}),
    "times of another type": json.dumps({"schema": 1, "plans": [plan({"im2col": 10**400})]}),
    "no name": json.dumps({"schema": 1, "plans": [plan({"\ud800": 1.0})]}),
    "no threads": json.dumps({"schema": 1, "plans": [plan({"im2col": 1.0}, threads=1.5)]}),
    "no dtype": json.dumps({"schema": 1, "plans": [plan({"im2col": 1.0}, dtype="int8")]}),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_a_store_that_cannot_be_used_warns_and_is_put_aside(store, paces, text):
    usual = chosen()["algo"]
    store.write_text(text)
    with pytest.warns(RuntimeWarning, match="plan store .*plans.json is not used: it is (damaged|of another version)"):
        _store.load()
    assert chosen()["algo"] == usual and info()["plan_store"]["state"].startswith("not used: it is ")
    assert store.read_text() == text  # reading changes nothing
    with pytest.warns(RuntimeWarning, match=r"It is now .*plans\.json\.bad\."):
        torchconv.tune(model().eval(), torch.randn(SIZES[0]))
    assert store.with_name("plans.json.bad").read_text() == text
    assert chosen()["tuned"] and len(_store.read(store)) == 2
    store.write_text(text)
    with pytest.warns(RuntimeWarning, match=r"It is now .*plans\.json\.bad1\."):
        _store.add([])


def test_a_full_disk_leaves_nothing_behind(store, paces, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(torchconv.TorchconvError, match=r"^TORCHCONV_CACHE: .*No space left"):
        torchconv.tune(model().eval(), torch.randn(SIZES[0]))
    assert {file.name for file in store.parent.iterdir()} <= {"plans.lock"}


def test_a_store_that_cannot_be_read_warns(store):
    store.mkdir()
    with pytest.warns(RuntimeWarning, match="it cannot be read"):
        _store.load()
    assert not chosen()["tuned"]


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_measured(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TORCHCONV_CACHE", str(tmp_path / "file"))
    with warnings.catch_warnings(record=True):
        _store.load()
    monkeypatch.setattr(tune_module, "race", None)
    with pytest.raises(torchconv.TorchconvError, match=r"^TORCHCONV_CACHE: expected a folder to keep plans in, or off"):
        torchconv.tune(model(), torch.randn(SIZES[0]))


def add_some(folder, first):
    os.environ["TORCHCONV_CACHE"] = folder
    _store.load()
    for n in range(first, first + 10):
        _store.add([plan({"im2col": 1.0}, x=[n, 8, 12, 12])])


def test_processes_that_add_plans_at_once_lose_none(store):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=add_some, args=(str(store.parent), first)) for first in (1, 11)]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        _store.read(store)  # never half a file
    assert [process.exitcode for process in processes] == [0, 0]
    assert sorted(p["x"][0] for p in _store.read(store)) == list(range(1, 21))
    assert not [name for name in os.listdir(store.parent) if name not in ("plans.json", "plans.lock")]


def test_a_later_measurement_of_an_algorithm_counts_and_the_others_stay(store):
    write(store, plan({"im2col": 0.1, "fft": 0.2}), plan({"im2col": 1.0}, machine="another"))
    _store.add([plan({"im2col": 0.3})])
    here, there = _store.read(store)
    assert list(here["seconds"].items()) == [("fft", 0.2), ("im2col", 0.3)]
    assert there["seconds"] == {"im2col": 1.0}
    assert chosen()["algo"] == "fft"


def test_info_shows_the_store_in_use(store, capsys):
    assert (plan_store(), info()["plan_store"]["state"]) == (store, "empty")
    write(store, plan({"im2col": 1.0}), plan({"im2col": 1.0}, kernels="older"), plan({"im2col": 1.0}, threads=99))
    found = info()["plan_store"]
    assert found == {
        "path": str(store), "state": "2 plans in use, 1 for other machines or builds", "plans": 2, "others": 1,
    }  # fmt: skip
    main(["info"])
    assert "2 plans in use" in capsys.readouterr().out


def test_without_a_store_plans_last_as_long_as_the_process(monkeypatch, paces):
    monkeypatch.setenv("TORCHCONV_CACHE", "off")
    _store.load()
    assert plan_store() is None and info()["plan_store"]["state"] == "switched off by TORCHCONV_CACHE=off"
    found = torchconv.tune(model().eval(), torch.randn(SIZES[0]))
    assert found.store is None and "kept in this process alone" in str(found) and chosen()["tuned"]
    assert "2 plans of this process alone" in info()["plan_store"]["state"]
    main(["info"])


def locked():
    m = torch.nn.ReLU()
    m.lock = threading.Lock()
    return m


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"model": 1}, "^model: expected a torch.nn.Module, got int"),
        ({"samples": 0}, "^samples: expected a positive number, got 0"),
        ({"limit": None}, "^limit: expected a number of seconds, got None"),
        ({"gradients": "no"}, "^gradients: expected True, False or None, got 'no'"),
        ({"model": locked()}, "^model: expected one that copy.deepcopy can copy, got ReLU: cannot pickle"),
        ({"example": torch.ones(1, 3, 8, 8)}, r"^example: expected inputs that the model takes, got \[1, 3, 8, 8\]: "),
        ({"example": (1, "two")}, "^example: expected inputs that the model takes, got int, str: "),
    ],
    ids=["model", "samples", "limit", "gradients", "copy", "size", "type"],
)
def test_errors(arguments, message):
    with pytest.raises(torchconv.TorchconvError, match=message):
        torchconv.tune(**{"model": model(), "example": torch.ones(SIZES[0]), **arguments})
    met = len(_C.watched_problems())
    torchconv.conv2d(torch.ones(9, 8, 5, 5), torch.ones(SIZES[1]))
    assert len(_C.watched_problems()) == met  # watching has ended


MODEL = """
import torch

def make():
    return torch.nn.Conv2d(4, 8, 3), torch.randn(1, 4, 8, 8)
"""


def test_the_command_line(store, paces, tmp_path, capsys):
    (tmp_path / "mine.py").write_text(MODEL)
    main(["tune", f"{tmp_path / 'mine.py'}:make", "--train", "--layout", "nchw"])
    assert "2 plans kept in" in capsys.readouterr().out.replace("\n", "")
    main(["tune", f"{tmp_path / 'mine.py'}:make", "--freeze", "--json"])
    found = json.loads(capsys.readouterr().out)
    # A frozen model is in channels_last, whatever it gets.
    assert sorted((p["layout"], p["packed"]) for p in found["plans"]) == [
        ("nchw", False), ("nhwc", False), ("nhwc", True),
    ]  # fmt: skip
    (tmp_path / "shapes.txt").write_text("a 1 4 8 8 8 3 3 1 1 1 1 2\nb 1 4 8 8 8 1 1 1 0 1 1 1 transposed\n")
    main(["tune", str(tmp_path / "shapes.txt"), "--train", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert sorted(p["pass"] for p in found["plans"]) == sorted(4 * ["fwd", "grad_input", "grad_weight"])


def test_bad_command_lines(store, tmp_path):
    (tmp_path / "mine.py").write_text(MODEL)
    with pytest.raises(SystemExit, match=r"^freeze: expected a model in inference, got --train"):
        main(["tune", f"{tmp_path / 'mine.py'}:make", "--freeze", "--train"])
    with pytest.raises(SystemExit, match=r"expected a model of torchvision"):
        main(["tune", "no_such.model"])
