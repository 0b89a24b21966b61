"""Every convolution problem that the tests run, named once.

All are small (at most a few million multiply-adds), so that the naive rows can run them too; between them
they reach every tail, branch and block boundary that a kernel may have.
"""

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Case:
    """One problem: x [N, C, *size], w [K, C/groups, *kernel]. padding has two entries per dimension: before, after."""

    name: str
    N: int
    C: int
    size: tuple[int, ...]
    K: int
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    @property
    def x_size(self) -> list[int]:
        return [self.N, self.C, *self.size]

    @property
    def w_size(self) -> list[int]:
        return [self.K, self.C // self.groups, *self.kernel]

    @cached_property
    def y_size(self) -> list[int]:
        pads = zip(self.padding[::2], self.padding[1::2])
        window = zip(self.size, pads, self.kernel, self.stride, self.dilation)
        return [self.N, self.K, *((h + sum(pad) - dil * (r - 1) - 1) // step + 1 for h, pad, r, step, dil in window)]

    def __str__(self) -> str:
        return self.name


def case(name, N, C, size, K, kernel, stride=1, padding=0, dilation=1, groups=1) -> Case:
    """A Case from short forms: an int stands for every dimension, one padding per dimension for both sides."""
    d = len(size)
    every = lambda value: value if isinstance(value, tuple) else (value,) * d  # noqa: E731
    pads = every(padding)
    if len(pads) == d:
        pads = tuple(p for p in pads for _ in range(2))
    return Case(name, N, C, size, K, every(kernel), every(stride), pads, every(dilation), groups)


ALL = [
    # What networks are made of.
    case("3x3", 2, 16, (14, 14), 32, 3, padding=1),
    case("3x3 stride 2", 2, 16, (14, 15), 24, 3, stride=2, padding=1),
    case("1x1", 2, 32, (7, 7), 48, 1),
    case("1x1 stride 2", 2, 24, (9, 8), 16, 1, stride=2),
    case("1x1 at one pixel", 5, 37, (1, 1), 43, 1),
    case("1x1 at few pixels", 1, 33, (2, 4), 70, 1),
    case("1x1 at few pixels, long reduction", 1, 2100, (1, 3), 9, 1),
    case("1x1 at few pixels, many output channels", 7, 9, (1, 1), 2100, 1),
    case("1x1 groups at few pixels", 2, 15, (2, 3), 21, 1, groups=3),
    case("1x1 weights of few pixels", 3, 21, (4, 5), 34, 1),
    case("line of one pixel", 14, 19, (1,), 5, 1),
    case("1x1 padded", 1, 5, (6, 7), 9, 1, padding=1),
    case("5x5", 1, 8, (13, 11), 12, 5, padding=2),
    case("stem 7x7 stride 2", 1, 3, (33, 32), 17, 7, stride=2, padding=3),
    case("stem 3x3 of many outputs", 2, 3, (18, 21), 40, 3, stride=2, padding=1),
    case("stem of patches", 2, 3, (16, 17), 33, 4, stride=4),
    case("few channels and wide padding", 1, 5, (6, 5), 20, (3, 7), padding=(2, 1, 6, 4)),
    case("few channels of a line", 2, 2, (19,), 35, 5, stride=2, padding=(3, 1)),
    case("2x2 of stride 2", 2, 20, (6, 8), 35, 2, stride=2),
    case("as wide as its stride", 1, 18, (7, 9), 17, (2, 3), stride=(1, 3), padding=(1, 0)),
    case("patches 4x4", 1, 3, (16, 16), 20, 4, stride=4),
    case("depthwise 3x3", 2, 19, (10, 11), 19, 3, padding=1, groups=19),
    case("depthwise 5x5 stride 2", 1, 32, (11, 11), 32, 5, stride=2, padding=2, groups=32),
    case("depthwise 3x3 stride 2", 2, 35, (15, 18), 35, 3, stride=2, padding=1, groups=35),
    case("depthwise 5x5", 1, 40, (9, 23), 40, 5, padding=2, groups=40),
    case("depthwise 7x7", 2, 17, (16, 9), 17, 7, padding=3, groups=17),
    case("depthwise 7x7 stride 2", 1, 65, (15, 14), 65, 7, stride=2, padding=3, groups=65),
    case("depthwise 3x3 wide", 1, 33, (8, 37), 33, 3, padding=1, groups=33),
    case("depthwise 3x3 strips", 1, 3, (67, 95), 3, 3, padding=1, groups=3),
    case("depthwise 3x3 strips stride 2", 1, 2, (61, 230), 2, 3, stride=2, padding=1, groups=2),
    case("depthwise 4x4 even", 1, 33, (11, 12), 33, 4, padding=(1, 2, 1, 2), groups=33),
    case("depthwise 13x13", 1, 34, (15, 16), 34, 13, padding=6, groups=34),
    case("depthwise 17x2 stride 2", 1, 32, (35, 20), 32, (17, 2), stride=(1, 2), padding=(8, 1), groups=32),
    case("depthwise atrous", 2, 36, (13, 12), 36, 3, padding=2, dilation=2, groups=36),
    case("depthwise atrous stride 2", 1, 35, (13, 16), 35, 3, stride=2, padding=3, dilation=3, groups=35),
    case("depthwise stride 3", 1, 33, (13, 17), 33, 5, stride=3, padding=2, groups=33),
    case("depthwise stride beyond the kernel", 1, 33, (13, 17), 33, 2, stride=(4, 3), groups=33),
    case("depthwise four paddings", 2, 32, (8, 9), 32, (3, 5), padding=(0, 2, 3, 1), groups=32),
    case("depthwise padding beyond the kernel", 1, 33, (3, 4), 33, 3, padding=(4, 5, 6, 3), groups=33),
    case("depthwise one pixel", 2, 48, (1, 1), 48, 3, padding=1, groups=48),
    case("depthwise one row", 1, 33, (1, 40), 33, (1, 3), padding=(0, 1), groups=33),
    case("depthwise empty batch", 0, 33, (5, 5), 33, 3, padding=1, groups=33),
    case("depthwise with multiplier and stride", 2, 5, (9, 12), 10, 3, stride=2, padding=1, groups=5),
    case("depthwise with multiplier", 1, 6, (8, 9), 18, 3, padding=1, groups=6),
    case("32x4 groups", 1, 128, (7, 7), 128, 3, padding=1, groups=32),
    case("groups of 4", 2, 40, (9, 15), 40, 3, padding=1, groups=10),
    case("groups of 4 stride 2", 1, 72, (13, 16), 72, 3, stride=2, padding=1, groups=18),
    case("groups of 4 in strips", 1, 8, (70, 61), 8, 3, padding=1, groups=2),
    case("groups of 4 in strips stride 2", 1, 20, (93, 70), 20, (5, 4), stride=2, padding=(3, 1), groups=5),
    case("groups of 2 5x5", 2, 18, (8, 17), 18, 5, padding=2, groups=9),
    case("groups of 8 atrous", 1, 24, (11, 12), 24, 3, padding=2, dilation=2, groups=3),
    case("groups of 16 stride 3", 1, 48, (13, 10), 48, (2, 4), stride=3, padding=1, dilation=(1, 2), groups=3),
    case("groups of 6 and 2", 2, 30, (7, 9), 10, 3, padding=1, groups=5),
    case("groups of 2 and 13", 1, 6, (9, 8), 39, 3, padding=(0, 1, 2, 1), groups=3),
    case("groups of 16 and 4", 1, 80, (6, 8), 20, 3, stride=(1, 2), padding=1, groups=5),
    case("atrous 3x3", 1, 8, (15, 15), 8, 3, padding=4, dilation=4),
    # Channels: every tail of a vector and of a register block.
    case("1 channel", 2, 1, (9, 9), 1, 3, padding=1),
    case("1 to 33 channels", 1, 1, (8, 9), 33, 3, padding=1),
    case("33 to 1 channels", 1, 33, (8, 9), 1, 3, padding=1),
    case("3 to 5 channels", 3, 3, (7, 6), 5, 3, padding=1),
    case("17 to 31 channels", 1, 17, (9, 7), 31, 3, padding=1),
    case("groups of 3 and 5", 2, 9, (8, 8), 15, 3, padding=1, groups=3),
    case("groups of 17 and 1", 1, 34, (6, 7), 2, 3, groups=2),
    case("groups of 1 and 7", 1, 4, (6, 7), 28, 2, groups=4),
    case("1x1 groups", 2, 12, (5, 5), 20, 1, groups=4),
    case("1x1 depthwise", 2, 7, (5, 5), 7, 1, groups=7),
    # Beyond one block: reduction length, output channels, places.
    case("long reduction", 1, 65, (9, 10), 20, 3, padding=1),
    case("long reduction at one place", 1, 150, (3, 3), 40, 3),
    case("few pixels and many weights", 1, 64, (5, 6), 160, 3, padding=1),
    case("weights in parts", 1, 512, (2, 2), 699, 3, padding=1),
    case("strips of rows", 2, 20, (24, 21), 35, (3, 4), (2, 1), (2, 1, 1, 2), (2, 1)),
    case("strips of groups", 2, 48, (9, 10), 60, 3, (2, 1), (1, 2), groups=3),
    case("taps of padding", 2, 64, (17, 16), 40, 3, padding=(12, 11), dilation=(12, 11), groups=2),
    case("taps of padding stride 2", 1, 32, (37, 18), 20, (3, 2), (2, 1), (16, 9), (15, 16)),
    case("1x1 long reduction", 1, 600, (4, 5), 30, 1),
    case("many output channels", 1, 4, (6, 6), 530, 3, padding=1),
    case("many places", 1, 2, (70, 75), 3, 3, padding=1),
    case("3x3 blocks of tiles", 1, 18, (23, 22), 17, 3, padding=1),
    case("1x1 many places", 1, 3, (80, 70), 5, 1),
    case("1x1 images of several blocks", 3, 17, (29, 21), 45, 1),
    case("1x1 images of 4 KiB", 2, 20, (32, 32), 34, 1),
    case("1x1 rows of 4 KiB", 2, 1024, (5, 7), 20, 1),
    case("long batch", 37, 3, (4, 5), 6, 3, padding=1),
    # Kernels.
    case("2x2", 1, 6, (7, 8), 10, 2),
    case("4x4 padded", 1, 5, (9, 8), 7, 4, padding=2),
    case("1x7", 1, 6, (8, 12), 10, (1, 7), padding=(0, 3)),
    case("7x1", 1, 6, (12, 8), 10, (7, 1), padding=(3, 0)),
    case("3x5", 2, 5, (9, 10), 11, (3, 5), padding=(1, 2)),
    case("whole input", 3, 8, (6, 5), 10, (6, 5)),
    case("11x11", 1, 4, (16, 15), 6, 11, padding=5),
    case("larger than the input", 2, 3, (3, 2), 4, (7, 8), padding=(3, 4)),
    case("5x5 several tiles", 1, 3, (70, 45), 18, 5, padding=2),
    case("5x5 tiles of one long row", 1, 2, (9, 300), 3, 5, padding=2),
    case("7x7 groups of 3 and 2", 2, 6, (33, 29), 4, 7, padding=3, groups=2),
    case("9x9 dilated", 1, 3, (40, 37), 4, 9, padding=(8, 7), dilation=2),
    case("15x15", 1, 2, (41, 38), 3, 15, padding=7),
    case("depthwise 11x11 several tiles", 1, 2, (75, 90), 2, 11, padding=5, groups=2),
    case("31x31 larger than the input", 1, 2, (9, 9), 2, 31, padding=15, groups=2),
    # Padding.
    case("one-sided padding", 1, 4, (8, 8), 6, 3, padding=(2, 0, 0, 2)),
    case("four paddings", 2, 3, (7, 8), 5, 3, padding=(0, 1, 2, 3)),
    case("even kernel same", 1, 5, (8, 9), 7, 4, padding=(1, 2, 1, 2)),
    case("strided same", 1, 4, (8, 8), 6, 3, stride=2, padding=(0, 1, 0, 1)),
    case("padding beyond the kernel", 1, 3, (4, 5), 4, 2, padding=(5, 4, 3, 6)),
    case("only padding at the edges", 1, 3, (2, 2), 4, 3, stride=2, padding=7),
    # Strides and dilation.
    case("stride beyond the kernel", 2, 5, (17, 16), 7, 2, stride=(5, 4)),
    case("stride beyond the input", 1, 4, (6, 6), 5, 3, stride=9, padding=1),
    case("two strides", 1, 4, (11, 13), 6, 3, stride=(1, 3), padding=1),
    case("stride leaves a rest", 1, 4, (12, 14), 6, 3, stride=4),
    case("two dilations", 1, 4, (12, 13), 6, 3, padding=(1, 3), dilation=(1, 3)),
    case("dilation and stride", 2, 5, (14, 15), 7, 3, stride=2, padding=2, dilation=2),
    case("4x4 stride 2", 2, 17, (12, 13), 18, 4, stride=2, padding=1),
    case("7x6 stride 3 groups", 1, 6, (17, 19), 34, (7, 6), stride=3, padding=(3, 2), groups=2),
    case("atrous 3x3 of two images", 2, 17, (13, 16), 33, 3, padding=2, dilation=2),
    case("stride down, dilation across", 2, 5, (13, 16), 6, (3, 5), stride=(2, 1), padding=(1, 5), dilation=(1, 3)),
    case("dilation beyond the input", 1, 3, (5, 5), 4, 3, padding=7, dilation=7),
    case("all at once", 1, 6, (11, 12), 9, (2, 3), stride=(3, 2), padding=(0, 2, 1, 0), dilation=(2, 1), groups=3),
    # Sizes 0 and 1.
    case("one pixel", 1, 1, (1, 1), 1, 1),
    case("one pixel 3x3", 2, 5, (1, 1), 6, 3, padding=1),
    case("one row", 1, 4, (1, 20), 6, (1, 3)),
    case("one column", 1, 4, (20, 1), 6, (3, 1)),
    case("empty batch", 0, 3, (5, 5), 4, 3),
    case("no input channels", 2, 0, (5, 5), 4, 3),
    case("no output channels", 2, 3, (5, 5), 0, 3),
    case("empty rows", 1, 3, (0, 5), 4, 3, padding=2),
    # 1-D.
    case("1-D", 2, 6, (20,), 9, 3, padding=1),
    case("1-D long", 1, 3, (701,), 4, 9, padding=4),
    case("1-D strided", 2, 5, (23,), 7, 4, stride=3, padding=(0, 2)),
    case("1-D dilated in groups", 1, 8, (25,), 12, 3, padding=(4, 1), dilation=2, groups=4),
    case("1-D depthwise", 2, 17, (15,), 17, 5, padding=2, groups=17),
    case("1-D depthwise causal", 2, 34, (143,), 34, 4, padding=(3, 0), groups=34),
    case("1-D depthwise long", 1, 3, (1200,), 3, 9, padding=4, groups=3),
    case("1-D pointwise", 2, 33, (13,), 20, 1),
    case("1-D one element", 1, 1, (1,), 1, 1),
    # 3-D.
    case("3-D", 2, 16, (5, 6, 7), 24, 3, padding=1),
    case("3-D stem", 1, 3, (6, 13, 12), 17, (3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3)),
    case("3-D 1x1x1", 2, 33, (3, 4, 5), 20, 1),
    case("3-D 1x1x1 images of several blocks", 2, 17, (4, 12, 13), 45, 1),
    case("3-D 1x1x1 stride 2", 1, 24, (5, 6, 7), 18, 1, stride=2),
    case("3-D depth alone", 1, 5, (9, 4, 5), 17, (3, 1, 1), padding=(1, 0, 0)),
    case("3-D plane alone", 2, 5, (3, 6, 7), 6, (1, 3, 3), padding=(0, 1, 1)),
    case("3-D three strides", 1, 5, (9, 8, 11), 7, 3, stride=(2, 1, 3), padding=1),
    case("3-D stride beyond the kernel", 1, 4, (9, 7, 8), 5, (1, 2, 2), stride=(4, 3, 3)),
    case("3-D phases of three strides", 1, 17, (6, 7, 8), 9, 3, stride=(2, 3, 2), padding=1, dilation=(1, 1, 2)),
    case("3-D three dilations", 1, 4, (9, 10, 8), 5, (3, 2, 3), padding=(2, 1, 3), dilation=(2, 3, 1)),
    case("3-D six paddings", 2, 3, (4, 5, 6), 5, (2, 3, 2), padding=(0, 2, 1, 0, 3, 1)),
    case("3-D all at once", 1, 6, (7, 8, 9), 9, (3, 2, 3), (2, 3, 1), (2, 0, 1, 2, 0, 3), (1, 2, 2), groups=3),
    case("3-D groups of 17 and 16", 1, 34, (3, 4, 5), 32, (2, 3, 3), padding=1, groups=2),
    case("3-D depthwise", 2, 19, (4, 5, 6), 19, 3, padding=1, groups=19),
    case("3-D long reduction", 1, 65, (3, 4, 5), 20, 3, padding=1),
    case("3-D many places", 1, 2, (7, 21, 23), 3, 3, padding=1),
    case("3-D depth 1", 2, 4, (1, 6, 7), 6, (1, 3, 3), stride=(3, 1, 1), padding=(0, 1, 1)),
    case("3-D depth 1 padded", 1, 4, (1, 6, 7), 6, (1, 3, 3), padding=(2, 1, 1)),
    case("3-D beyond the plane", 2, 3, (1, 6, 7), 5, (1, 3, 3), (2, 1, 1), (1, 0, 1, 1, 1, 1)),
    case("3-D 1x1x1 beyond the plane", 2, 17, (1, 5, 6), 18, 1, (2, 1, 1), (1, 0, 0, 0, 0, 0)),
    case("3-D depthwise beyond the plane", 2, 9, (1, 6, 7), 9, (1, 3, 3), (2, 1, 1), (1, 0, 1, 1, 1, 1), groups=9),
    case("3-D kernel beyond the depth", 1, 4, (2, 5, 6), 6, (5, 3, 3), padding=(2, 0, 1)),
    case("3-D one voxel", 1, 1, (1, 1, 1), 1, 1),
    case("3-D empty batch", 0, 3, (3, 4, 5), 4, 2),
    case("3-D empty depth", 1, 3, (0, 4, 5), 4, 3, padding=2),
]  # fmt: skip

BY_NAME = {c.name: c for c in ALL}
assert len(BY_NAME) == len(ALL), "two cases share a name"
