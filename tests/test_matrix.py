"""Every row of the registry on every case, dtype, layout and instruction set.

The list comes from the registry, so a new row cannot go untested. By default a seeded sample runs in which any
two values of any two factors occur together, and any three of row, dtype, layout, instruction set and input; --full
runs every cell. A test is one row on one case with all its cells, since pytest takes five times as long for a test
as a cell takes, and names each cell that fails. Every cell runs with a workspace and an
output that start as NaN, so a result that depends on what was there before fails.
"""

import itertools
import random
import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import cases
import pytest
import torch
from layouts import lay_out
from reference import PASSES, Operands, add_bias, bilinear, operands, result
from torch import Tensor

from torchconv import _C

OPERATORS = {name: getattr(torch.ops.torchconv, f"conv_{name}") for name in PASSES}
DTYPES = {"float32": torch.float32, "float64": torch.float64, "float16": torch.float16, "bfloat16": torch.bfloat16}
LAYOUTS = ("nchw", "nhwc", "nhwc and nchw", "nchw and nhwc", "strided", "expanded")
ISAS = ("baseline", "avx2", "avx512", "avx512_bf16")
FILLS = ("integers", "normal")
LAST = {4: torch.channels_last, 5: torch.channels_last_3d}  # by rank


class Cell(NamedTuple):
    algo: str
    pass_: str
    device: str
    case: str
    dtype: str
    layout: str
    isa: str
    fill: str
    threads: int
    bias: bool

    def __str__(self) -> str:
        extra = f"{self.threads} threads" + (", bias" if self.bias else "")
        return "|".join((*self[:8], extra))


def all_cells(rng: random.Random) -> list[Cell]:
    """Threads and bias are drawn for each cell instead of multiplying the matrix by six."""
    isas = ISAS[: ISAS.index(_C.detected_isa()) + 1]
    product = itertools.product(_C.rows(), cases.BY_NAME, DTYPES, LAYOUTS, isas, FILLS)
    return [
        Cell(*row, *rest, threads=rng.choice((1, 2, 3)), bias=row[1] != "grad_weight" and rng.random() < 0.5)
        for row, *rest in product
    ]


def sample(cells: list[Cell], rng: random.Random) -> list[Cell]:
    """In random order, the cells that hold values together that no cell before them held."""
    seen: set[tuple] = set()
    chosen = []
    for cell in rng.sample(cells, len(cells)):
        row = ("row", cell[:3])
        factors = [row, *zip(Cell._fields[3:], cell[3:], strict=True)]
        setting = [row, ("dtype", cell.dtype), ("layout", cell.layout), ("isa", cell.isa), ("fill", cell.fill)]
        together = {*itertools.combinations(factors, 2), *itertools.combinations(setting, 3)}
        if not together <= seen:
            seen |= together
            chosen.append(cell)
    return chosen


def by_case_and_row(cells: list[Cell]) -> dict[str, list[Cell]]:
    """Cases outside, so that all rows share a case's reference results while they are cached."""
    order = lambda cell: (cell.case, *cell[:3])  # noqa: E731
    groups = itertools.groupby(sorted(cells, key=order), key=order)
    return {"|".join((*row, case)): list(group) for (case, *row), group in groups}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "cells" in metafunc.fixturenames:
        rng = random.Random(metafunc.config.getoption("--seed"))
        every = all_cells(rng)
        groups = by_case_and_row(every if metafunc.config.getoption("--full") else sample(every, rng))
        metafunc.parametrize("cells", groups.values(), ids=groups)
    if "row" in metafunc.fixturenames:
        metafunc.parametrize("row", _C.rows(), ids="|".join)
    if "direct_row" in metafunc.fixturenames:
        metafunc.parametrize("direct_row", direct_rows(), ids="|".join)


