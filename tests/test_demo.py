"""The pieces of the demo, on one photograph and a few digits."""

import copy
import io

import pytest
import skimage.data
import torch
from rich.console import Console
from torch import nn
from torch.nn import functional as F

import torchconv
import torchconv.demo
from torchconv.demo import digits, efficientnet, layers, photos
from torchconv.demo.counting import CountConvolutions
from torchconv.demo.report import Report


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
    assert len(convs) == len(ours.torchconv_report.converted) == efficientnet.CONVOLUTIONS
    assert all(name not in ours.torchconv_report.left_alone for name in convs)


def test_logits_of_a_photo(theirs, ours):
    x = photos.preprocess(skimage.data.coffee())[None]
    with torch.no_grad(), CountConvolutions() as count:
        y = ours(x)
    with torch.no_grad():
        wanted = theirs(x)
    assert (count.torchconv, count.aten) == (49, 0)
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
    inputs = layers.record_inputs(network, torch.ones(1, 3, 8, 8))
    assert [tuple(x.shape) for x in inputs.values()] == [(1, 3, 8, 8), (1, 8, 6, 6), (1, 8, 6, 6)]
    networks = {"torch": network, "torchconv": torchconv.convert(copy.deepcopy(network))}
    kinds = layers.time_by_kind(networks, inputs, repeats=1)
    assert {name: kind.layers for name, kind in kinds.items()} == {"stem 3x3": 1, "1x1": 2}
    for kind in kinds.values():
        assert len(kind.seconds) == 8
        assert kind.best("training", "torchconv") > 0


def test_gradients_of_a_step_are_those_of_torch(theirs, ours):
    errors = efficientnet.relative_errors(
        *(
            efficientnet.training_step(network, photos.photographs()[:, :, ::4, ::4], frozen=True)
            for network in (ours, theirs)
        )
    )
    assert len(errors) == 149
    assert max(errors.values()) < 5e-3


def test_relative_errors_find_a_wrong_gradient():
    wanted = {"a": torch.ones(4), "zero": torch.full((4,), 1e-12)}
    assert efficientnet.relative_errors({"a": wanted["a"], "zero": -wanted["zero"]}, wanted)["zero"] < 1e-5
    assert efficientnet.relative_errors({"a": 1.1 * wanted["a"], "zero": wanted["zero"]}, wanted)["a"] == pytest.approx(
        0.1
    )


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
    assert (count.torchconv, count.aten) == (8, 0)  # three forward, three grad_weight, two grad_input


def test_a_broken_promise_ends_the_demo_with_its_name(monkeypatch, tmp_path):
    def run(report, epochs):
        report.at_most("figure", 2.0, 1.0)

    monkeypatch.setattr(digits, "run", run)
    with pytest.raises(SystemExit, match="The demo failed: figure"):
        torchconv.demo.main(["--part", "digits", "--report", str(tmp_path / "demo.json")])
    assert '"kept": false' in (tmp_path / "demo.json").read_text()


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(torchconv.demo, "PACKAGES", ("no_such_package",))
    with pytest.raises(SystemExit, match=r"no_such_package.*requirements/demo\.txt"):
        torchconv.demo.main([])
