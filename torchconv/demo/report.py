"""What the demo found: figures for the JSON report, tables for people, and promises that are kept or not."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from torchconv.info import info


@dataclass(frozen=True)
class Promise:
    """One thing that must hold, with the figure that decided it."""

    what: str
    wanted: str
    got: str
    kept: bool


@dataclass
class Report:
    console: Console
    figures: dict[str, Any] = field(default_factory=dict)
    promises: list[Promise] = field(default_factory=list)

    def equal(self, what: str, got: object, wanted: object) -> None:
        self.promises.append(Promise(what, str(wanted), str(got), got == wanted))

    def at_most(self, what: str, got: float, bar: float) -> None:
        self.promises.append(Promise(what, f"at most {bar:.3g}", f"{got:.3g}", got <= bar))

    def at_least(self, what: str, got: float, bar: float) -> None:
        self.promises.append(Promise(what, f"at least {bar:.3g}", f"{got:.3g}", got >= bar))

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> None:
        """Prints a table. A column whose name starts with ">" holds figures and stands at the right."""
        table = Table(title=title, caption=caption or None, title_justify="left", caption_justify="left")
        for column in columns:
            table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left")
        for row in rows:
            table.add_row(*row)
        self.console.print(table)

    def print_promises(self) -> None:
        marks = {True: "[green]kept[/green]", False: "[red]BROKEN[/red]"}
        rows = [(p.what, p.wanted, p.got, marks[p.kept]) for p in self.promises]
        self.table("Promises", ("promise", ">wanted", ">got", ""), rows)

    def as_dict(self) -> dict[str, Any]:
        return {"build": info(), **self.figures, "promises": [asdict(p) for p in self.promises]}
