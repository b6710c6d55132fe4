"""The XSDs of one service, compiled: libxml2's for the messages on their way, xmlschema's to look at the structure.

Imports resolve by namespace. All schemas that belong together are read first, through the hardened parser, and given
schema locations of our own, so that neither library ever follows one that somebody wrote: nothing is fetched, nothing
outside the folder is read but the schemas shipped with Crossroads.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast
from weakref import WeakValueDictionary

from lxml import etree

from schemas.errors import CrossroadsError
from schemas.parser import SETTINGS, Malformed, parse
from schemas.violation import Violation, violations_in

SHIPPED_SCHEMAS = Path(__file__).parent / "xsd"
MAX_SCHEMA = 8 * 1_048_576
"""Bytes one XSD may have."""

if TYPE_CHECKING:  # it takes long to import, and a process that reads no services has no use for it
    from xmlschema import XMLSchema10
    from xmlschema.validators import XsdElement

_XS = "{http://www.w3.org/2001/XMLSchema}"
_IDS = {"ID", "IDREF", "IDREFS"}


class GrammarError(CrossroadsError):
    """An XSD cannot be used: the text says which file, what is wrong and what would be right."""


class Grammar:
    """Compiled schemas. Not for use by two threads at once: libxml2's errors are kept with the schema."""

    def __init__(
        self,
        validator: etree.XMLSchema,
        structure: "XMLSchema10",
        names: frozenset[str] = frozenset(),
        *,
        has_ids: bool = False,
    ) -> None:
        self._validator = validator
        self._structure = structure
        #: local names of all elements and attributes that are declared anywhere in it
        self.names = names
        #: whether a value may have to be the only one of its kind in a message (`xs:ID`), or to refer to one
        self.has_ids = has_ids

    @classmethod
    def read(cls, folder: Path, schema: str) -> "Grammar":
        """Compiles `folder/schema` and what it imports. Raises `GrammarError`.

        The same schemas are compiled once, as long as somebody has them: a process may have many catalogues.
        """
        closure = _Closure(folder, schema)
        written = tuple(etree.tostring(tree, xml_declaration=True, encoding="utf-8") for tree in closure.trees)
        if (grammar := _in_use.get(written)) is None:
            grammar = _in_use[written] = _compile(closure, written)
        return grammar

    def violations_of(self, root: etree._Element) -> tuple[Violation, ...]:
        """What of `root` breaks the schema; empty: valid. `root` is parsed from the bytes meant, and not edited."""
        if self._validator.validate(root):
            return ()
        return violations_in(self._validator.error_log, root)

    def accepts(self, root: etree._Element) -> bool:
        """Whether `violations_of` is empty."""
        return self._validator.validate(root)

    def count_violations(self, body: bytes) -> int:
        """How many rules a document breaks, without saying where: in time that grows with its bytes. `body`: of
        elements that were read by `schemas.parser`, written again."""
        parser = etree.XMLParser(schema=self._validator, **SETTINGS)
        try:
            etree.fromstring(body, parser)
        except etree.XMLSyntaxError:
            return len(cast(Sequence[object], parser.error_log))
        return 0

    def element(self, name: str) -> "XsdElement | None":
        """The global element of this name (Clark notation)."""
        from xmlschema.validators import XsdElement

        found = self._structure.maps.elements.get(name)
        return found if isinstance(found, XsdElement) else None

    @property
    def roots(self) -> tuple[str, ...]:
        """The names of the main schema's own global elements."""
        namespace = self._structure.target_namespace
        return tuple(f"{{{namespace}}}{name}" if namespace else name for name in self._structure.elements)


