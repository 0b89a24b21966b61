"""Writes csrc/fft/codelets*-inl.h: discrete Fourier transforms of small sizes as straight lines of vector arithmetic.

    python tools/generate_fft.py [FOLDER]

Mixed radix 2, 3, 4 and 5. A codelet is emitted as a list of sums and products by constants while the transform is
carried out on names instead of numbers; a number that is known to be zero is no name (None), so that transforms of a
few inputs and real ones drop what they do not need. Twiddle factors e^(-i t) are split as cos t * (1 - i tan t), or by
the cotangent, which makes a butterfly 6 multiply-adds.
"""

import math
import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

HEADER = """\
// Written by tools/generate_fft.py: change that, not this file.
// Discrete Fourier transforms of N inputs, X[k] = sum of x[n] e^(-2 pi i n k / N), on vectors V of numbers T.
//   real              re(i) -> put(k, re, im) for k <= N / 2
//   complex           re(i), im(i) -> put(k, re, im)
//   complex_of_half   the same where the second half of the inputs is zero
//   inverse           re(k), im(k), k <= N / 2 -> put(n, v): N times the inverse of real
// clang-format off
namespace torchconv::ISA_NS {

"""
FOOTER = "}  // namespace torchconv::ISA_NS\n"

FILES = {"codelets-inl.h": (4, 6, 8, 9, 10, 12), "codelets_large-inl.h": (16, 18, 20)}

NAME = re.compile(r"[abt]\d+")

# A signed name, or None for zero.
Value = tuple[int, str] | None
Complex = tuple[Value, Value]
ZERO: Complex = (None, None)


def near(a: float, b: float) -> bool:
    return abs(a - b) < 1e-12


def negated(a: Value) -> Value:
    return None if a is None else (-a[0], a[1])


def conjugate(z: Complex) -> Complex:
    return z[0], negated(z[1])


def swapped(z: Complex) -> Complex:
    """i times the conjugate: a transform of these is the inverse transform, swapped."""
    return z[1], z[0]


def text(a: Value) -> str:
    return "V{}" if a is None else a[1] if a[0] > 0 else "-" + a[1]


