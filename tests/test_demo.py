"""The pieces of the demo, on one photograph and a few digits."""

import copy
import io

import pytest
import skimage.data
import torch
from pages import read_report
from rich.console import Console
from torch import nn
from torch.nn import functional as F

import torchconv
import torchconv.demo
from torchconv.bench import layers
from torchconv.bench.networks import relative_errors
from torchconv.demo import digits, efficientnet, photos
from torchconv.demo.counting import CountConvolutions
from torchconv.report import Report


@pytest.fixture(scope="module")
def theirs():
    return efficientnet.load_network()


@pytest.fixture(scope="module")
def ours(theirs):
    return torchconv.convert(copy.deepcopy(theirs))


@pytest.fixture
def report():
    return Report(Console(file=io.StringIO(), width=120))


def test_class_names_are_imagenets():
    assert len(photos.CLASS_NAMES) == 1000
    assert photos.CLASS_NAMES[281] == "tabby"
    assert [photos.CLASS_NAMES[i] for i in photos.labels()] == list(photos.LABELS.values())


def test_preprocess_crops_the_middle_and_scales():
    photo = skimage.data.chelsea()
    x = photos.preprocess(photo)
    assert x.shape == (3, 224, 224)
    assert x.min() >= -127 / 128
    assert x.max() <= 1
    gray = photos.preprocess(skimage.data.camera())
    assert torch.equal(gray[0], gray[1])
    # A photo that is white on its left half: the crop is centred, so that half of the result is white too.
    half = photo.copy()
    half[:], half[:, : half.shape[1] // 2] = 0, 255
    assert abs((photos.preprocess(half) > 0).float().mean() - 0.5) < 0.01


def test_every_convolution_of_efficientnet_is_converted(ours):
    convs = layers.convolutions(ours)
    assert len(convs) == efficientnet.CONVOLUTIONS
    assert set(ours.torchconv_report.converted) == {*convs, "_fc"}  # and the linear layer
    assert all(name not in ours.torchconv_report.left_alone for name in convs)


def test_logits_of_a_photo(theirs, ours):
    x = photos.preprocess(skimage.data.coffee())[None]
    with torch.no_grad(), CountConvolutions() as count:
        y = ours(x)
    with torch.no_grad():
        wanted = theirs(x)
    assert (count.torchconv, count.aten) == (efficientnet.IN_FORWARD, 0)
    assert (y - wanted).abs().max() <= 1e-4
    assert torch.equal(y.topk(5).indices, wanted.topk(5).indices)
    assert photos.CLASS_NAMES[y.argmax()] == "espresso"


def test_count_sees_atens_convolutions_forward_and_backward():
    conv = nn.Conv2d(2, 3, 3)
    with CountConvolutions() as count:
        conv(torch.ones(1, 2, 5, 5)).float().sum().backward()
    assert (count.torchconv, count.aten) == (0, 2)


@pytest.mark.parametrize(
    ("conv", "kind"),
    [
        (nn.Conv2d(3, 32, 3, 2), "stem 3x3 /2"),
        (nn.Conv2d(8, 16, 1), "1x1"),
        (nn.Conv2d(8, 8, 5, groups=8), "depthwise 5x5"),
        (nn.Conv2d(8, 8, 3, 2, groups=2), "grouped 3x3 /2"),
    ],
)
def test_kind_of_layer(conv, kind):
    assert layers.kind_of(conv) == kind


def test_times_are_taken_for_every_layer_pass_and_layout():
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1))
    found = layers.layers_of(network, [torch.ones(1, 3, 8, 8)], training=True)
    assert [tuple(layer.x.shape) for layer in found] == [(1, 3, 8, 8), (1, 8, 6, 6)]
    figures = layers.measure_layers(found, samples=1, limit=0)
    assert {layer.kind: layer.count for layer in figures} == {"stem 3x3": 1, "1x1": 2}
    for layer in figures:
        assert sum(len(by_layout) for by_library in layer.seconds.values() for by_layout in by_library.values()) == 8
        assert layer.best("training", "torchconv") > 0


def test_gradients_of_a_step_are_those_of_torch(theirs, ours):
    errors = relative_errors(
        *(
            efficientnet.training_step(network, photos.photographs()[:, :, ::4, ::4], frozen=True)
            for network in (ours, theirs)
        )
    )
    assert len(errors) == 149
    assert max(errors.values()) < 1e-2


def test_relative_errors_find_a_wrong_gradient():
    wanted = {"a": torch.ones(4), "zero": torch.full((4,), 1e-12)}
    assert relative_errors({"a": wanted["a"], "zero": -wanted["zero"]}, wanted)["zero"] < 1e-5
    assert relative_errors({"a": 1.1 * wanted["a"], "zero": wanted["zero"]}, wanted)["a"] == pytest.approx(0.1)


