"""FFT convolution: the generated transforms, the choice of tiles, and what is special to its rows.

tests/test_matrix.py runs the rows on every case, with the error that they predict.
"""

import cmath
import importlib.util
import re
from pathlib import Path

import cases
import pytest
import torch
from layouts import lay_out
from reference import PASSES

import torchconv
from torchconv import _C, TorchconvError

ROOT = Path(__file__).parent.parent
SPEC = importlib.util.spec_from_file_location("generate_fft", ROOT / "tools" / "generate_fft.py")
generate_fft = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(generate_fft)


def checked_in() -> dict[str, str]:
    return {file: (ROOT / "csrc" / "fft" / file).read_text() for file in generate_fft.FILES}


def codelets() -> dict[tuple[str, int], str]:
    """The body of every codelet, by its kind and size, as it stands in the files."""
    structs = re.findall(r"struct Codelet<(\d+)> \{\n(.*?)\n\};", "".join(checked_in().values()), re.DOTALL)
    bodies = {n: re.findall(r"void (\w+)\(.*?\) \{\n(.*?)\n  \}", text, re.DOTALL) for n, text in structs}
    return {(kind, int(n)): body for n, found in bodies.items() for kind, body in found}


def constants() -> dict[str, float]:
    found = re.findall(r"constexpr T (\w+) = T\((.*?)\);", "".join(checked_in().values()))
    return {name: float(value) for name, value in found}


def evaluate(body: str, given: dict) -> dict[int, tuple[float, ...]]:
    """What a codelet puts out: its statements are Python but for their types."""
    out: dict[int, tuple[float, ...]] = {}
    names = {**given, **constants(), "put": lambda k, *v: out.update({k: v})}
    definitions, ends = body.replace("\n", " ").replace("<T>", "").replace("V{}", "0.0").split(";", 1)
    for definition in re.split(r", (?=\w+=)", re.sub(r"\s+", " ", definitions).strip().removeprefix("const V ")):
        name, expression = definition.split("=")
        names[name] = eval(expression, names)
    for end in filter(str.strip, ends.split(";")):
        eval(end.strip(), names)
    return out


def transform(x: list[complex]) -> list[complex]:
    n = len(x)
    return [sum(v * cmath.exp(-2j * cmath.pi * i * k / n) for i, v in enumerate(x)) for k in range(n)]


def signal(n: int, nonzero: int) -> list[complex]:
    return [complex(cmath.sin(7 * i + 1).real, cmath.cos(5 * i).real) if i < nonzero else 0 for i in range(n)]


def test_generating_again_gives_the_files():
    assert generate_fft.generate() == checked_in(), "run tools/generate_fft.py"


