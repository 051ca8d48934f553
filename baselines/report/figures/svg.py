"""What matplotlib writes, made fit to be part of a page.

Its own style sheet would reach the whole page, its ids would meet those of the next drawing, and its colours and fonts are
fixed: here they become the page's. A title and a description come with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from xml.etree import ElementTree

SVG: Final = "http://www.w3.org/2000/svg"
LINK: Final = "{http://www.w3.org/1999/xlink}href"
FONT: Final = "font-family: system-ui, sans-serif"
DROPPED: Final = frozenset({"metadata", "style"})

_REFERENCE: Final = re.compile(r"url\(#([^)]+)\)")
_FONT: Final = re.compile(r"font-family: [^;]+|(?<=font: )([\d.]+px) [^;]+")
_NUMBER: Final = re.compile(r"-?\d+\.\d{2,}")


def for_page(text: str, *, name: str, title: str, words: str, colours: Mapping[str, str]) -> str:
    """An `svg` element that needs and disturbs nothing else; `text` is matplotlib's, `name` unique on the page."""
    root = ElementTree.fromstring(text)  # noqa: S314 - matplotlib wrote it a moment ago
    used = {found for element in root.iter() for found in _references(element)}
    by_hex = {hex_: f"var(--{colour})" for colour, hex_ in colours.items()}
    replaced = re.compile("|".join(map(re.escape, by_hex)))
    for element in root.iter():
        for child in [child for child in element if _local(child) in DROPPED]:
            element.remove(child)
        _rename(element, name, used)
        for key, value in list(element.attrib.items()):
            if key == "style":
                value = _FONT.sub(lambda found: f"{found[1]} system-ui, sans-serif" if found[1] else FONT, value)
            value = replaced.sub(lambda found: by_hex[found[0]], value)
            if key in ("d", "transform", "x", "y", "points", "style"):
                value = _NUMBER.sub(lambda found: f"{float(found[0]):.1f}", value)
            element.set(key, value)
    _describe(root, name, title, words)
    _unprefix(root)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _references(element: ElementTree.Element) -> list[str]:
    link = element.get(LINK, "")
    found = [link[1:]] if link.startswith("#") else []
    return found + [one for value in element.attrib.values() for one in _REFERENCE.findall(value)]


def _rename(element: ElementTree.Element, name: str, used: set[str]) -> None:
    """Ids that something refers to belong to this drawing; the others go."""
    own = element.attrib.pop("id", None)
    if own in used:
        element.set("id", f"{name}-{own}")
    link = element.attrib.pop(LINK, "")
    if link.startswith("#"):
        element.set("href", f"#{name}-{link[1:]}")
    for key, value in list(element.attrib.items()):
        element.set(key, _REFERENCE.sub(rf"url(#{name}-\1)", value))


def _describe(root: ElementTree.Element, name: str, title: str, words: str) -> None:
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-words")
    for place, (kind, suffix, text) in enumerate((("title", "title", title), ("desc", "words", words))):
        element = ElementTree.Element(f"{{{SVG}}}{kind}", {"id": f"{name}-{suffix}"})
        element.text = text
        root.insert(place, element)


def _unprefix(root: ElementTree.Element) -> None:
    """In a page `svg` needs no namespace: the parser of HTML knows it. Nor does it need spaces between elements."""
    for element in root.iter():
        element.tag = _local(element)
        element.tail = None
        if element.tag not in ("title", "desc", "text", "tspan"):
            element.text = None
