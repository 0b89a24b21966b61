"""python -m torchconv bench: what it measures, what it writes, and what it says about a wrong command line."""

import subprocess
import sys

import pytest
import torch
from pages import read_report
from torch import nn

import torchconv
from torchconv.__main__ import main
from torchconv.bench import layers, networks, present, targets, variants
from torchconv.bench.layers import Layer, LayerFigures
from torchconv.report import Ratio, plots
from torchconv.timing import Shape, read_shapes

QUICK = ["--samples", "1", "--limit", "0"]
MODELS = """
import torch
from torch import nn

def tiny():
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1),
        nn.ConvTranspose2d(8, 4, 2, 2), nn.Flatten(2), nn.Conv1d(4, 2, 5),
    )
    return model, torch.randn(2, 3, 8, 8)

def images_alone():
    return nn.Conv2d(3, 4, 3)

def wrong_channels():
    return nn.Conv2d(4, 4, 3), torch.randn(1, 3, 8, 8)

def no_convolution():
    return nn.Linear(4, 4), torch.randn(1, 4)

def no_model():
    return 3

def raises():
    raise KeyError("weights")

def no_tensors():
    return nn.Conv2d(3, 4, 3), "image"

NUMBER = 3
"""
SHAPES = """# name N C H W K R S stride pad dil groups count
3x3   1  4 9 9 8 3 3 1 1 1 1 2
s2    2  8 9 7 8 3 1 2 0 1 4 1  # a comment
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    (folder / "models.py").write_text(MODELS)
    (folder / "shapes.txt").write_text(SHAPES)
    (folder / "broken.py").write_text("def model(:\n")
    return folder


@pytest.fixture(autouse=True)
def threads():
    """bench sets the number of threads."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("train", [False, True])
def test_a_model_of_a_file(folder, tmp_path, train, capsys):
    what = "training" if train else "forward"
    options = ["--threads", "1", "--output", str(tmp_path), *(["--train"] if train else [])]
    main(["bench", f"{folder / 'models.py'}:tiny", *QUICK, *options])
    page, figures = read_report(tmp_path)
    assert page.tags.count("svg") == 1
    assert figures["machine"]["threads"] == figures["build"]["threads"] == 1
    assert 5 < figures["machine"]["round_trip_ns"] < 1e6  # between two cores, or two turns on one
    assert [(layer["name"], layer["count"]) for layer in figures["layers"]] == [("0", 1), ("2", 2), ("4", 1), ("6", 1)]
    for layer in figures["layers"]:
        assert set(layer["seconds"]) == set(layer["gflop"]) == set(layer["ratio"]) == {what}
        assert layer["seconds"][what]["torchconv"].keys() == {"nchw", "channels_last"}
        assert set(layer["algorithms"]) == {"fwd", "grad_input", "grad_weight"}
        assert max(layer["error"].values()) < 1e-5
        assert layer["description"] in page.text
    assert next(iter(figures["layers"][2]["algorithms"])) == "grad_input"  # that is what a transposed one runs
    backward = 1 if not train else 2  # the first layer's x needs no gradient
    assert figures["layers"][0]["gflop"][what] == pytest.approx(2e-9 * 2 * 8 * 64 * 27 * backward)
    assert figures["networks"].keys() == {"torch", "converted"} | (set() if train else {"frozen"})
    found = figures["networks"]["converted"]
    assert found["seconds"].keys() == {"nchw", "channels_last"}
    assert (found["error"] is None) == train and (found["gradients_apart"] is None) != train
    assert (found["gradients_apart"] if train else found["error"]) < 1e-5
    shown = capsys.readouterr().out
    assert "The whole network" in shown and str(tmp_path / "report.html") in shown


def test_a_file_of_shapes(folder, tmp_path):
    main(["bench", str(folder / "shapes.txt"), *QUICK, "--batch", "3", "--layout", "nchw", "--output", str(tmp_path)])
    page, figures = read_report(tmp_path)
    assert [(layer["name"], layer["count"], layer["x"]) for layer in figures["layers"]] == [
        ("3x3", 2, [3, 4, 9, 9]),
        ("s2", 1, [3, 8, 9, 7]),
    ]
    assert figures["layers"][0]["seconds"]["forward"]["torch"].keys() == {"nchw"}
    assert figures["networks"] == {}
    assert "grouped 3x1 /2, 8 to 8, at 9x7" in page.text


def test_a_function_that_gives_the_model_alone_gets_images(folder, tmp_path):
    main(["bench", f"{folder / 'models.py'}:images_alone", "--size", "9", *QUICK, "--output", str(tmp_path)])
    assert read_report(tmp_path)[1]["layers"][0]["x"] == [targets.BATCH, 3, 9, 9]


