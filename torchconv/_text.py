"""Rich tables as plain text."""

import io

from rich.console import Console
from rich.table import Table


class Printable:
    """Gives a class with __rich__ the same table under str() and print()."""

    def __rich__(self) -> Table:
        raise NotImplementedError

    def __str__(self) -> str:
        console = Console(file=io.StringIO(), width=160)
        console.print(self.__rich__())
        return console.file.getvalue()  # type: ignore[attr-defined]
