"""Writes csrc/winograd/transforms-inl.h: Winograd's convolutions F(m, r) as straight-line code, from exact rationals.

    python tools/generate_winograd.py                      writes the file
    python tools/generate_winograd.py --check              fails if the file is not what would be written
    python tools/generate_winograd.py --search 4 3         measures the error of F(4, 3) at many points

F(m, r) makes m outputs of a convolution with r taps from n = m + r - 1 inputs with n products:

    y = Result ((Weights w) * (Data d)),    y[j] = sum over k of d[j + k] w[k]

It is the transpose of multiplying two polynomials by their values at n - 1 points and infinity (Toom and Cook). The
points decide the error: small ones, that with their mirror images and reciprocals stay near 1, lose least (Barabasz,
Anderson, Soodhalter, Gregg: Error analysis and improving the accuracy of Winograd convolution, 2020).
"""

import argparse
import itertools
import sys
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

TARGET = Path(__file__).parent.parent / "csrc" / "winograd" / "transforms-inl.h"

Matrix = list[list[Fraction]]

# The finite points by n = m + r - 1; pairs of opposite sign share most of their work. The best that --search found: of
# sums over 64 channels in float32 the error is 3e-7 for F(2, 3), 9e-7 for F(4, 2), 1.5e-6 for F(4, 3) (4e-6 to 2e-5 at
# the usual 0, 1, -1, 2, -2), 3e-6 for F(5, 3), 6e-6 for F(4, 5) and 8e-6 for F(6, 3).
POINTS = {
    4: [Fraction(p) for p in ("0", "1", "-1")],
    5: [Fraction(p) for p in ("1/2", "-1/2", "5/4", "-5/4")],
    6: [Fraction(p) for p in ("0", "3/4", "-3/4", "3/2", "-3/2")],
    7: [Fraction(p) for p in ("3/8", "-3/8", "7/8", "-7/8", "3/2", "-3/2")],
    8: [Fraction(p) for p in ("0", "1", "-1", "1/2", "-1/2", "2", "-2")],
}
# The transposed ones serve the weight gradient.
KINDS = ("Weights", "Result", "ResultTransposed", "WeightsTransposed")
TILES = [(2, 3), (4, 3), (5, 3), (6, 3), (2, 5), (4, 5), (4, 2)]


@dataclass
class Transforms:
    """The three matrices of F(m, r)."""

    m: int
    r: int
    data: Matrix  # n x n
    weights: Matrix  # n x r
    result: Matrix  # m x n