def direct_rows() -> list[tuple[str, str, str]]:
    """Those that sum the very products."""
    size = ((1, 1, 1, 1), (1, 1, 1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1)

    def is_direct(row: tuple[str, str, str]) -> bool:
        answers = _C.explain(row[1], *size, device=row[2])
        return next(d["direct"] for d in answers if d["algo"] == row[0])

    return [row for row in _C.rows() if is_direct(row)]


@pytest.fixture(autouse=True)
def garbage_in_new_tensors():
    """torch fills new tensors with NaN, and the bytes of a workspace with 255, which is NaN in every float type."""
    torch.use_deterministic_algorithms(True)
    assert torch.utils.deterministic.fill_uninitialized_memory and torch.empty(1).isnan()
    _C.keep_workspace(False)
    limit = _C.idle_memory_limit()
    _C.set_idle_memory_limit(0)
    yield
    _C.set_idle_memory_limit(limit)
    _C.keep_workspace(True)
    torch.use_deterministic_algorithms(False)


def expand_again(t: Tensor, like: Tensor) -> Tensor:
    """Conversion made t dense; this gives it back the zero strides of `like`."""
    first = tuple(slice(0, 1) if stride == 0 else slice(None) for stride in like.stride())
    return t[first].expand(like.shape)


# Cells that differ in instruction set or fill alone follow each other, with the same few tensors.
@lru_cache(maxsize=8)
def place(t: Tensor, layout: str, dtype: str, device: str) -> Tensor:
    placed = t.to(device, DTYPES[dtype])
    return expand_again(placed, t) if layout == "expanded" else lay_out(placed, layout)


def arguments(cell: Cell, o: Operands) -> tuple[Tensor, Tensor, Tensor | None]:
    """The two operands of the pass and its bias, in the cell's dtype, layout and device."""
    a, b = o.of(cell.pass_)
    layouts = cell.layout.split(" and ")
    bias = bias_of(cell, o)
    where = (cell.dtype, cell.device)
    return (
        place(a, layouts[0], *where),
        place(b, layouts[-1], *where),
        None if bias is None else place(bias, "strided", *where),
    )


def bias_of(cell: Cell, o: Operands) -> Tensor | None:
    return (o.y_bias if cell.pass_ == "fwd" else o.x_bias) if cell.bias else None


def run(cell: Cell, a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
    c = cases.BY_NAME[cell.case]
    geometry = (c.stride, c.padding, c.dilation, c.groups, cell.algo)
    match cell.pass_:
        case "fwd":
            return OPERATORS["fwd"](a, b, bias, *geometry)
        case "grad_input":
            return OPERATORS["grad_input"](a, b, bias, c.x_size, *geometry)
        case _:
            return OPERATORS["grad_weight"](a, b, c.w_size, *geometry)


def explain(cell: Cell, a: Tensor, b: Tensor) -> dict:
    c = cases.BY_NAME[cell.case]
    candidates = _C.explain(
        cell.pass_, c.x_size, c.w_size, c.stride, c.padding, c.dilation, c.groups, cell.algo, cell.dtype,
        "nchw" if output_format(a) == torch.contiguous_format else "nhwc", cell.device, cell.bias,
        w_channels_last=b.dim() in LAST and b.is_contiguous(memory_format=LAST[b.dim()]),
    )  # fmt: skip
    return next(d for d in candidates if d["algo"] == cell.algo)


def output_format(first: Tensor) -> torch.memory_format:
    """Results take the memory format of the first operand, by torch's own rule."""
    return torch._prims_common.suggest_memory_format(first) if first.dim() in LAST else torch.contiguous_format


def products_per_output(cell: Cell) -> int:
    c = cases.BY_NAME[cell.case]
    window = torch.Size(c.kernel).numel()
    return {
        "fwd": c.C // c.groups * window,
        "grad_input": c.K // c.groups * window,
        "grad_weight": c.N * torch.Size(c.y_size[2:]).numel(),
    }[cell.pass_]


def relative_error(result: Tensor, reference: Tensor, products: int) -> float:
    """max|y - ref| / max|ref|. Where few outputs all happen to cancel, their standard deviation is the scale."""
    scale = max(reference.abs().max().item(), products**0.5) or 1.0
    return (result.double() - reference).abs().max().item() / scale


def test_cells(cells: list[Cell], seed: int, counted: Counter) -> None:
    need_device(cells[0].device)
    counted["cells of the matrix"] += len(cells)
    check_each(cells, lambda cell: check(cell, seed))


def check_each(cells: list[Cell], check: Callable[[Cell], None]) -> None:
    """Goes on after a failure, and names every cell that fails."""
    failures = []
    for cell in cells:
        try:
            check(cell)
        except Exception as error:
            error.add_note(f"cell: {cell}")
            failures.append(error)
    if failures:
        raise ExceptionGroup(f"{len(failures)} of {len(cells)} cells are wrong", failures)


def check(cell: Cell, seed: int) -> None:
    _C.set_max_isa(cell.isa)
    torch.set_num_threads(1)  # waking a second one for each small product of the reference costs more than it saves
    problem = (cases.BY_NAME[cell.case], DTYPES[cell.dtype], cell.fill, cell.layout == "expanded", seed)
    o = operands(*problem)
    expected = add_bias(result(cell.pass_, *problem), bias_of(cell, o))
    torch.set_num_threads(cell.threads)
    a, b, bias = arguments(cell, o)
    row = explain(cell, a, b)
    empty_sum = products_per_output(cell) == 0  # right without any row, whichever is asked for
    if not row["supported"] and expected.numel() and not empty_sum:
        with pytest.raises(RuntimeError, match="torchconv: algo: .*" + re.escape(cell.algo)) as caught:
            run(cell, a, b, bias)
        assert row["reason"] and row["reason"] in str(caught.value)
        return
    y = run(cell, a, b, bias).cpu()  # one without elements is right without any row
    assert y.dtype == DTYPES[cell.dtype]
    assert y.shape == expected.shape
    assert y.stride() == torch.empty(expected.shape).to(memory_format=output_format(a)).stride()
    if y.numel() == 0:
        return
    if empty_sum or (cell.fill == "integers" and row["direct"]):
        torch.testing.assert_close(y, expected.to(y.dtype), rtol=0, atol=0)
    else:
        # A prediction is the 99th percentile, and the largest of many errors hardly varies: twice it is a mistake.
        assert relative_error(y, expected, products_per_output(cell)) <= 2 * row["error"]


def need_device(device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device here")


def cell_of(row: tuple, case: str, dtype: str = "float32", layout: str = "nchw", threads: int = 1) -> Cell:
    need_device(row[2])
    return Cell(*row, case, dtype, layout, _C.detected_isa(), "normal", threads, False)


def supported(cell: Cell, a: Tensor, b: Tensor) -> dict:
    """What explain says of the cell's row. Skips where it cannot run; check() looks whether it then raises."""
    row = explain(cell, a, b)
    if not row["supported"]:
        pytest.skip(row["reason"])
    return row


@pytest.mark.parametrize("case", cases.ALL, ids=str)
def test_every_row_explains_every_case(row, case):
    """Also where nothing is to be computed, where a row's own arithmetic could divide by zero."""
    isas = ISAS[: ISAS.index(_C.detected_isa()) + 1]
    for isa, dtype, layout in itertools.product(isas, DTYPES, ("nchw", "nhwc")):
        _C.set_max_isa(isa)
        sizes = (case.x_size, case.w_size, case.stride, case.padding, case.dilation, case.groups)
        answer = next(d for d in _C.explain(row[1], *sizes, row[0], dtype, layout, row[2]) if d["algo"] == row[0])
        if answer["supported"]:
            assert 0 < answer["seconds"] < 10 and 0 < answer["error"] < 0.1 and answer["workspace"] >= 0
        else:
            assert answer["reason"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", ["3x3", "long reduction"])
def test_predicted_error(row, dtype, case):
    """The prediction is the 99th percentile, so one of twelve draws may pass it, and it is no blanket bound either."""
    torch.set_num_threads(1)
    cell = cell_of(row, case, dtype)
    errors = []
    for seed in range(12):
        problem = (cases.BY_NAME[case], DTYPES[dtype], "normal", False, seed)
        a, b, _ = arguments(cell, operands(*problem))
        predicted = supported(cell, a, b)["error"]
        expected = result(cell.pass_, *problem)
        errors.append(relative_error(run(cell, a, b, None).cpu(), expected, products_per_output(cell)))
    assert sum(error > predicted for error in errors) <= 1
    assert predicted <= 30 * max(errors)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("case", ["3x3", "many places", "long batch", "3-D"])
def test_same_bits_whatever_the_workspace_held(row, case, layout, threads):
    cell = cell_of(row, case, "float32", layout, threads)
    torch.set_num_threads(threads)
    a, b, _ = arguments(cell, operands(cases.BY_NAME[case], torch.float32, "normal"))
    supported(cell, a, b)
    first = run(cell, a, b, None)
    torch.use_deterministic_algorithms(False)  # new tensors now hold whatever was in memory
    assert torch.equal(run(cell, a, b, None), first)


@pytest.mark.parametrize("case", [c.name for c in cases.ALL if 0 not in (c.N, c.C, c.K, *c.size)])
def test_nonfinite_values_stay_where_direct_sums_have_them(direct_row, case, full, seed):
    """NaN and infinity in either operand reach the sums that they are part of, and no other."""
    draw = random.Random(f"{seed}{case}{direct_row}")
    isas = ISAS[: ISAS.index(_C.detected_isa()) + 1]
    cells = [
        cell_of(direct_row, case, dtype, layout)._replace(isa=isa)
        for isa, layout in itertools.product(isas, ("nchw", "nhwc"))
        for dtype in (DTYPES if full else draw.sample(list(DTYPES), 1))
    ]
    check_each(cells, lambda cell: check_nonfinite(cell, draw, seed))


def check_nonfinite(cell: Cell, draw: random.Random, seed: int) -> None:
    _C.set_max_isa(cell.isa)
    torch.set_num_threads(1)
    c, dtype = cases.BY_NAME[cell.case], DTYPES[cell.dtype]
    for spoilt in (0, 1):
        exact = list(operands(c, dtype, "integers", False, seed).of(cell.pass_))
        flat = exact[spoilt].flatten().clone()
        places = draw.sample(range(flat.numel()), min(2 - spoilt, flat.numel()))
        flat[places] = torch.tensor(draw.sample([torch.nan, torch.inf], len(places)), dtype=flat.dtype)
        exact[spoilt] = flat.view(exact[spoilt].shape)
        a, b = (lay_out(t.to(cell.device, dtype), cell.layout) for t in exact)
        if not explain(cell, a, b)["supported"]:
            return
        expected, found = bilinear(cell.pass_, *exact, c).to(dtype), run(cell, a, b, None).cpu()
        if spoilt and cell.pass_ != "grad_input":
            # The zeros of the padding times what is not finite: a row may have that in its sums or leave it out.
            bad = ~exact[1].isfinite()
            clean = bilinear(cell.pass_, exact[0], exact[1].masked_fill(bad, 0), c).to(dtype)
            met = bilinear(cell.pass_, torch.ones_like(exact[0]), bad.to(exact[1].dtype), c)
            expected = torch.where((met == 0) & found.isfinite(), clean, expected)
        if spoilt and cell.pass_ == "grad_input":
            # Here an infinity in w meets the zeros around grad_y, as it meets those around x in fwd.
            finite_w = exact[1].isfinite().flatten(2).all(2).unflatten(0, (c.groups, -1)).all(1).flatten()
            assert found[:, finite_w].isfinite().all()
            expected = torch.where(found.isfinite(), expected, found)
        torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)