class _Closure:
    """A schema and all it imports and includes, each with its schema locations rewritten to names of our own."""

    def __init__(self, folder: Path, schema: str) -> None:
        self.folder = folder.resolve()
        self.files: list[Path] = []
        self.trees: list[etree._Element] = []
        self._numbers: dict[Path, int] = {}
        self._by_namespace: dict[str, int] = {}
        self._waiting: list[tuple[int, etree._Element]] = []
        main = self._inside(self.folder, schema)
        if main is None:
            raise GrammarError(f"no such file in the folder: {schema}")
        self._add(main)
        # Imports that lead to no file come last: where another schema already brought that namespace, it is that one.
        while self._waiting:
            number, reference = self._waiting.pop(0)
            self._point(reference, self._of_namespace(number, reference))

    def name(self, path: Path) -> str:
        """As an error names a file: by its place in the folder."""
        return str(path.relative_to(self.folder)) if path.is_relative_to(self.folder) else path.name

    def _inside(self, start: Path, location: str) -> Path | None:
        if "://" in location or not location:
            return None
        try:
            path = (start / location).resolve()
            return path if path.is_relative_to(self.folder) and path.is_file() else None
        except (OSError, ValueError):
            return None

    def _add(self, path: Path) -> int:
        if path in self._numbers:
            return self._numbers[path]
        try:
            tree = parse(path.read_bytes(), limit=MAX_SCHEMA)
        except Malformed as error:
            line = dict(error.information).get("line", "1")
            raise GrammarError(
                f"{self.name(path)}:{line}: {error}: write it as well-formed UTF-8 XML without DOCTYPE"
            ) from None
        if tree.tag != _XS + "schema":
            raise GrammarError(f"{self.name(path)}:{tree.sourceline}: its root is not xs:schema")
        number = self._numbers[path] = len(self.files)
        self.files.append(path)
        self.trees.append(tree)
        self._by_namespace.setdefault(tree.get("targetNamespace", ""), number)
        for reference in list(tree.iterchildren(_XS + "import", _XS + "include", _XS + "redefine")):
            location = reference.get("schemaLocation", "")
            if reference.tag == _XS + "import":
                found = self._inside(path.parent, location)
                if found is None:
                    self._waiting.append((number, reference))
                else:
                    self._point(reference, self._add(found))
            else:
                found = self._inside(path.parent, location)
                if found is None:
                    raise GrammarError(
                        f"{self.name(path)}:{reference.sourceline}: {reference.tag[len(_XS) :]} of a file that the"
                        f" folder does not hold: {location}"
                    )
                self._point(reference, self._add(found))
        return number

    def _point(self, reference: etree._Element, number: int) -> None:
        reference.set("schemaLocation", f"{number}.xsd")

    def _of_namespace(self, number: int, reference: etree._Element) -> int:
        namespace = reference.get("namespace", "")
        if namespace in self._by_namespace:
            return self._by_namespace[namespace]
        if (shipped := shipped_schemas().get(namespace)) is not None:
            return self._add(shipped)
        raise GrammarError(
            f"{self.name(self.files[number])}:{reference.sourceline}: imports the namespace '{namespace}', of which"
            " neither the folder nor Crossroads has a schema: put its XSD into the folder and name it in schemaLocation"
        )


@cache
def shipped_schemas() -> Mapping[str, Path]:
    """The schemas that come with Crossroads, by target namespace."""
    return {
        parse(path.read_bytes(), limit=MAX_SCHEMA).get("targetNamespace", ""): path
        for folder in (SHIPPED_SCHEMAS.parent / "services", SHIPPED_SCHEMAS)
        for path in sorted(folder.resolve().rglob("*.xsd"))
    }


#: by the bytes of all schemas that belong together, in their order
_in_use: WeakValueDictionary[tuple[bytes, ...], Grammar] = WeakValueDictionary()


def _compile(closure: _Closure, written: Sequence[bytes]) -> Grammar:
    import xmlschema

    with tempfile.TemporaryDirectory(prefix="crossroads-schemas-") as directory:
        place = Path(directory)
        for number, schema in enumerate(written):
            (place / f"{number}.xsd").write_bytes(schema)
        try:
            validator = etree.XMLSchema(file=str(place / "0.xsd"))
        except etree.XMLSchemaParseError as error:
            raise GrammarError("; ".join(_told(closure, error))) from None
        try:
            # Unchecked: what libxml2 has accepted is used, even where a stricter reader would not; checking the same
            # again took four fifths of the time that a process needs to read its services.
            structure = xmlschema.XMLSchema10(str(place / "0.xsd"), validation="skip", allow="local")
        except xmlschema.XMLSchemaException as error:
            raise GrammarError(
                f"{closure.name(closure.files[0])}: its structure cannot be read: {type(error).__name__}"
            ) from None
    declared = (tree.iter(_XS + "element", _XS + "attribute") for tree in closure.trees)
    names = frozenset(name for each in declared for found in each if (name := found.get("name")) is not None)
    return Grammar(validator, structure, names, has_ids=any(map(_has_ids, closure.trees)))


def _has_ids(tree: etree._Element) -> bool:
    written = (
        (element, name)
        for element in tree.iter(_XS + "attribute", _XS + "element", _XS + "restriction", _XS + "list")
        for name in (element.get("type"), element.get("base"), element.get("itemType"))
        if name is not None and name.rpartition(":")[2] in _IDS
    )
    return any(f"{{{element.nsmap.get(name.rpartition(':')[0] or None)}}}" == _XS for element, name in written)


def _told(closure: _Closure, error: etree.XMLSchemaParseError) -> Iterator[str]:
    """libxml2's first complaints about a schema, with the files' own names. A schema holds no personal data."""
    for entry in list(error.error_log)[:3]:
        number = Path(entry.filename).stem
        name = closure.name(closure.files[int(number) if number.isdigit() else 0])
        line = _line(closure.trees[int(number)], entry.line) if number.isdigit() else entry.line
        yield f"{name}:{line}: {entry.message.strip()}"


def _line(tree: etree._Element, line: int) -> int:
    """The line in a schema's own file: as it was written for libxml2, each start tag has one line."""
    written = etree.fromstring(etree.tostring(tree, xml_declaration=True, encoding="utf-8"))
    pairs = zip(written.iter(), tree.iter(), strict=True)
    places = [(cast(int, ours.sourceline), cast(int, theirs.sourceline)) for ours, theirs in pairs]
    return next((theirs + line - ours for ours, theirs in reversed(places) if ours <= line), line)
