"""xmlschema as a second opinion: stricter than libxml2 about schemas, and slow."""

from functools import cache

import xmlschema

from schemas.declarations.form import Release


@cache
def strictly(release: Release) -> xmlschema.XMLSchema10:
    """A release's schema, compiled strictly, once a run."""
    return xmlschema.XMLSchema10(str(release.folder / release.schema), validation="strict")
