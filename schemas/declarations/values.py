"""What stands in an element, whatever comments stand within, and numbers of any number of leading zeros."""

from datetime import date
from typing import cast

from lxml import etree

#: Longer than what any zone may hold that is kept.
_LONGEST = 256
_STRING = etree.XPath("string()")


def text_of(element: etree._Element) -> str:
    """All of its text, without comments; a number padded beyond all measure, which its schema lets pass, without the
    zeros before it."""
    text = cast(str, _STRING(element)) if len(element) else element.text or ""
    if len(text) > _LONGEST and (number := text.strip().lstrip("+")).isdigit():
        return number.lstrip("0") or "0"
    return text


def value(parent: etree._Element | None, path: str) -> str | None:
    """The text of an element below, without white space around; None: it is not there."""
    found = None if parent is None else parent.find(path)
    return None if found is None else text_of(found).strip()


def integer(parent: etree._Element | None, path: str) -> int | None:
    """Of an element whose value its schema found to be an integer."""
    text = value(parent, path)
    return None if text is None else number(text)


def number(text: str) -> int:
    """Of a text that is an integer to its schema, whatever zeros stand before it."""
    digits = int(text.lstrip("+-").lstrip("0") or "0")
    return -digits if text.startswith("-") else digits


def day(parent: etree._Element | None, path: str) -> date | None:
    """Of an element whose value its schema found to be a day."""
    text = value(parent, path)
    return None if text is None else date.fromisoformat(text)
