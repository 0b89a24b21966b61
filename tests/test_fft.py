"""FFT convolution: the generated transforms, the choice of tiles, and what is special to its rows.

tests/test_matrix.py runs the rows on every case, with the error that they predict.
"""

import cmath
import importlib.util
import re
from pathlib import Path

import pytest

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
