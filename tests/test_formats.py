"""In which memory format a frozen model runs its images."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

import torchconv
from torchconv.nn import FusedConv


def image(channels=3, size=12):
    return torch.randn(2, channels, size, size)


class Images(nn.Module):
    """A convolution, and something on its result."""

    def __init__(self, step):
        super().__init__()
        self.conv, self.step = nn.Conv2d(3, 8, 3, padding=1), step

    def forward(self, x):
        return self.step(self.conv(x))


def formats_of(model, x):
    """Of what the frozen model's convolution gets, and of its result."""
    got = []
    frozen = torchconv.freeze(model)
    (conv,) = (m for m in frozen.modules() if isinstance(m, FusedConv))
    conv.register_forward_pre_hook(lambda m, args: got.append(args[0]))
    y = frozen(x)
    assert_close(y, model(x), rtol=1e-4, atol=1e-5)
    return [t.is_contiguous(memory_format=torch.channels_last) for t in (*got, y)]


@pytest.mark.parametrize("step", [lambda y: y.sin(), lambda y: torch.cat([y, y], 1), lambda y: y.mean(1, True) + y])
def test_images_go_through_in_channels_last_and_leave_as_they_came(step):
    assert formats_of(Images(step), image()) == [True, False]
    assert formats_of(Images(step), image().contiguous(memory_format=torch.channels_last)) == [True, True]


class Pooled(Images):
    def __init__(self, pool):
        super().__init__(pool)

    def forward(self, x):
        return super().forward(x).view(2, -1)


@pytest.mark.parametrize(
    "model",
    [
        Pooled(nn.AdaptiveAvgPool2d(1)),
        Pooled(nn.AdaptiveMaxPool2d((1, 1))),
        Images(lambda y: F.adaptive_avg_pool2d(y, output_size=1).view(2, -1)),
    ],
    ids=["module", "maximum", "function"],
)
def test_a_view_of_single_pixels_lets_images_be_in_channels_last(model):
    assert formats_of(model, image())[0] is True


def test_images_under_vmap():
    frozen, x = torchconv.freeze(Images(torch.sin)), image()
    assert_close(torch.vmap(frozen)(x[:, None])[:, 0], frozen(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "step",
    [
        lambda y: y.view(2, -1),
        lambda y: y.view(2, 4, 2, 12, 12),
        lambda y: y * y.stride()[1],
        lambda y: F.adaptive_avg_pool2d(y, 2).view(2, -1),
        lambda y: F.adaptive_avg_pool2d(y, 1) * y.view(2, -1)[0, 0],
    ],
    ids=["view", "view of channels", "stride", "view of four pixels", "another view"],
)
def test_images_stay_as_they_are_where_the_model_asks_how_they_lie(step):
    assert formats_of(Images(step), image())[0] is False


def test_an_input_that_is_written_over_is():
    class Writing(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3)

        def forward(self, x):
            y = self.conv(x)
            x += 1
            return y

    x = image()
    before = x.clone()
    torchconv.freeze(Writing())(x)
    assert torch.equal(x, before + 1)