@pytest.mark.parametrize("kind, n", codelets())
def test_codelet_is_the_transform(kind, n):
    x = signal(n, n // 2 if kind == "complex_of_half" else n)
    body, bins = codelets()[kind, n], transform([v.real for v in x])
    if kind == "real":
        out = evaluate(body, {"re": lambda i: x[i].real})
        found, expected = [complex(*out[k]) for k in range(n // 2 + 1)], bins[: n // 2 + 1]
    elif kind == "inverse":
        out = evaluate(body, {"re": lambda k: bins[k].real, "im": lambda k: bins[k].imag})
        found, expected = [out[i][0] for i in range(n)], [n * v.real for v in x]
    else:
        out = evaluate(body, {"re": lambda i: x[i].real, "im": lambda i: x[i].imag})
        found, expected = [complex(*out[k]) for k in range(n)], transform(x)
    assert max(abs(a - b) for a, b in zip(found, expected, strict=True)) < 1e-14 * n


SIZES = (4, 6, 8, 10, 12, 16, 18, 20, 24, 32, 36, 40, 48, 54, 60, 64, 72, 80, 90, 96, 108, 120, 128, 144, 160, 192, 256)
BEFORE = dict(zip(SIZES[1:], SIZES, strict=False))


def run(pass_, c, x, w, grad_y, algo="fft"):
    geometry = (c.stride, c.padding, c.dilation, c.groups, algo)
    match pass_:
        case "fwd":
            return torch.ops.torchconv.conv_fwd(x, w, None, *geometry)
        case "grad_input":
            return torch.ops.torchconv.conv_grad_input(grad_y, w, None, c.x_size, *geometry)
        case _:
            return torch.ops.torchconv.conv_grad_weight(x, grad_y, c.w_size, *geometry)


@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("size", BEFORE)
def test_every_size_of_transform(size, dtype, isa):
    """Two taps, so far apart that smaller transforms do not reach them, and a map that one of this size covers."""
    _C.set_max_isa(isa)
    if _C.current_isa() != isa:
        pytest.skip(f"this CPU has no {isa}")
    c = cases.case("", 1, 3, (size, size), 2, 2, dilation=BEFORE[size])
    x, w, grad_y = (torch.randn(s, dtype=dtype) for s in (c.x_size, c.w_size, c.y_size))
    x_exact, w_exact = x.double().requires_grad_(), w.double().requires_grad_()
    y = torch.nn.functional.conv2d(x_exact, w_exact, dilation=c.dilation)
    exact = dict(zip(PASSES, (y, *torch.autograd.grad(y, (x_exact, w_exact), grad_y.double())), strict=True))
    for pass_ in PASSES:
        assert [t[0] for t in _C.fft_tiles(pass_, c.x_size, c.w_size, c.padding, c.dilation, 1)] == [size, size]
        error = (run(pass_, c, x, w, grad_y) - exact[pass_]).abs().max() / exact[pass_].abs().max()
        # In float64 twice what the row predicts, which test_matrix.py takes for a mistake; 1.15e-15 was seen.
        assert error < (5e-7 if dtype is torch.float32 else 2e-15)


def tiles(x, w, padding=0, dilation=1, groups=1, pass_="fwd"):
    return _C.fft_tiles(pass_, x, w, [padding] * 4, [dilation] * 2, groups)


@pytest.mark.parametrize("kernel", [3, 5, 7, 15, 31])
@pytest.mark.parametrize("map_", [14, 28, 56, 112, 224])
@pytest.mark.parametrize("channels", [16, 64])
def test_tiles_cover_the_map_and_share_it_out(kernel, map_, channels):
    for pass_ in PASSES:
        for size, step, count in tiles([1, channels, map_, map_], [channels, channels, kernel, kernel], kernel // 2):
            assert size in SIZES
            assert (count - 1) * step < map_ <= count * step, pass_
            # One tile may wrap around, onto the padding; several must hold all that their results read.
            assert size >= (map_ + kernel // 2 if count == 1 else step + kernel - 1)
            assert count == 1 or map_ > (count - 1) * (size - kernel + 1), "fewer tiles would do"


def test_depthwise_maps_are_one_tile_where_a_transform_covers_them():
    assert tiles([1, 128, 56, 56], [128, 1, 31, 31], 15, groups=128) == ((72, 56, 1),) * 2
    assert tiles([1, 64, 28, 28], [64, 1, 13, 13], 6, groups=64) == ((36, 28, 1),) * 2


def test_a_kernel_of_one_row_leaves_columns_alone():
    (size, step, count), _ = tiles([1, 8, 20, 300], [8, 8, 1, 9])
    assert (size, step, count) == (1, 1, 20)


@pytest.mark.parametrize(
    "x, w, arguments, reason",
    [
        ((1, 2, 9, 9), (2, 2, 3, 3), {"stride": 2}, "the stride is 2 x 2"),
        ((1, 2, 9, 9), (2, 2, 1, 1), {}, "a kernel of 1x1"),
        ((1, 1, 9, 600), (1, 1, 1, 300), {}, "reaches over 1 x 300 elements"),
    ],
)
def test_what_it_refuses(x, w, arguments, reason):
    with pytest.raises(TorchconvError, match=f"fft: .*{reason}"):
        torchconv.conv2d(torch.ones(x), torch.ones(w), algo="fft", **arguments)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_large_kernels_take_it_at_every_level_but_direct(layout):
    x, w = lay_out(torch.randn(1, 64, 56, 56), layout), torch.randn(64, 64, 7, 7)
    for level, taken in (("exact", "fft"), ("balanced", "fft"), ("direct", "im2col")):
        with torchconv.precision(level):
            rows = torchconv.explain(x, w, padding=3).rows
        assert [row["algo"] for row in rows if row["chosen"]] == [taken] * 3


def test_a_nan_spreads_and_direct_never_takes_it():
    """Transforms carry it to all of a tile: the row says that it does not sum directly."""
    x, w = torch.ones(1, 2, 30, 30), torch.ones(2, 2, 5, 5)
    x[0, 1, 20, 20] = torch.nan
    assert torchconv.conv2d(x, w, padding=2, algo="fft").isnan().sum() > 2 * 25
    assert torchconv.conv2d(x, w, padding=2, algo="auto:direct").isnan().sum() == 2 * 25


def test_trains_by_name():
    x, w, b = torch.randn(2, 3, 7, 6).double(), torch.randn(4, 3, 3, 3).double(), torch.randn(4).double()
    operands = [t.requires_grad_() for t in (x, w, b)]
    assert torch.autograd.gradcheck(lambda *t: torchconv.conv2d(*t, padding=1, algo="fft"), operands)