def polynomial(roots: list[Fraction]) -> list[Fraction]:
    """The coefficients of the product of (x - root), the lowest power first."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted, scaled = [Fraction(0), *coefficients], [*(-root * c for c in coefficients), Fraction(0)]
        coefficients = [a + b for a, b in zip(shifted, scaled)]
    return coefficients


def transforms(m: int, r: int, points: list[Fraction]) -> Transforms:
    n = m + r - 1
    if len(set(points)) != n - 1:
        raise ValueError(f"points: expected {n - 1} that differ, got {points}")
    others = [[q for q in points if q != p] for p in points]
    data = [[*polynomial(roots), Fraction(0)] for roots in others] + [polynomial(points)]
    weights, result = [], [[] for _ in range(m)]
    for p, roots in zip(points, others):
        scale = Fraction(1)
        for q in roots:
            scale *= p - q
        weights.append([p**k / scale for k in range(r)])
        for j in range(m):
            result[j].append(p**j)
    weights.append([Fraction(int(k == r - 1)) for k in range(r)])
    for j in range(m):
        result[j].append(Fraction(int(j == m - 1)))
    return Transforms(m, r, data, weights, result)


def is_convolution(t: Transforms) -> bool:
    """Whether every product d[l] w[k] is in just the y[j] with j + k = l, exactly."""
    n = t.m + t.r - 1
    return all(
        sum(t.result[j][i] * t.weights[i][k] * t.data[i][d] for i in range(n)) == (j + k == d)
        for j, k, d in itertools.product(range(t.m), range(t.r), range(n))
    )


def transpose(a: Matrix) -> Matrix:
    return [list(column) for column in zip(*a)]


# Code. A Sum is a linear combination of variables; a Program computes `to[i]` from `from[j]`.
Sum = dict[str, Fraction]


@dataclass
class Program:
    inputs: int
    outputs: int
    statements: list[tuple[str, Sum]] = field(default_factory=list)

    def run(self, values: list[Fraction]) -> list[Fraction]:
        """What the code computes, exactly."""
        known = {f"from[{j}]": value for j, value in enumerate(values)}
        for name, terms in self.statements:
            known[name] = sum((c * known[v] for v, c in terms.items()), Fraction(0))
        return [known[f"to[{i}]"] for i in range(self.outputs)]


def opposites(a: Matrix) -> list[tuple[int, int]]:
    """Pairs of rows that are the same but for some signs, and not in all entries."""
    pairs, taken = [], set()
    for i, j in itertools.combinations(range(len(a)), 2):
        same = [abs(x) == abs(y) for x, y in zip(a[i], a[j])]
        signs = {x * y > 0 for x, y in zip(a[i], a[j]) if x}
        if all(same) and len(signs) == 2 and not {i, j} & taken:
            pairs.append((i, j))
            taken |= {i, j}
    return pairs


def program(a: Matrix) -> Program:
    """to = a from, with what two rows (or two columns) have in common computed once."""
    code = Program(len(a[0]), len(a))
    terms: list[Sum] = [{} for _ in a]
    columns = opposites(transpose(a))
    for i, j in columns:
        code.statements.append((f"sum{i}", {f"from[{i}]": Fraction(1), f"from[{j}]": Fraction(1)}))
        code.statements.append((f"difference{i}", {f"from[{i}]": Fraction(1), f"from[{j}]": Fraction(-1)}))
    paired = {j for pair in columns for j in pair}
    for row, sums in zip(a, terms):
        for j in range(len(row)):
            if row[j] and j not in paired:
                sums[f"from[{j}]"] = row[j]
        for i, j in columns:
            if row[i]:
                sums[f"sum{i}" if row[i] == row[j] else f"difference{i}"] = row[i]
    pairs = dict(opposites(a)) if not columns else {}
    for i in range(len(a)):
        if i in pairs:
            add_pair(code, i, pairs[i], terms[i], terms[pairs[i]])
        elif i not in pairs.values():
            code.statements.append((f"to[{i}]", terms[i]))
    return code


def add_pair(code: Program, i: int, j: int, one: Sum, other: Sum) -> None:
    """to[i] = even + c odd and to[j] = even - c odd."""
    even = {v: c for v, c in one.items() if c == other[v]}
    odd = {v: c for v, c in one.items() if c != other[v]}
    lead = list(odd.values())[-1]  # of the highest power: the others are then finite binary fractions in Data
    code.statements.append((f"even{i}", even))
    code.statements.append((f"odd{i}", {v: c / lead for v, c in odd.items()}))
    code.statements.append((f"to[{i}]", {f"even{i}": Fraction(1), f"odd{i}": lead}))
    code.statements.append((f"to[{j}]", {f"even{i}": Fraction(1), f"odd{i}": -lead}))


def number(c: Fraction) -> str:
    exact = c.denominator & (c.denominator - 1) == 0  # a finite binary fraction
    return f"T({float(c)!r})" if exact else f"T({c.numerator}.0 / {c.denominator})"


def expression(terms: Sum) -> str:
    text = ""
    # A term of factor 1 first: the others are then multiply-adds.
    for v, c in sorted(terms.items(), key=lambda term: abs(term[1]) != 1 or term[1] < 0):
        product = v if abs(c) == 1 else f"{number(abs(c))} * {v}"
        text += (("-" if c < 0 else "") if not text else " - " if c < 0 else " + ") + product
    return text or "V{}"


def struct(name: str, a: Matrix) -> str:
    code = program(a)
    lines = [
        f"    {'' if name.startswith('to[') else 'const V '}{name} = {expression(terms)};"
        for name, terms in code.statements
    ]
    return "\n".join(
        [
            f"struct {name} {{",
            f"  static constexpr int in = {code.inputs}, out = {code.outputs};",
            "  template <class T, class V = Vector<T>>",
            "  TORCHCONV_INLINE void apply(const V* from, V* to) {",
            *lines,
            "  }",
            "};",
        ]
    )


def family(m: int, r: int) -> str:
    """What belongs to F(m, r), under the same names for all."""
    return "\n".join(
        [
            f"struct F{m}x{r} {{",
            f"  using Data = Data{m + r - 1};",
            *(f"  using {name} = {name}{m}x{r};" for name in KINDS),
            "};",
        ]
    )


def text() -> str:
    parts = [
        "// Written by tools/generate_winograd.py, which says what it is; do not edit.",
        "namespace torchconv::ISA_NS::winograd {",
    ]
    for n, points in POINTS.items():
        data = next(transforms(m, r, points).data for m, r in TILES if m + r - 1 == n)
        parts += [f"// At {', '.join(map(str, points))} and infinity.", struct(f"Data{n}", data)]
    for m, r in TILES:
        t = transforms(m, r, POINTS[m + r - 1])
        matrices = (t.weights, t.result, transpose(t.result), transpose(t.weights))
        parts.append("\n".join(struct(f"{name}{m}x{r}", matrix) for name, matrix in zip(KINDS, matrices)))
    parts.append("\n".join(family(m, r) for m, r in TILES))
    parts.append("}  // namespace torchconv::ISA_NS::winograd")
    return "\n\n".join(parts) + "\n"


def measured_error(t: Transforms, channels: int = 64, tiles: int = 200, outputs: int = 16) -> float:
    """max|y - ref| / max|ref| of the 2-D algorithm in float32, for normal operands."""
    import numpy as np

    rng = np.random.default_rng(0)
    n = t.m + t.r - 1
    data, weights, result = (np.array(a, dtype=np.float64) for a in (t.data, t.weights, t.result))
    d = rng.standard_normal((tiles, channels, n, n)).astype(np.float32)
    w = rng.standard_normal((channels, outputs, t.r, t.r)).astype(np.float32)

    def twice(a: np.ndarray, x: np.ndarray, dtype: type) -> np.ndarray:
        a = a.astype(dtype)
        return np.matmul(np.matmul(a, x.astype(dtype)), a.T)

    def run(dtype: type) -> np.ndarray:
        v, u = twice(data, d, dtype), twice(weights, w, dtype)
        return twice(result, np.einsum("tcij,ckij->tkij", v, u), dtype)

    exact = run(np.float64)
    return float(np.abs(run(np.float32) - exact).max() / np.abs(exact).max())


def search(m: int, r: int) -> None:
    """Prints the best sets of points: 0 (if their number is odd) and pairs p, -p of small fractions."""
    n = m + r - 1
    eighths = [Fraction(a, 8) for a in range(2, 25)]
    found = []
    for chosen in itertools.combinations(eighths, (n - 1) // 2):
        points = [Fraction(0)] * ((n - 1) % 2) + [s * p for p in chosen for s in (1, -1)]
        found.append((measured_error(transforms(m, r, points), channels=16, tiles=40), points))
    for _, points in sorted(found)[:20]:
        print(f"{measured_error(transforms(m, r, points)):.2e}", *points)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--search", nargs=2, type=int, metavar=("M", "R"))
    options = parser.parse_args()
    if options.search:
        search(*options.search)
        return 0
    if not options.check:
        TARGET.parent.mkdir(exist_ok=True)
        TARGET.write_text(text())
        return 0
    if TARGET.read_text() != text():
        print(f"{TARGET}: expected what tools/generate_winograd.py writes, got something else", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
