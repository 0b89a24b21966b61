"""One page for people and one JSON file for programs about a run: tables, plots, photographs, promises kept or not.

The page is one file: its pictures are inlined, it has no scripts, and it names nothing on any other machine.
"""

import datetime
import importlib.util
import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Column as RichColumn
from rich.table import Table

from torchconv.errors import TorchconvError
from torchconv.info import facts_for_people, info
from torchconv.timing import cpu_name

# What the page is made with; torchconv itself does without.
PACKAGES = {"jinja2": "jinja2", "matplotlib": "matplotlib"}
WIDTH_OF_LOGS = 120  # rich takes 80 columns where no terminal says otherwise; the tables need more


def require(what: str, packages: dict[str, str]) -> None:
    """Raises where modules are missing: packages gives what to `pip install` for each.

    Example:
        >>> from torchconv.report import require
        >>> require("the demo", {"no_such_module": "no-such-package"})
        Traceback (most recent call last):
        torchconv.TorchconvError: the demo needs no_such_module: pip install no-such-package
    """
    if missing := [name for name in packages if importlib.util.find_spec(name) is None]:
        install = " ".join(packages[name] for name in missing)
        raise TorchconvError(f"{what} needs {', '.join(missing)}: pip install {install}")


def console() -> Console:
    """A console for the tables: as wide as the terminal, or as the tables need where there is none."""
    found = Console()
    return found if found.is_terminal else Console(width=WIDTH_OF_LOGS)