def test_digits_are_the_real_ones_and_both_libraries_learn_alike(report):
    x, y = digits.load_digits()
    assert x.shape == (5000, 1, 28, 28)
    assert y.bincount().tolist() == [500] * 10
    torch.manual_seed(0)
    network = digits.make_network()
    theirs, ours = digits.Learner(network, 3), digits.Learner(torchconv.convert(copy.deepcopy(network)), 3)
    for i in range(3):
        theirs.step(x[10 * i : 10 * i + 10], y[10 * i : 10 * i + 10])
        ours.step(x[10 * i : 10 * i + 10], y[10 * i : 10 * i + 10])
    assert ours.losses == pytest.approx(theirs.losses, rel=1e-5)
    with CountConvolutions() as count:
        F.cross_entropy(ours.network(x[:4]), y[:4]).backward()
    assert (count.torchconv, count.aten) == (11, 0)  # four forward, four grad_weight, three grad_input


def test_a_broken_promise_ends_the_demo_with_its_name(monkeypatch, tmp_path):
    def run(report, epochs):
        report.at_most("figure", 2.0, 1.0)

    monkeypatch.setattr(digits, "run", run)
    with pytest.raises(SystemExit, match="The demo failed: figure"):
        torchconv.demo.main(["--part", "digits", "--output", str(tmp_path)])
    page, figures = read_report(tmp_path)
    assert figures["promises"] == [{"what": "figure", "wanted": "at most 1", "got": "2", "kept": False}]
    assert "BROKEN" in page.text and "0 of 1 kept" in page.text


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(torchconv.demo, "PACKAGES", {"no_such_package": "no-such-package"})
    with pytest.raises(SystemExit, match="the demo needs no_such_package: pip install no-such-package"):
        torchconv.demo.main([])
    monkeypatch.setattr(torchconv.demo, "PACKAGES", {})
    monkeypatch.setattr(torchconv.demo, "ALONE", {"no_such_weights": "no-such-weights"})
    with pytest.raises(SystemExit, match="pip install --no-deps no-such-weights"):
        torchconv.demo.main([])


def test_the_photographs_on_the_page(report, theirs, ours, tmp_path):
    """torchconv sees the same as torch; a network whose last layer is turned round is told apart."""
    wrong = copy.deepcopy(theirs)
    with torch.no_grad():
        wrong._fc.weight.neg_()
    made = {("torch", "nchw"): theirs, ("converted", "nchw"): ours, ("wrong", "nchw"): wrong}
    efficientnet.compare_predictions(report, made | {("torch", "channels_last"): theirs}, photos.photographs())
    assert [p.kept for p in report.promises] == [True, True, False, False]
    coffee = report.sections[0].blocks[0].photos[1]
    assert next(iter(coffee.classes)) == "espresso" and len(coffee.classes) == 10
    assert coffee.classes["espresso"][:2] == pytest.approx([95.1, 95.1], abs=0.1)
    assert coffee.verdict == "They differ."
    report.write(tmp_path)
    page, figures = read_report(tmp_path)
    assert [picture.size for picture in page.pictures] == [(224, 224)] * 5
    assert figures["photographs"]["coffee"]["converted"][0][0] == "espresso"
    assert figures["logits"]["difference_from_torch"]["wrong"] > 1


def test_the_digits_part_writes_its_curves(monkeypatch, tmp_path):
    x, y = digits.load_digits()
    monkeypatch.setattr(digits, "load_digits", lambda: (x[:600], y[:600]))
    monkeypatch.setattr(digits, "TRAINING", 500)
    monkeypatch.setattr(digits, "BATCH", 10)
    with pytest.raises(SystemExit, match="digits: test accuracy"):  # 50 steps of 10 digits are not enough
        torchconv.demo.main(["--part", "digits", "--epochs", "1", "--output", str(tmp_path)])
    page, figures = read_report(tmp_path)
    losses = figures["digits"]["losses"]
    assert len(losses["torch"]) == len(losses["torchconv"]) == 50
    assert page.tags.count("svg") == 1 and "relative difference of the two" in page.text


def test_what_is_shown_is_escaped(report, tmp_path):
    report.section("<script>alert(1)</script>", "a & b")
    report.table("[bold]", ("layer",), [("[red]<b>",)])
    report.write(tmp_path)
    page, _ = read_report(tmp_path)
    assert "[red]<b>" in page.text and "b" not in page.tags
    assert "[red]<b>" in report.console.file.getvalue()
