"""Rich tables as plain text."""

import io

from rich.console import Console


class Printable:
    """Gives a class that has __rich__ the same table under str() and print()."""

    def __str__(self) -> str:
        text = io.StringIO()
        Console(file=text, width=160).print(self)
        return text.getvalue()
