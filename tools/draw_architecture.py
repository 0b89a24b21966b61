"""Draws the two pictures of docs/architecture.md into docs/images: python tools/draw_architecture.py."""

from html import escape
from pathlib import Path

IMAGES = Path(__file__).parent.parent / "docs" / "images"
WIDTH = 760
# Paper of their own under dark ink: readable on a light page and on a dark one.
PAPER, INK, FAINT = "#fbfaf7", "#22303c", "#5b6670"
FILLS = {"python": "#dbe9f6", "torch": "#f3e3d3", "cpp": "#e2efda", "kernel": "#fbe9b7"}


def text(
    x: float, y: float, words: str, size: int = 13, weight: str = "normal", fill: str = INK, anchor: str = "middle"
):
    style = f'font-size="{size}" font-weight="{weight}" fill="{fill}" text-anchor="{anchor}"'
    return f'<text x="{x:g}" y="{y:g}" {style}>{escape(words)}</text>'


def box(x: float, y: float, w: float, h: float, fill: str, title: str, *lines: str) -> str:
    """A box with a title and lines under it, all centred."""
    top = y + h / 2 + 5 - 9 * len(lines)
    shape = f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="6" fill="{FILLS[fill]}" stroke="{INK}"/>'
    words = [text(x + w / 2, top, title, 14, "bold")]
    words += [text(x + w / 2, top + 18 * (i + 1), line, 12) for i, line in enumerate(lines)]
    return "\n".join([shape, *words])


def arrow(points: list[tuple[float, float]], dashed: bool = False) -> str:
    path = " ".join(f"{'L' if i else 'M'}{x:g},{y:g}" for i, (x, y) in enumerate(points))
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return f'<path d="{path}" fill="none" stroke="{INK}" stroke-width="1.5" marker-end="url(#head)"{dash}/>'


def picture(height: int, title: str, parts: list[str]) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
            ' font-family="system-ui, sans-serif" role="img">',
            f"<title>{escape(title)}</title>",
            '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8"'
            f' orient="auto-start-reverse"><path d="M0,0 L10,5 L0,10 z" fill="{INK}"/></marker></defs>',
            f'<rect width="{WIDTH}" height="{height}" rx="8" fill="{PAPER}"/>',
            *parts,
            "</svg>\n",
        ]
    )


def layers() -> str:
    """Who calls whom: always down, never back."""
    algorithms = [
        ("im2col/", "fwd, grad_input,", "grad_weight"),
        ("reference/", "fwd, grad_input,", "grad_weight"),
        ("a new folder", "a row for each", "pass it can do"),
    ]
    parts = [
        box(30, 20, 210, 72, "python", "functions, modules", "functional.py, pooling.py, nn/", "arguments, user docs"),
        box(270, 20, 220, 72, "python", "whole models", "convert.py: other modules,", "_enabled.py: other kernels"),
        box(520, 20, 210, 72, "python", "plan.py, info.py", "explain, precision", "the command line"),
        arrow([(135, 92), (135, 124)]),
        arrow([(270, 56), (242, 56)]),
        arrow([(440, 92), (440, 230)]),
        box(30, 126, 370, 72, "python", "ops.py", "derivatives, vmap, autocast and shapes,", "once for all algorithms"),
        arrow([(135, 198), (135, 230)]),
        text(147, 219, "torch.ops.torchconv.* (libtorch stable ABI)", 12, fill=FAINT, anchor="start"),
        arrow([(625, 92), (625, 230)]),
        text(637, 166, "pybind11", 12, fill=FAINT, anchor="start"),
        box(30, 232, 460, 72, "cpp", "ops.cpp, pool_ops.cpp", "all schemas; the only validation; workspace",
            "Tensor becomes ConvProblem: plain sizes and strides"),
        box(520, 232, 210, 72, "cpp", "bindings.cpp", "registry, instruction sets", "never a tensor"),
        arrow([(170, 304), (170, 336)]),
        arrow([(625, 304), (625, 336)]),
        box(30, 338, 700, 56, "cpp", "registry.cpp", "rows: supported or why not, cost, error, workspace, kernel"),
    ]  # fmt: skip
    for i, (name, *lines) in enumerate(algorithms):
        x = 30 + 180 * i
        parts += [arrow([(x + 80, 394), (x + 80, 426)]), box(x, 428, 160, 76, "kernel", name, *lines)]
        parts.append(arrow([(x + 80, 504), (x + 80, 536)]))
    parts += [
        box(570, 428, 160, 76, "kernel", "pool/, unfold/", "one kernel each,", "called by the operators"),
        arrow([(490, 280), (505, 280), (505, 321), (745, 321), (745, 411), (650, 411), (650, 426)], dashed=True),
        arrow([(650, 504), (650, 536)]),
        box(
            30, 538, 700, 56, "kernel", "common/", "problem.h, parallel.h, isa.h, simd.h, gemm/: no torch, no algorithm"
        ),
    ]
    return picture(614, "Python calls operators, operators the registry, rows their kernels, kernels common", parts)


def operators() -> str:
    """The three bilinear operators: an arrow leads from each to its derivatives."""
    parts = [
        box(270, 24, 220, 62, "cpp", "conv_fwd", "x, w to y"),
        box(30, 214, 240, 62, "cpp", "conv_grad_input", "grad_y, w to grad_x"),
        box(490, 214, 240, 62, "cpp", "conv_grad_weight", "x, grad_y to grad_w"),
    ]
    pairs = [((300, 88), (160, 212)), ((460, 88), (600, 212)), ((272, 245), (488, 245))]
    for start, end in pairs:
        parts.append(arrow([start, end]).replace("marker-end", 'marker-start="url(#head)" marker-end'))
    parts += [
        text(200, 140, "by x", 13, fill=FAINT, anchor="end"),
        text(560, 140, "by w", 13, fill=FAINT, anchor="start"),
        text(380, 236, "by the other operand of each", 12, fill=FAINT),
        text(
            380, 306, "The derivative of each operator by one operand is another of the three, so all orders exist.", 13
        ),
    ]
    return picture(326, "The three operators and their derivatives", parts)


PICTURES = {"layers.svg": layers, "operators.svg": operators}


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        (IMAGES / name).write_text(draw())


if __name__ == "__main__":
    main()
