"""Writes the files of shapes of whole networks into benchmarks/shapes/; --check says which of them have changed.

    python tools/write_shapes.py [--check]

Where torchvision has the network, its layers are found by running it on sizes alone; the others follow the tables of
their papers. benchmarks/shapes/depthwise.txt, grouped.txt and wide.txt are written by hand.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torchvision
from torch import nn

from torchconv.timing import FIELDS, Shape, as_window, written

FOLDER = Path(__file__).parent.parent / "benchmarks" / "shapes"
# What each column takes at least, the blank before it included.
COLUMNS = dict(zip(FIELDS[1:], (4, 6, 5, 5, 6, 3, 3, 7, 4, 4, 7, 6)))


def name_of(s: Shape) -> str:
    """As "3x3_64_to_128_at_56_s2": kernel, channels, image, and what is not usual."""
    kernel, image = f"{s.R}x{s.S}", f"{s.H}" if s.H == s.W else f"{s.H}x{s.W}"
    if s.C <= 3:
        name = f"stem_{kernel}"
    elif s.groups == s.C == s.K:
        name = f"dw{kernel}_{s.C}_at_{image}"
    else:
        name = f"{'up' * s.transposed}{kernel}_{s.C}_to_{s.K}_at_{image}"
        name += f"_g{s.groups}" * (s.groups > 1)
    marks = {"s": s.stride, "d": s.dil}
    return name + "".join(f"_{letter}{n}" for letter, n in marks.items() if n != 1)


def layer(
    C: int,
    H: int,
    K: int,
    kernel: int | tuple[int, int],
    stride: int = 1,
    pad: int | None = None,
    groups: int = 1,
    transposed: bool = False,
) -> Shape:
    """A layer on square images, padded so that stride 1 keeps their size where `pad` does not say otherwise."""
    R, S = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = as_window((R // 2, S // 2)) if pad is None else pad
    return Shape("", 1, C, H, H, K, R, S, stride, padding, 1, groups, 1, transposed)


def traced(build: Callable[[], nn.Module], size: int) -> Iterator[Shape]:
    """The convolutions of a network on square images, in the order in which they run."""
    found: list[Shape] = []

    def record(conv: nn.Conv2d, inputs: tuple[torch.Tensor], _: object) -> None:
        _, C, H, W = inputs[0].shape
        assert conv.padding_mode == "zeros" and not isinstance(conv.padding, str)
        R, S = conv.kernel_size
        window = [as_window(pair) for pair in (conv.stride, conv.padding, conv.dilation)]
        found.append(Shape("", 1, C, H, W, conv.out_channels, R, S, *window, conv.groups, 1))

    with torch.device("meta"), torch.no_grad():
        network = build().eval()
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(record)
        network(torch.empty(1, 3, size, size))
    yield from found


def replknet31b() -> Iterator[Shape]:
    """Ding et al. 2022: a stem, four stages of blocks with one large kernel, transitions."""
    C = 128
    yield layer(3, 224, C, 3, 2)
    yield layer(C, 112, C, 3, groups=C)
    yield layer(C, 112, C, 1)
    yield layer(C, 112, C, 3, 2, groups=C)
    H = 56
    for stage, (kernel, blocks) in enumerate(zip((31, 29, 27, 13), (2, 2, 18, 2))):
        if stage:
            yield layer(C, H, 2 * C, 1)
            C *= 2
            yield layer(C, H, C, 3, 2, groups=C)
            H //= 2
        for _ in range(blocks):
            yield layer(C, H, C, 1)
            yield layer(C, H, C, kernel, groups=C)
            yield layer(C, H, C, 1)
            yield layer(C, H, 4 * C, 1)
            yield layer(4 * C, H, C, 1)


def slak_tiny() -> Iterator[Shape]:
    """Liu et al. 2023: ConvNeXt-T 1.3 times as wide, with two long kernels and a small one in the place of 7x7.

    Its 1x1 layers are nn.Linear.
    """
    C, H = 3, 224
    for width, kernel, blocks in zip((96, 192, 384, 768), (51, 49, 47, 13), (3, 3, 9, 3)):
        K, step = int(1.3 * width), 4 if C == 3 else 2
        yield layer(C, H, K, step, step, 0)
        C, H = K, H // step
        for _ in range(blocks):
            for long in ((kernel, 5), (5, kernel), (5, 5)):
                yield layer(C, H, C, long, groups=C)


def dcgan() -> Iterator[Shape]:
    """Radford et al. 2016 at 64 x 64, as PyTorch's example has it: the generator, then the discriminator."""
    widths = (512, 256, 128, 64)
    yield layer(100, 1, 512, 4, 1, 0, transposed=True)
    for i, (C, K) in enumerate(zip(widths, (*widths[1:], 3))):
        yield layer(C, 4 << i, K, 4, 2, 1, transposed=True)
    for i, (C, K) in enumerate(zip((3, *widths[:0:-1]), widths[::-1])):
        yield layer(C, 64 >> i, K, 4, 2, 1)
    yield layer(512, 4, 1, 4, 1, 0)


