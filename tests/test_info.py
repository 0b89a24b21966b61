"""The command line: info says what this build is and what it uses, explain which algorithm runs, and why."""

import json
import os
import subprocess
import sys

import pytest
import torch

import torchconv
from torchconv import _C
from torchconv.__main__ import main


def run_info(**env):
    """Runs the command in a process of its own, since instruction sets and threads are chosen when it starts."""
    command = [sys.executable, "-m", "torchconv", "info", "--json"]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env})


def info_json(**env):
    result = run_info(**env)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_json_tells_versions_threads_and_every_row():
    facts = info_json(OMP_NUM_THREADS="1")
    assert facts["torch"]["running"] == torch.__version__
    assert facts["threads"] == 1
    assert [(r["algo"], r["pass"], r["device"]) for r in facts["rows"]] == _C.rows()


@pytest.mark.parametrize("cap", ["baseline", "avx512"])
def test_cap_lowers_the_instruction_set_and_never_raises_it(cap):
    order = ["baseline", "avx2", "avx512", "avx512_bf16"]
    isa = info_json(TORCHCONV_MAX_ISA=cap)["isa"]
    assert isa["detected"] == _C.detected_isa()
    assert isa["cap"] == cap
    assert isa["used"] == min(cap, isa["detected"], key=order.index)


def test_a_cap_that_does_not_exist_is_refused_with_the_accepted_names():
    result = run_info(TORCHCONV_MAX_ISA="bogus")
    assert result.returncode == 1
    assert result.stderr.strip() == "TORCHCONV_MAX_ISA: expected baseline, avx2, avx512 or avx512_bf16, got 'bogus'"


def test_table_names_every_fact(capsys):
    main(["info"])
    shown = capsys.readouterr().out
    for word in ("torchconv", "torch", "CPU", "threads", "CUDA library", "GPU", "plan store", "reference on cpu"):
        assert word in shown


def test_no_command_shows_the_usage(capsys):
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2
    assert "usage: python -m torchconv" in capsys.readouterr().err


def test_explain_says_what_torchconv_explain_says(capsys):
    options = "--stride 2 --padding 1x2 --groups 2 --dtype float64 --channels-last --algo auto:direct --json"
    main(["explain", "2x4x9x9", "6x2x3x3", *options.split()])
    x = torch.empty(2, 4, 9, 9, dtype=torch.float64).to(memory_format=torch.channels_last)
    w = torch.empty(6, 2, 3, 3, dtype=torch.float64)
    expected = torchconv.explain(x, w, None, 2, (1, 2), 1, 2, "auto:direct")
    assert json.loads(capsys.readouterr().out) == expected.as_dict()


def test_explain_in_three_dimensions(capsys):
    main(["explain", "2x4x5x9x9", "6x4x3x3x3", "--stride", "1x2x2", "--padding", "same", "--channels-last", "--json"])
    x = torch.empty(2, 4, 5, 9, 9).to(memory_format=torch.channels_last_3d)
    expected = torchconv.explain(x, torch.empty(6, 4, 3, 3, 3), None, (1, 2, 2), "same")
    assert expected.problem["layout"] == "nhwc"
    assert json.loads(capsys.readouterr().out) == expected.as_dict()


def test_explain_prints_a_table_for_three_passes(capsys):
    main(["explain", "1x4x9", "4x4x3", "--padding", "same"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("fwd", "grad_input", "grad_weight", "reference", "chosen"))


def test_explain_refuses_what_conv2d_refuses():
    with pytest.raises(SystemExit, match="w: expected size 4 in dimension 1"):
        main(["explain", "1x4x9x9", "4x3x3x3"])


def test_demo_has_options_of_its_own(capsys):
    with pytest.raises(SystemExit):
        main(["demo", "--help"])
    assert "--epochs" in capsys.readouterr().out


def test_unknown_options_are_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["info", "--everything"])
    assert stop.value.code == 2
    assert "unrecognized arguments: --everything" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line, message",
    [
        ("explain 8xax5x5 12x64x3x3", "expected numbers up to 2^40 joined by x, as 8x64x56x56, got '8xax5x5'"),
        ("explain 99999999999999999999x64x5x5 12x64x3x3", "expected numbers up to 2^40"),
        ("explain 1x64x5x5 12x63x3x3", "w: expected size 64 in dimension 1"),
    ],
)
def test_bad_command_lines(line, message, capsys):
    with pytest.raises(SystemExit) as caught:
        main(line.split())
    assert message in f"{caught.value} {capsys.readouterr().err}"
