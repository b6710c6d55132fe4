"""A supplier that answers from files: the sandbox every connecting party asks for.

A directory holds `<ssin>.xml` for each person: a whole response of the service, of which everything from `status` on
is told, or its data elements alone. Head, criteria and ticket always come from the question; what comes from the file
goes out byte for byte, with the namespace declarations that stood around it. No file: no data (MSG00100).
"""

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from institutions.errors import UnknownService
from institutions.institution import Institution
from institutions.question import Question, Raw
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.errors import CrossroadsError
from schemas.markup import Span, attributes_of, spans
from schemas.parser import Malformed, parse
from schemas.service import Service

_NAME = re.compile(r"[0-9]{11}\.xml")
_DECLARATION = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*<\?xml\s[^>]*\?>")
_WRAP = (b"<data>", b"</data>")


class AnswerFileError(CrossroadsError):
    """A file that cannot be told as an answer: what is wrong and what would be right, never what it holds."""


class AnswerFiles:
    """The files of one directory. Read anew at each question, so that they may change while the simulator runs."""

    def __init__(self, directory: Path, service: Service) -> None:
        if not directory.is_dir():
            raise AnswerFileError(f"{directory} is no directory: put one file <ssin>.xml a person into one")
        self.directory, self.service = directory, service

    def get(self, digits: str) -> Raw | None:
        """What to tell about this person; None: no data. Raises `AnswerFileError`."""
        try:
            body = (self.directory / f"{digits}.xml").read_bytes()
        except FileNotFoundError:
            return None
        return self.read(body)

    def read(self, body: bytes) -> Raw:
        """A file's content as an answer."""
        try:
            root = parse(body)
        except Malformed as error:
            if error.code != "CRB00003":
                raise AnswerFileError(f"not a message that may be sent ({error})") from None
            if not (told := b"".join(_elements(self._several(body, error)))):
                raise AnswerFileError("no element in it: write the data elements, or a whole response") from None
            return Raw(told)
        if root.tag == self.service.response:
            return Raw(self._from_status(body), whole=True)
        if self.service.kind_of(root) is not None:
            raise AnswerFileError("a request or a fault: save a response of the service, or its data elements")
        return Raw(_DECLARATION.sub(b"", body).strip())

    def problems(self) -> tuple[str, ...]:
        """What is wrong in the directory, one line a file; files that are not named `<ssin>.xml` are never told."""
        wrong: list[str] = []
        for file in sorted(self.directory.glob("*.xml")):
            if _NAME.fullmatch(file.name) is None:
                wrong.append(f"{file}: its name is not <ssin>.xml, 11 digits: it is never told")
                continue
            try:
                self.read(file.read_bytes())
            except AnswerFileError as error:
                wrong.append(f"{file}: {error}")
        return tuple(wrong)

    def _several(self, body: bytes, error: Malformed) -> bytes:
        wrapped = _WRAP[0] + _DECLARATION.sub(b"", body) + _WRAP[1]
        try:
            parse(wrapped)
        except Malformed:
            raise AnswerFileError(f"neither a message nor elements side by side ({error})") from None
        return wrapped

    def _from_status(self, body: bytes) -> bytes:
        told: list[bytes] = []
        for name, element in _named(body):
            if told or name == b"status":
                told.append(element)
        if not told:
            raise AnswerFileError("a response without status: take one of a supplier, or the data elements alone")
        return b"".join(told)


def _elements(body: bytes) -> Iterator[bytes]:
    return (element for _, element in _named(body))


def _named(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The elements below the root, as they are written, with the declarations of the root that they do not repeat."""
    children: list[Span] = []
    around: dict[bytes, bytes] = {}
    for span in spans(body, depth=1):
        if span.path:
            children.append(span)
        else:
            around = {n: v for n, v in attributes_of(span.start) if n == b"xmlns" or n.startswith(b"xmlns:")}
    for span in children:
        own = {name for name, _ in attributes_of(span.start)}
        added = b"".join(b" %s=%s" % (n, _quoted(v)) for n, v in around.items() if n not in own)
        at = span.begin + 1 + len(span.start.name)
        yield span.path[0], body[span.begin : at] + added + body[at : span.end]


def _quoted(value: bytes) -> bytes:
    return b"'" + value + b"'" if b'"' in value else b'"' + value + b'"'


async def simulate(
    service_type: str,
    address: Address,
    directory: Path,
    urls: Sequence[str],
    *,
    catalogue: Catalogue | None = None,
    ready: Callable[[], None] | None = None,
) -> None:
    """Answer `service_type` (`Name/version`, or a name that has one version) as `address`, until SIGTERM or Ctrl-C.

    Takes the questions of that service only. `ready` is called once questions are taken. Raises `UnknownService`,
    `AnswerFileError`, and what connecting may raise.
    """
    known = catalogue if catalogue is not None else await asyncio.to_thread(Catalogue.from_environment)
    service = find(known, service_type)
    files = AnswerFiles(directory, service)
    async with Institution(address, urls, catalogue=known) as me:

        @me.supplies(service)
        def answer_from_file(question: Question) -> Raw | None:
            return files.get(question.ssin.digits)

        await me.serve(ready=ready, signals=True)


def find(catalogue: Catalogue, named: str) -> Service:
    """The service of this type, or the only version of this name. Raises `UnknownService`."""
    if (service := catalogue.services.get(named)) is not None:
        return service
    versions = [service for service in catalogue.services.values() if service.name == named]
    if len(versions) == 1:
        return versions[0]
    if versions:
        raise UnknownService(f"{named} has several versions: say {' or '.join(sorted(s.type for s in versions))}")
    known = ", ".join(sorted(catalogue.services)) or "none"
    raise UnknownService(f"no service {named} is known here ({known}): CROSSROADS_SERVICES adds folders of services")
