"""The declarations' schemas, held against the official samples."""

from pathlib import Path

import pytest
import xmlschema

from schemas.declarations.forms import Forms, shipped
from tests.schemas.conftest import FACTS

SAMPLES = sorted((FACTS.parent / "samples" / "declarations").glob("*.xml"))
FORMS = Forms([shipped()])


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_an_official_sample_is_accepted_by_the_release_it_names(sample: Path) -> None:
    release, violations = FORMS.violations(sample.read_bytes())
    assert violations == ()
    assert sample.stem.startswith(f"{release.form}_{release.valid_from.year}{release.valid_from.number}_")
    strict = xmlschema.XMLSchema10(str(release.folder / release.schema))
    assert strict.is_valid(str(sample), use_location_hints=False)