class Codelet:
    """The definitions of one codelet: name = expression."""

    def __init__(self, constants: dict[float, str]) -> None:
        self.lines: list[str] = []
        self.names: dict[str, str] = {}  # of expressions, so that none is computed twice
        self.constants = constants

    def new(self, expression: str, kind: str = "t") -> Value:
        if expression not in self.names:
            self.names[expression] = f"{kind}{len(self.lines)}"
            self.lines.append(f"{self.names[expression]}={expression}")
        return 1, self.names[expression]

    def drop_unused(self, ends: str) -> None:
        used = set(NAME.findall(ends))
        for line in reversed(self.lines):
            name, expression = line.split("=")
            if name in used:
                used.update(NAME.findall(expression))
        self.lines = [line for line in self.lines if line.split("=")[0] in used]

    def load(self, i: int) -> Complex:
        return self.new(f"re({i})", "a"), self.new(f"im({i})", "b")

    def add(self, a: Value, b: Value) -> Value:
        if a is None or b is None:
            return b if a is None else a
        if a == negated(b):
            return None
        if a[0] == b[0]:
            sum_ = self.new("+".join(sorted((a[1], b[1]))))
            return sum_ if a[0] > 0 else negated(sum_)
        first, second = (a, b) if a[0] > 0 else (b, a)
        if (reverse := f"{second[1]}-{first[1]}") in self.names:
            return -1, self.names[reverse]
        return self.new(f"{first[1]}-{second[1]}")

    def sub(self, a: Value, b: Value) -> Value:
        return self.add(a, negated(b))

    def times(self, c: float, b: Value) -> Value:
        if b is None or near(c, 0):
            return None
        if near(abs(c), 1):
            return b if c > 0 else negated(b)
        if c < 0:
            return negated(self.times(-c, b))
        known = next((k for k in self.constants if near(k, c)), c)
        name = self.constants.setdefault(known, f"c{len(self.constants)}")
        return b[0], self.new(f"{name}<T>*{b[1]}")[1]  # type: ignore[index]

    def add_times(self, a: Value, c: float, b: Value) -> Value:
        """a + c * b, which the compiler makes one instruction."""
        return self.add(a, self.times(c, b))

    def both(self, f: Callable[..., Value], *operands: Complex) -> Complex:
        return f(*(z[0] for z in operands)), f(*(z[1] for z in operands))

    def plus(self, x: Complex, y: Complex) -> Complex:
        return self.both(self.add, x, y)

    def minus(self, x: Complex, y: Complex) -> Complex:
        return self.both(self.sub, x, y)

    def plus_times(self, x: Complex, c: float, y: Complex) -> Complex:
        return self.both(lambda a, b: self.add_times(a, c, b), x, y)

    def scaled(self, c: float, x: Complex) -> Complex:
        return self.both(lambda a: self.times(c, a), x)

    def turned_unscaled(self, y: Complex, t: float) -> tuple[Complex, float]:
        """(z, c) such that c * z = e^(-i t) * y."""
        c, s = math.cos(t), math.sin(t)
        re, im = y
        if near(s, 0):
            return y, c
        if near(c, 0):
            return (im, negated(re)), s
        if abs(c) >= abs(s):
            return (self.add_times(re, s / c, im), self.add_times(im, -s / c, re)), c
        return (self.add_times(im, c / s, re), self.add_times(negated(re), c / s, im)), s

    def turned(self, y: Complex, t: float) -> Complex:
        """e^(-i t) * y."""
        c, s = math.cos(t), math.sin(t)
        re, im = y
        if near(s, 0):
            return self.scaled(c, y)
        if near(c, 0):
            return self.times(s, im), self.times(-s, re)
        return self.add_times(self.times(c, re), s, im), self.add_times(self.times(c, im), -s, re)

    def butterfly2(self, x: Complex, y: Complex, t: float) -> list[Complex]:
        """x +- e^(-i t) * y."""
        z, c = self.turned_unscaled(y, t)
        scaled = self.scaled(c, z)
        return [self.plus(x, scaled), self.minus(x, scaled)]

    def plus_and_minus_i(self, x: Complex, d: Complex) -> tuple[Complex, Complex]:
        """x - i d and x + i d."""
        return ((self.add(x[0], d[1]), self.sub(x[1], d[0])), (self.sub(x[0], d[1]), self.add(x[1], d[0])))

    def transform3(self, x: list[Complex]) -> list[Complex]:
        total, difference = self.plus(x[1], x[2]), self.minus(x[1], x[2])
        first, middle = self.plus(x[0], total), self.plus_times(x[0], -0.5, total)
        return [first, *self.plus_and_minus_i(middle, self.scaled(math.sqrt(0.75), difference))]

    def transform5(self, x: list[Complex]) -> list[Complex]:
        c1, c2 = math.cos(2 * math.pi / 5), math.cos(4 * math.pi / 5)
        s1, s2 = math.sin(2 * math.pi / 5), math.sin(4 * math.pi / 5)
        sum1, minus1 = self.plus(x[1], x[4]), self.minus(x[1], x[4])
        sum2, minus2 = self.plus(x[2], x[3]), self.minus(x[2], x[3])
        first = self.plus(x[0], self.plus(sum1, sum2))
        a = self.plus_times(self.plus_times(x[0], c1, sum1), c2, sum2)
        b = self.plus_times(self.plus_times(x[0], c2, sum1), c1, sum2)
        u = self.scaled(s1, self.plus_times(minus1, s2 / s1, minus2))
        v = self.scaled(s1, self.plus_times((negated(minus2[0]), negated(minus2[1])), s2 / s1, minus1))
        (x1, x4), (x2, x3) = self.plus_and_minus_i(a, u), self.plus_and_minus_i(b, v)
        return [first, x1, x2, x3, x4]

    def butterfly(self, x: list[Complex], n: int, k: int) -> list[Complex]:
        """The transform of e^(-2 pi i q k / n) * x[q]: outputs k + j * m of a transform of n = len(x) * m."""
        t, radix = 2 * math.pi * k / n, len(x)
        if radix == 2:
            return self.butterfly2(x[0], x[1], t)
        if radix == 4:
            even, odd = self.butterfly2(x[0], x[2], 2 * t), self.butterfly2(x[1], x[3], 2 * t)
            x0, x2 = self.butterfly2(even[0], odd[0], t)
            x1, x3 = self.butterfly2(even[1], odd[1], t + math.pi / 2)
            return [x0, x1, x2, x3]
        turned = [x[0], *(self.turned(x[q], q * t) for q in range(1, radix))]
        return self.transform3(turned) if radix == 3 else self.transform5(turned)

    def inverse_butterfly(self, x: list[Complex], n: int, k: int) -> list[Complex]:
        """What butterfly() made x of, times len(x)."""
        back = [swapped(z) for z in self.butterfly([swapped(z) for z in x], n, 0)]
        return [back[0], *(self.turned(back[q], -2 * math.pi * q * k / n) for q in range(1, len(x)))]

    def complex(self, inputs: list[Callable[[], Complex]]) -> list[Complex]:
        n = len(inputs)
        if n == 1:
            return [inputs[0]()]
        r = radix_of(n)
        parts = [self.complex(inputs[q::r]) for q in range(r)]
        out = [ZERO] * n
        for k in range(n // r):
            out[k :: n // r] = self.butterfly([part[k] for part in parts], n, k)
        return out

    def real(self, inputs: list[Callable[[], Value]]) -> list[Complex]:
        """Outputs 0 ... n / 2; the others are their conjugates."""
        n = len(inputs)
        if n == 1:
            return [(inputs[0](), None)]
        r, out = radix_of(n), {}
        m = n // r
        parts = [self.real(inputs[q::r]) for q in range(r)]
        for k in range(m // 2 + 1):
            for j, z in enumerate(self.butterfly([part[k] for part in parts], n, k)):
                at = k + j * m
                out.setdefault(min(at, n - at), z if at <= n - at else conjugate(z))
        return [out[k] for k in range(n // 2 + 1)]

    def inverse(self, x: list[Complex], n: int) -> list[Value]:
        if n == 1:
            return [x[0][0]]
        r = radix_of(n)
        m = n // r
        parts: list[list[Complex]] = [[] for _ in range(r)]
        for k in range(m // 2 + 1):
            at = [(k + j * m) % n for j in range(r)]
            found = self.inverse_butterfly([x[i] if i <= n - i else conjugate(x[n - i]) for i in at], n, k)
            for part, z in zip(parts, found, strict=True):
                part.append((z[0], None) if k in (0, m - k) else z)
        out: list[Value] = [None] * n
        for q in range(r):
            out[q::r] = self.inverse(parts[q], m)
        return out


def radix_of(n: int) -> int:
    """Radix 4 where the parts are of 4 or more, else 2; first what 2 does not divide."""
    return 5 if n % 5 == 0 else 3 if n % 3 == 0 else 4 if n in (4, 16) else 2


def once(f: Callable[[], Value]) -> Callable[[], Value]:
    """Loads an input where it is first needed."""
    found: list[Value] = []

    def get() -> Value:
        if not found:
            found.append(f())
        return found[0]

    return get


def emit(kind: str, n: int, constants: dict[float, str]) -> str:
    c = Codelet(constants)
    inputs = n // 2 if kind == "complex_of_half" else n
    if kind == "real":
        loads = [once(lambda i=i: c.new(f"re({i})", "a")) for i in range(n)]  # type: ignore[misc]
        ends = [f"put({k},{text(z[0])},{text(z[1])});" for k, z in enumerate(c.real(loads))]
    elif kind == "inverse":
        bins = [c.load(k) if 0 < k < n - k else (c.new(f"re({k})", "a"), None) for k in range(n // 2 + 1)]
        ends = [f"put({i},{text(v)});" for i, v in enumerate(c.inverse(bins, n))]
    else:
        pairs = [(lambda i=i: c.load(i)) if i < inputs else lambda: ZERO for i in range(n)]
        ends = [f"put({k},{text(z[0])},{text(z[1])});" for k, z in enumerate(c.complex(pairs))]
    c.drop_unused(" ".join(ends))
    names = ("Re",) if kind == "real" else ("Re", "Im")
    types, arguments = (", ".join(f.format(t, t.lower()) for t in names) for f in ("class {}", "const {}& {}"))
    body = "const V " + ", ".join(c.lines) + "; " + " ".join(ends)
    return (
        f"  template <class T, class V, {types}, class Put>\n"
        f"  TORCHCONV_INLINE void {kind}({arguments}, const Put& put) {{\n"
        f"{textwrap.fill(body, 120, initial_indent='    ', subsequent_indent='    ')}\n  }}\n"
    )


def generate() -> dict[str, str]:
    """The text of each file. The first has what both need."""
    constants: dict[float, str] = {}
    bodies = {}
    for file, sizes in FILES.items():
        bodies[file] = ""
        for n in sizes:
            kinds = ("real", "inverse", "complex", "complex_of_half")[: 3 if n % 2 else 4]
            codelets = "".join(emit(kind, n, constants) for kind in kinds)
            bodies[file] += f"template <>\nstruct Codelet<{n}> {{\n{codelets}}};\n\n"
    named = "".join(f"template <class T>\nconstexpr T {name} = T({c!r});\n" for c, name in constants.items())
    first = next(iter(FILES))
    common = "template <int N>\nstruct Codelet;\n\n" + named + "\n"
    return {file: HEADER + (common if file == first else "") + body + FOOTER for file, body in bodies.items()}


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "csrc" / "fft"
    for file, body in generate().items():
        (folder / file).write_text(body)
