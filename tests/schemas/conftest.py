"""The official lists lie beside the working tree, not in it: their tests are collected where they do."""

from pathlib import Path

FACTS = Path(__file__).parents[3] / "shared" / "facts"

collect_ignore = (
    []
    if FACTS.is_dir()
    else [
        "test_official_declarations.py",
        "test_official_lists.py",
        "test_official_ssdn.py",
        "test_official_structures.py",
    ]
)
