"""Renders a Report as one HTML page."""

import base64
import io
from typing import TYPE_CHECKING

import jinja2

if TYPE_CHECKING:
    from PIL.Image import Image

    from torchconv.report import Report


def render(report: "Report", made: str) -> str:
    """The page. Everything but the SVGs, which plots.py makes, is escaped.

    Args:
        report: what to show.
        made: when, as ISO 8601 says it.
    """
    from torchconv.report import machine_line

    loader = jinja2.PackageLoader("torchconv", "report")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    day, time = made.split("T")
    when = f"{day}, {time.split('+')[0]} UTC"
    return environment.get_template("page.html.j2").render(report=report, when=when, machine=machine_line())


def data_address(picture: "Image") -> str:
    """A data: address with a photograph as JPEG: about 15 KB at 224 x 224."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