def test_an_error_is_one_line_without_a_traceback():
    command = [sys.executable, "-m", "torchconv", "bench", "resnet5"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 1 and run.stdout == ""
    (line,) = run.stderr.splitlines()
    assert line.startswith("MODEL: expected a model of torchvision as resnet50")
    assert "got 'resnet5'; did you mean resnet" in line


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nothing.txt", "expected a model of torchvision as resnet50, file.py:function, or a file of shapes"),
        ("models.py", "without :function"),
        ("nowhere.py:model", "expected a Python file before the colon, got 'nowhere.py', which is no file"),
        ("models.py:missing", "expected a function named missing, got none; it has tiny, images_alone"),
        ("models.py:NUMBER", "expected a function named NUMBER, got none"),
        ("models.py:no_model", r"expected no_model\(\) to return a model or \(model, example_input\), got int"),
        ("models.py:no_tensors", "expected example_input to be a tensor or a tuple, got str"),
        ("models.py:no_convolution", "expected a model with convolutions, got none that ran"),
        ("models.py:raises", r"raises\(\) failed \(line \d+\): KeyError: 'weights'"),
        ("models.py:wrong_channels", r"failed on its input, \[1, 3, 8, 8\]: RuntimeError: Given groups=1"),
        ("models.py:tiny --batch 2", r"batch: expected none, since tiny\(\) gives an example input of its own"),
        ("broken.py:model", "broken.py failed: SyntaxError: invalid syntax"),
        ("fasterrcnn_resnet50_fpn", "fasterrcnn_resnet50_fpn does not take one batch of float images"),
        ("shapes.txt --size 9", "size: expected none beside a file of shapes"),
        ("shapes.txt --compile", "compile: expected a model, got a file of shapes"),
        ("shapes.txt --output shapes.txt", "output: expected a folder that can be written"),
    ],
)
def test_wrong_targets(folder, monkeypatch, line, message):
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit, match=message):
        main(["bench", *line.split()])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--batch 0", "expected a positive number, got '0'"),
        ("--threads two", "expected a positive number, got 'two'"),
        ("--limit inf", "expected a number of seconds, got 'inf'"),
        ("--layout nhwc", "invalid choice: 'nhwc'"),
    ],
)
def test_wrong_options(options, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["bench", "resnet18", *options.split()])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a 1 4 9 9 8 3 3 1 1 1 1", "line 2: expected 13 fields, name N C H W K R S stride pad dil groups count"),
        ("a 1 4 9 9 8 3 3 1 -1 1 1 1", "all but the name whole numbers, got"),
        ("a 1 4 9 9 8 3 3 1 1 1 3 1", "groups that divide C and K"),
        ("a 1 4 9 9 8 3 3 0 1 1 1 1", "line 2: stride: expected positive numbers"),
        ("a 1 4 2 2 8 3 3 1 0 1 1 1", "line 2: "),
        ("a 1 4 9 9 8 3 3 1x1x1 1 1 1 1", r"may be as 2x1\), all but the name whole numbers, got"),
        ("a 1 4 9 9 8 3x3 3 1 1 1 1 1", "all but the name whole numbers, got"),
        ("a 1 4 9 9 8 3 3 1 1 1 1 1 transposes", "all but the name whole numbers, got"),
        ("a 1 4 1 1 8 2 2 1 2 1 1 1 transposed", "line 2: "),
        ("# a comment", "expected at least one shape, got none"),
    ],
)
def test_wrong_shapes(tmp_path, line, message):
    (tmp_path / "shapes.txt").write_text(f"# name\n{line}\n")
    with pytest.raises(torchconv.TorchconvError, match=message):
        read_shapes(tmp_path / "shapes.txt")


def test_a_missing_package_is_named(folder, monkeypatch):
    monkeypatch.setattr("torchconv.bench.PACKAGES", {"no_such_module": "no-such-package"})
    with pytest.raises(SystemExit, match="bench needs no_such_module: pip install no-such-package"):
        main(["bench", str(folder / "shapes.txt")])


def test_importing_torchconv_takes_no_package_of_the_report():
    code = "import sys, torchconv.__main__; print([m for m in ('matplotlib', 'torchvision') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_torchvision_names():
    target = targets.load("squeezenet1_1", 1, 64, training=False)
    assert target.convolutions == len(layers.convolutions(target.model)) == 26
    assert len(target.layers) < 26
    assert not target.model.training


def test_layers_that_differ_are_told_apart():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1, bias=False))
    found = layers.layers_of(model, [torch.ones(1, 3, 8, 8)], training=True)
    assert [(layer.name, layer.count, layer.grad_x) for layer in found] == [
        ("0", 1, False),
        ("1", 1, True),
        ("2", 1, True),
    ]
    twice = nn.Sequential(model[1], model[1])
    assert [layer.count for layer in layers.layers_of(twice, [torch.ones(1, 4, 8, 8)])] == [2]