def unet() -> Iterator[Shape]:
    """Ronneberger et al. 2015, figure 1: 3x3 without padding, halved five times over, and up again."""
    C, H = 1, 572
    for K in (64, 128, 256, 512, 1024):
        yield layer(C, H, K, 3, 1, 0)
        yield layer(K, H - 2, K, 3, 1, 0)
        C, H = K, (H - 4) // 2
    H *= 2
    for K in (512, 256, 128, 64):
        yield layer(2 * K, H, K, 2, 2, 0, transposed=True)
        H = 2 * H - 2  # after the first of two 3x3 layers
        yield layer(2 * K, H + 2, K, 3, 1, 0)
        yield layer(K, H, K, 3, 1, 0)
        H -= 2
    yield layer(64, H, 2, 1)


@dataclass(frozen=True)
class Network:
    """A file of shapes. batch: what two cores train in moments; of one image where torch takes seconds for a layer."""

    name: str
    layers: Callable[[], Iterable[Shape]]
    batch: int = 8
    size: int = 224


def of_torchvision(title: str, name: str, batch: int = 8, size: int = 224) -> Network:
    models = torchvision.models.segmentation if "deeplab" in name else torchvision.models
    without = {"weights_backbone": None} if "deeplab" in name else {}
    return Network(title, lambda: traced(lambda: getattr(models, name)(weights=None, **without), size), batch, size)


NETWORKS = {
    "resnet50": of_torchvision("ResNet-50", "resnet50"),
    "vgg16": of_torchvision("VGG-16", "vgg16", batch=4),
    "mobilenet_v2": of_torchvision("MobileNetV2", "mobilenet_v2"),
    "efficientnet_b0": of_torchvision("EfficientNet-B0", "efficientnet_b0"),
    "convnext_tiny": of_torchvision("ConvNeXt-T", "convnext_tiny"),
    "convnext_base": of_torchvision("ConvNeXt-B", "convnext_base"),
    "resnext50_32x4d": of_torchvision("ResNeXt-50 32x4d", "resnext50_32x4d"),
    "shufflenet_v2": of_torchvision("ShuffleNetV2 x1.0", "shufflenet_v2_x1_0"),
    "deeplabv3": of_torchvision("DeepLabV3 with ResNet-50", "deeplabv3_resnet50", batch=1, size=520),
    "replknet31b": Network("RepLKNet-31B, small kernels merged into large ones,", replknet31b, batch=1),
    "slak_tiny": Network("SLaK-T", slak_tiny, batch=2),
    "dcgan": Network("DCGAN, generator and discriminator,", dcgan, batch=32, size=64),
    "unet": Network("U-Net", unet, batch=1, size=572),
}


def distinct(layers: Iterable[Shape], batch: int) -> list[Shape]:
    """Each shape once, in the order of its first layer, with its name and how many layers have it."""
    counts: dict[Shape, int] = {}
    for s in layers:
        counts[s] = counts.get(s, 0) + 1
    shapes = [replace(s, name=name_of(s), N=batch, count=count) for s, count in counts.items()]
    if len({s.name for s in shapes}) < len(shapes):
        raise ValueError(f"expected names of their own, got {sorted(s.name for s in shapes)}")
    return shapes


def text_of(network: Network) -> str:
    """The file of a network."""
    shapes = distinct(network.layers(), network.batch)
    total = sum(s.count for s in shapes)
    lines = [
        f"# The {len(shapes)} distinct convolution layers of {network.name} on {network.size} x {network.size} images.",
        f"# N: in training. count: how many of its {total} layers have the shape. Written by tools/write_shapes.py.",
    ]
    names = FIELDS[1:]
    table = [["# name", *names], *([s.name, *(written(getattr(s, n)) for n in names)] for s in shapes)]
    first = max(25, *(len(row[0]) for row in table))
    widths = [max(COLUMNS[n], *(1 + len(row[i]) for row in table)) for i, n in enumerate(names, 1)]
    ends = ["", *("  transposed" * s.transposed for s in shapes)]
    for (name, *cells), end in zip(table, ends):
        lines.append(f"{name:<{first}}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths)) + end)
    return "\n".join(lines) + "\n"


def main() -> int:
    changed = []
    for name, network in NETWORKS.items():
        path, text = FOLDER / f"{name}.txt", text_of(network)
        if path.exists() and path.read_text() == text:
            continue
        changed.append(path.name)
        if "--check" not in sys.argv[1:]:
            path.write_text(text)
    print(f"{len(NETWORKS)} files, changed: {', '.join(changed) or 'none'}")
    return int(bool(changed) and "--check" in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
