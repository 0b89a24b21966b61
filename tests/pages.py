"""Checks that a report's page stands alone."""

import base64
import io
import json
from html.parser import HTMLParser
from pathlib import Path

from PIL import Image

VOID = {"meta", "br", "img", "link", "input", "hr"}  # HTML elements without an end
LEADING_ELSEWHERE = ("src", "href", "xlink:href", "srcset", "action", "data")


class Page(HTMLParser):
    """What is in a page: its texts, pictures and ids. Fails where elements do not nest or something leads elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: set[str] = set()
        self.targets: set[str] = set()
        self.pictures: list[Image.Image] = []
        self.text = ""
        assert text.startswith("<!doctype html>")
        assert "http:" not in text and "https:" not in text and "@import" not in text
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        assert tag not in ("script", "link", "iframe", "object", "embed")
        for name, value in attributes:
            assert not name.startswith("on"), f"{tag} has a script in {name}"
            if name == "id":
                self.ids.add(value)
            if name in LEADING_ELSEWHERE:
                assert value.startswith(("#", "data:image/")), f"{tag} leads to {value[:60]}"
                if value.startswith("#"):
                    self.targets.add(value[1:])
                else:
                    picture = Image.open(io.BytesIO(base64.b64decode(value.split(",", 1)[1], validate=True)))
                    picture.load()
                    self.pictures.append(picture)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def read_report(folder: Path, name: str = "report") -> tuple[Page, dict]:
    """The page and the figures of a report; the page's links lead to what is in it."""
    page = Page((folder / f"{name}.html").read_text())
    assert page.targets <= page.ids
    figures = json.loads((folder / f"{name}.json").read_text())
    assert figures["build"]["isa"]["used"] in page.text
    assert figures["build"]["cpu"] in page.text
    return page, figures
