"""Blocks of a Form as values: read once from their elements, kept as JSON without loss."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Self, cast

import pydantic
from lxml import etree

from schemas.declarations.values import number, text_of
from schemas.errors import CrossroadsError


class RowError(CrossroadsError):
    """What was kept cannot be read; the text says where, and never what stands there."""


class Kept:
    """What a frozen dataclass of values, tuples and other such has besides: a row."""

    __slots__ = ()

    @property
    def row(self) -> dict[str, Any]:
        """As JSON; `of_row` reads it. What is not there is left out."""
        return cast(
            dict[str, Any], _adapter(type(self)).dump_python(self, mode="json", exclude_defaults=True, warnings=False)
        )

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Self:
        """Raises RowError where it is no such row."""
        try:
            return cast(Self, _adapter(cls).validate_python(row))
        except pydantic.ValidationError as error:
            wrong = (f"{'.'.join(map(str, one['loc']))}: {one['type']}" for one in error.errors(include_input=False))
            raise RowError(f"no row of {cls.__name__}: {'; '.join(wrong)}") from None


_ADAPTERS: dict[type, pydantic.TypeAdapter[Any]] = {}


def _adapter(kind: type) -> pydantic.TypeAdapter[Any]:
    if (found := _ADAPTERS.get(kind)) is None:
        found = _ADAPTERS[kind] = pydantic.TypeAdapter(kind)
    return found


@dataclass(frozen=True, slots=True)
class Block(Kept):
    """A block that no rule looks into, as it was declared."""

    #: Name of its element.
    name: str
    #: Its simple elements, in order.
    values: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    blocks: tuple["Block", ...] = ()

    def value(self, name: str) -> str | None:
        """The first simple element of this name; None: there is none."""
        return next((text for one, text in self.values if one == name), None)


class Reading:
    """An element whose schema was looked at, being read: what is asked for is taken out, `rest` is what nobody took."""

    def __init__(self, element: etree._Element) -> None:
        self._texts: dict[str, str] = {}
        self._blocks: dict[str, list[etree._Element]] = defaultdict(list)
        for child in element.iterchildren("*"):
            name = str(child.tag)
            if next(child.iterchildren("*"), None) is None:
                self._texts[name] = text_of(child)
            else:
                self._blocks[name].append(child)

    def has(self, name: str) -> bool:
        """Whether there is a simple element of this name that was not taken."""
        return name in self._texts

    def optional_text(self, name: str) -> str | None:
        """As it was written, white space and all."""
        return self._texts.pop(name, None)

    def text(self, name: str) -> str:
        """Without white space around."""
        return self._texts.pop(name).strip()

    def optional_integer(self, name: str) -> int | None:
        return self.integer(name) if name in self._texts else None

    def integer(self, name: str) -> int:
        return number(self.text(name))

    def optional_code(self, name: str, places: int) -> str | None:
        return self.code(name, places) if name in self._texts else None

    def code(self, name: str, places: int) -> str:
        """An integer that is a name: with the zeros before it, at least so many places."""
        return str(self.integer(name)).zfill(places)

    def optional_day(self, name: str) -> date | None:
        return self.day(name) if name in self._texts else None

    def day(self, name: str) -> date:
        return date.fromisoformat(self.text(name))

    def blocks(self, name: str) -> list[etree._Element]:
        """Elements with elements below, in order."""
        return self._blocks.pop(name, [])

    @property
    def rest_values(self) -> tuple[tuple[str, str], ...]:
        return tuple(self._texts.items())

    @property
    def rest_blocks(self) -> tuple[Block, ...]:
        return tuple(block_of(one) for alike in self._blocks.values() for one in alike)


def block_of(element: etree._Element) -> Block:
    """A block with all below it."""
    reading = Reading(element)
    return Block(str(element.tag), reading.rest_values, reading.rest_blocks)
