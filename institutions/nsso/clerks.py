"""Which forms are handled alone, each in a transaction of its own, and by whom."""

from collections.abc import Mapping

from institutions.nsso.clerk import Clerk
from institutions.nsso.dmfa.clerk import OriginalClerk, UpdateClerk

#: By root, which is also the name of the form. Others that are taken are handled in groups (`reading_form.GROUPED`).
CLERKS: Mapping[str, Clerk] = {"DmfAOriginal": OriginalClerk(), "DmfAUpdate": UpdateClerk()}
