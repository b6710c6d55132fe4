"""A file of forms cut into its forms, byte for byte: each is checked as what will be sent of it, and sent as written.

A form together with the start tag of the root and its end tag is a message of its own. What stands between the forms
must be white space, comments or processing instructions, and is left out.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from schemas.declarations.stream import MAX_RECORD
from schemas.errors import CrossroadsError
from schemas.markup import tags
from schemas.parser import MAX_ONLINE, MAX_ROOT, Malformed, parse

#: Bytes read at once.
CHUNK = 262_144
_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MISC = re.compile(rb"(?:\s++|<!--.*?-->|<\?.*?\?>)*+", re.DOTALL)
_FORM = re.compile(rb"<Form(?=[\s/>])")
#: What stands between two forms as a rule.
_NEXT = re.compile(rb"\s*+(?=<Form[\s>])")
_END = b"</Form>"


class FileError(CrossroadsError):
    """A file that cannot be cut into forms; the text says at which line and why, and repeats nothing of it."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line, self.why = line, why


class Cut(NamedTuple):
    """A form's bytes, the line that they begin at, from 1, and how many line ends they hold."""

    form: bytes
    line: int
    ends: int


class Cutting:
    """The forms of one file, in the memory of one form. Use `opening` first, then iterate over `forms`."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        """`read(n)`: up to n more bytes; none: the end."""
        self._read = read
        self._held, self._at = b"", 0
        self._line = 1
        self._root = b""

    @property
    def line(self) -> int:
        """Where it is."""
        return self._line

    def opening(self) -> bytes:
        """XML declaration and the root's start tag, on which what is sent begins. Raises FileError and Malformed."""
        while len(self._held) < len(_BYTE_ORDER_MARK) and self._more():
            pass
        if self._held.startswith(_BYTE_ORDER_MARK):
            self._at = len(_BYTE_ORDER_MARK)
        while True:
            tag = next(tags(self._held), None)
            if tag is not None and self._held[tag.begin : tag.end].endswith(b">"):
                break
            if len(self._held) > MAX_ONLINE or not self._more():
                # What it is, is the parser's to say: no XML, a DOCTYPE …
                parse(self._held[self._at :])
                raise FileError(1, "there is no root element")
        start, self._root = self._held[tag.begin : tag.end], tag.name
        line = 1 + self._held.count(b"\n", 0, tag.begin)
        if tag.closes:
            raise FileError(line, "there is no form in it")
        if len(tag.attributes) > MAX_ROOT:
            raise FileError(line, f"the root has more than {MAX_ROOT} bytes of attributes")
        # Encoding, DOCTYPE, well-formedness of what stands up to here.
        parse(self._held[self._at : tag.end] + self.closing)
        self._skip(tag.end)
        return _DECLARATION + start + b"\n"

    @property
    def closing(self) -> bytes:
        return b"</" + self._root + b">"

    def forms(self) -> Iterator[Cut]:
        """One after the other, to the end of the file. Raises FileError and Malformed (a form beyond `MAX_RECORD`)."""
        while True:
            found = _NEXT.match(self._held, self._at)
            if found is not None:
                self._skip(found.end())
            elif not self._another():
                break
            end = self._end_of_form()
            form = self._held[self._at : end]
            ends = form.count(b"\n")
            yield Cut(form, self._line, ends)
            self._at = end
            self._line += ends
        closed = re.compile(rb"</" + re.escape(self._root) + rb"\s*>")
        while (found := closed.match(self._held, self._at)) is None:
            if len(self._held) - self._at > MAX_ONLINE or not self._more():
                raise FileError(self._line, "the root's end tag was expected")
        self._skip(found.end())
        self._misc()
        if self._at < len(self._held):
            raise FileError(self._line, "something stands behind the root")

    def _another(self) -> bool:
        """Whether a form stands here, once comments and the like are passed over; False: the root ends."""
        self._misc()
        while len(self._held) - self._at < len(_END) and self._more():
            pass
        if self._held.startswith(b"</", self._at):
            return False
        if _FORM.match(self._held, self._at) is not None:
            return True
        if len(self._held) - self._at < len(_END):
            raise FileError(self._line, "the file is cut off: its root is not closed")
        raise FileError(self._line, "only elements Form may stand here, and comments")

    def _end_of_form(self) -> int:
        """Where the form that begins here ends, in what is held."""
        searched = self._at
        while True:
            end = self._held.find(_END, searched)
            if end >= 0:
                end += len(_END)
                if self._plain(end):
                    return end
                found = self._by_tags()
                if found is not None:
                    return found
            # Behind `_more` what is held begins with the form.
            searched = max(0, len(self._held) - self._at - len(_END))
            if len(self._held) - self._at > MAX_RECORD:
                raise Malformed("CRB00001", (("limit", f"{MAX_RECORD} bytes a record"),))
            # As much again each time: a long form is not searched from its start for every piece of it.
            if not self._more(max(CHUNK, len(self._held) - self._at)):
                found = self._by_tags()
                if found is None:
                    raise FileError(self._line, "the file is cut off, or not well-formed, in this form")
                return found

    def _plain(self, end: int) -> bool:
        """Whether nothing stands in between in which an end tag would be none, or another form's."""
        held, at = self._held, self._at
        # One character is found far faster than two.
        if held.find(b"!", at, end) >= 0 and held.find(b"<!", at, end) >= 0:
            return False
        if held.find(b"?", at, end) >= 0 and held.find(b"<?", at, end) >= 0:
            return False
        return _FORM.search(held, at + 1, end) is None

    def _by_tags(self) -> int | None:
        """The same where comments, CDATA sections, or elements called Form stand within; None: it is not there yet."""
        depth = 0
        piece = self._held[self._at :]
        for tag in tags(piece):
            if tag.opens and not piece[tag.begin : tag.end].endswith(b">"):
                return None
            depth += tag.opens - tag.closes
            if depth == 0:
                return self._at + tag.end
        return None

    def _misc(self) -> None:
        """Pass over white space, comments and processing instructions."""
        while True:
            found = _MISC.match(self._held, self._at)
            self._skip(found.end() if found is not None else self._at)
            left = self._held[self._at : self._at + 4]
            # A comment, an instruction that is not whole yet; or not enough to say what it is.
            begun = left[:2] == b"<?" or left == b"<!--" or (len(left) < 4 and left[:1] in (b"", b"<"))
            if not begun:
                return
            if len(self._held) - self._at > MAX_ONLINE:
                raise FileError(self._line, "a comment of more than 1 MiB, or one that is not closed")
            if not self._more():
                if left[:2] == b"<?" or left == b"<!--":
                    raise FileError(self._line, "a comment, or an instruction, is not closed")
                return

    def _more(self, count: int = CHUNK) -> bool:
        """Read on; what was passed over is let go."""
        found = self._read(count)
        if not found:
            return False
        self._held = self._held[self._at :] + found
        self._at = 0
        return True

    def _skip(self, to: int) -> None:
        self._line += self._held.count(b"\n", self._at, to)
        self._at = to