def test_algorithms_are_those_that_explain_chooses():
    class Padded(nn.Conv2d):
        def forward(self, x):
            return super().forward(nn.functional.pad(x, (1, 2, 1, 2)))

    layer = Layer("padded", 1, Padded(3, 8, 4, bias=False), torch.randn(2, 3, 8, 8), True)
    figures = layers.measure_layer(layer, samples=1, limit=0)
    rows = torchconv.explain((2, 3, 11, 11), (8, 3, 4, 4)).rows
    assert figures.algorithms == {row["pass"]: row["algo"] for row in rows if row["chosen"]}
    assert figures.gflop["training"] == pytest.approx(3 * 2e-9 * 2 * 8 * 64 * 48)


def test_an_error_is_seen():
    wanted = torch.tensor([1.0, -4.0], dtype=torch.float64)
    assert layers.relative_error(torch.tensor([1.0, -3.0]), wanted) == 0.25
    assert layers.relative_error(torch.zeros(2), torch.zeros(2)) == 0


def test_a_variant_that_is_wrong_is_seen_and_one_that_fails_is_named():
    def wrong(model):
        with torch.no_grad():
            model.weight *= 1.5
        return model

    def fails(model):
        raise ValueError("no such thing\nand more")

    model, x = nn.Conv2d(2, 3, 3, bias=False), torch.randn(1, 2, 6, 6)
    made = networks.prepare(model, [*variants.TRAINING, ("wrong", wrong)])
    found = networks.measure_networks(made, [x], samples=1, limit=0)
    assert found["converted"].error < 1e-6 and found["wrong"].error == pytest.approx(0.5, rel=1e-3)
    trained = networks.measure_networks(made, [x], training=True, samples=1, limit=0)
    assert trained["converted"].gradients_apart < 1e-5 < 0.1 < trained["wrong"].gradients_apart
    with pytest.raises(torchconv.TorchconvError, match=r"^fails: the model cannot be made: ValueError: no such thing$"):
        networks.prepare(model, [*variants.TRAINING, ("fails", fails)])


def test_compiled_variants_are_of_torch_and_of_torchconv():
    by_name = dict(variants.COMPILED)
    kinds = {name: type(make(nn.Conv2d(2, 3, 3))._orig_mod) for name, make in by_name.items()}
    assert kinds == {"torch, compiled": nn.Conv2d, "compiled": torchconv.nn.Conv2d}


def figures_of(name, theirs, ours):
    seconds = {"forward": {"torch": {"nchw": theirs, "channels_last": 9.0}, "torchconv": {"nchw": ours}}}
    return LayerFigures(
        name, 2, "1x1", "1x1, 4 to 4, at 8x8", [1], [1], {"fwd": "im2col"}, {"forward": 4.0}, seconds, 1
    )


def test_words_and_ratios():
    found = [figures_of("a", 4.0, 2.0), figures_of("b", 1.0, 2.0)]
    assert [layer.ratio("forward") for layer in found] == [2.0, 0.5]
    assert found[0].gflops("forward") == 2.0
    assert present.overall(found, "forward") == 1.25
    words = present.in_words(found, "forward")
    assert words.startswith("4 convolutions, forward: torchconv is 1.25 times as fast as torch")
    assert "best on a (1x1, 4 to 4, at 8x8): 2.00 times" in words and "worst on b" in words
    assert present.unsure(found) == ""
    found[0].clean_samples = 0
    assert "in 1 of 2 lines" in present.unsure(found)
    assert [Ratio(v).verdict for v in (1.06, 1.0, 0.94)] == ["faster", "even", "slower"]


def test_plots_take_the_colours_of_the_page():
    svg = plots.layer_bars(["a < b"], {"torch": [1.0], "torchconv": [2.0]}, ["0.50x im2col"], "ms", "label")
    assert "var(--torch)" in svg and "var(--ours)" in svg and "#0" not in svg.replace("#p", "").replace('"#', "")
    assert "a &lt; b" in svg and "0.50x im2col" in svg


def test_shapes_of_a_file_are_layers():
    (layer,) = layers.layers_from([Shape("a", 2, 4, 9, 9, 6, 3, 1, 2, 1, 1, 2, 3)])
    assert (layer.name, layer.count, layer.x.shape) == ("a", 3, (2, 4, 9, 9))
    assert layer.conv.weight.shape == (6, 2, 3, 1) and layer.conv.stride == (2, 2) and layer.conv.bias is None