def make_folder(folder: Path) -> None:
    """Makes a folder for a report where it is missing; raises TorchconvError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TorchconvError(f"output: expected a folder that can be written, got {error}") from None


@dataclass(frozen=True)
class Promise:
    """One thing that must hold, with the figure that decided it."""

    what: str
    wanted: str
    got: str
    kept: bool


@dataclass(frozen=True)
class Ratio:
    """Torch's time over ours, as a cell of a table: "1.32x", coloured where the two differ by more than 5%.

    Example:
        >>> from torchconv.report import Ratio
        >>> str(Ratio(1.3149)), Ratio(1.3149).verdict, Ratio(1.01).verdict, Ratio(0.5).verdict
        ('1.31x', 'faster', 'even', 'slower')
    """

    value: float

    @property
    def verdict(self) -> str:
        return "faster" if self.value > 1.05 else "slower" if self.value < 0.95 else "even"

    def __str__(self) -> str:
        return f"{self.value:.2f}x"

    @property
    def markup(self) -> str:
        """With the colour, as rich writes it."""
        colour = {"faster": "green", "even": "default", "slower": "yellow"}[self.verdict]
        return f"[{colour}]{self}[/{colour}]"


Cell = str | Ratio


@dataclass(frozen=True)
class Column:
    name: str
    right: bool


@dataclass(frozen=True)
class TableBlock:
    kind: ClassVar[str] = "table"
    title: str
    columns: list[Column]
    rows: list[tuple[Cell, ...]]
    caption: str
    last_is_total: bool
    folded: bool  # to be opened by a click


@dataclass(frozen=True)
class FigureBlock:
    kind: ClassVar[str] = "figure"
    svg: str
    caption: str


@dataclass(frozen=True)
class Photo:
    """A picture with the probability, in percent, that each variant of a network gives to each class."""

    name: str
    picture: str  # a data: address
    variants: list[str]
    classes: dict[str, list[float]]
    verdict: str


@dataclass(frozen=True)
class PhotosBlock:
    kind: ClassVar[str] = "photos"
    photos: list[Photo]


@dataclass(frozen=True)
class FactsBlock:
    kind: ClassVar[str] = "facts"
    facts: dict[str, str]


@dataclass(frozen=True)
class PromisesBlock:
    kind: ClassVar[str] = "promises"
    promises: list[Promise]


Block = TableBlock | FigureBlock | PhotosBlock | FactsBlock | PromisesBlock


@dataclass
class Section:
    title: str
    lead: str
    blocks: list[Block] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        return re.sub(r"\W+", "-", self.title.lower()).strip("-")


@dataclass(frozen=True)
class Highlight:
    """A figure to read first."""

    figure: str
    what: str


@dataclass
class Report:
    """Collects what a run found, printing it on the way; write() makes the page and the JSON of it."""

    console: Console
    title: str = "torchconv"
    subtitle: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    promises: list[Promise] = field(default_factory=list)
    highlights: list[Highlight] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)

    def equal(self, what: str, got: object, wanted: object) -> None:
        self.promises.append(Promise(what, str(wanted), str(got), got == wanted))

    def at_most(self, what: str, got: float, bar: float) -> None:
        self.promises.append(Promise(what, f"at most {bar:.3g}", f"{got:.3g}", got <= bar))

    def at_least(self, what: str, got: float, bar: float) -> None:
        self.promises.append(Promise(what, f"at least {bar:.3g}", f"{got:.3g}", got >= bar))

    def highlight(self, figure: str, what: str) -> None:
        self.highlights.append(Highlight(figure, what))

    def section(self, title: str, lead: str = "") -> None:
        """Begins a part of the page; what comes next goes into it. lead: what a newcomer should know first."""
        self.sections.append(Section(title, lead))

    def add(self, block: Block) -> None:
        """Puts a block on the page alone."""
        if not self.sections:
            self.section("Results")
        self.sections[-1].blocks.append(block)

    def figure(self, svg: str, caption: str = "") -> None:
        self.add(FigureBlock(svg, caption))

    def table(
        self,
        title: str,
        columns: Sequence[str],
        rows: Iterable[Sequence[Cell]],
        caption: str = "",
        last_is_total: bool = False,
        folded: bool = False,
        terminal_columns: int | None = None,
    ) -> None:
        """Puts a table on the page and prints it, or its first `terminal_columns`.

        A column whose name starts with ">" holds figures and stands at the right. The page shows a folded table after
        a click.
        """
        heads = [Column(name.lstrip(">"), name.startswith(">")) for name in columns]
        block = TableBlock(title, heads, [tuple(row) for row in rows], caption, last_is_total, folded)
        self.add(block)
        if terminal_columns != 0:
            self.console.print(_for_terminal(block, terminal_columns))

    def print_promises(self) -> None:
        """Prints the promises, and puts them on the page."""
        table = Table("promise", RichColumn("wanted", justify="right"), RichColumn("got", justify="right"), "")
        for p in self.promises:
            mark = "[green]kept[/green]" if p.kept else "[red]BROKEN[/red]"
            table.add_row(escape(p.what), escape(p.wanted), escape(p.got), mark)
        self.console.print(table)
        kept = sum(p.kept for p in self.promises)
        self.section("Promises", f"{kept} of {len(self.promises)} kept. The command fails where one is broken.")
        self.add(PromisesBlock(self.promises))

    def as_dict(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "build": info(),
            **self.figures,
            "promises": [asdict(p) for p in self.promises],
        }

    def write(self, folder: Path, name: str = "report") -> Path:
        """Writes report.html and report.json into a folder that is made where it is missing; or those of another name.

        Returns:
            The path of the page.

        Raises:
            TorchconvError: the files cannot be written.
        """
        from torchconv.report.page import render  # which needs jinja2

        self.section("The machine", "What all of this ran on, as python -m torchconv info tells it.")
        self.add(FactsBlock(facts_for_people()))
        figures = self.as_dict()
        page, data = folder / f"{name}.html", folder / f"{name}.json"
        make_folder(folder)
        try:
            data.write_text(json.dumps(figures, indent=2) + "\n")
            page.write_text(render(self, figures["made"]))
        except OSError as error:
            raise TorchconvError(f"output: expected a folder that can be written, got {error}") from None
        self.console.print(f"report: {page} (figures: {data})", soft_wrap=True)
        return page


def _for_terminal(block: TableBlock, columns: int | None) -> Table:
    table = Table(title=block.title, caption=block.caption or None, title_justify="left", caption_justify="left")
    for column in block.columns[:columns]:
        table.add_column(column.name, justify="right" if column.right else "left")
    for i, row in enumerate(block.rows):
        if block.last_is_total and i == len(block.rows) - 1:
            table.add_section()
        table.add_row(*(escape(cell) if isinstance(cell, str) else cell.markup for cell in row[:columns]))
    return table


def machine_line() -> str:
    """The machine in a line: "AMD EPYC, avx512, 2 threads, torch 2.14.1"."""
    facts = info()
    threads = f"{facts['threads']} thread{'s' if facts['threads'] != 1 else ''}"
    python = ".".join(map(str, sys.version_info[:3]))
    return f"{cpu_name()} · {facts['isa']['used']} · {threads} · torch {torch.__version__} · Python {python}"
