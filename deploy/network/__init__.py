"""The reference network of Belgium, as rules files that `crossroads repertory load` reads."""

from pathlib import Path

FILES: tuple[Path, ...] = tuple(sorted(Path(__file__).parent.glob("*.toml")))
"""Register, availability, authorisations, distributions."""
