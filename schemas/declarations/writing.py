"""How our own structured messages are written: text that XML can hold, days and hours as the field has them."""

import re
from datetime import date, datetime
from xml.sax.saxutils import escape

from schemas.period import BRUSSELS

#: What no XML 1.0 document may hold.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LOCATION = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="{}.xsd"'


def text(value: str, most: int | None = None) -> str:
    """As content of an element: escaped, what XML cannot hold as `?`, cut behind `most` characters."""
    return escape(_FORBIDDEN.sub("?", value if most is None else value[:most]), {"\r": "&#13;"})


def element(name: str, value: str | int | date | None, most: int | None = None) -> str:
    """An element with this text; nothing where there is none."""
    return "" if value is None else f"<{name}>{text(str(value), most)}</{name}>"


def day(moment: datetime) -> str:
    """The day that an aware moment is of in Belgium, `2026-11-28`."""
    return moment.astimezone(BRUSSELS).date().isoformat()


def hour(moment: datetime) -> str:
    """The time of day in Belgium, to the millisecond, `14:35:00.000`."""
    return moment.astimezone(BRUSSELS).time().isoformat("milliseconds")


def head(identification: str, now: datetime, type_form: str) -> str:
    """How each Form of ours begins; it is an original."""
    return (
        f"<Identification>{identification}</Identification><FormCreationDate>{day(now)}</FormCreationDate>"
        f"<FormCreationHour>{hour(now)}</FormCreationHour><AttestationStatus>0</AttestationStatus>"
        f"<TypeForm>{type_form}</TypeForm>"
    )


def opening(release: str) -> str:
    """XML declaration and the root's start tag of a release, `ACRF_20231`."""
    root = release.rpartition("_")[0]
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} {_LOCATION.format(release)}>'
