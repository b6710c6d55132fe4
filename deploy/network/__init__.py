"""The reference network of Belgium, as rules files that `crossroads repertory load` reads, and its senders."""

from pathlib import Path

SENDERS: Path = Path(__file__).parent / "senders.toml"
"""Who hands in declarations to the NSSO, and for which employers: `crossroads nsso load` reads it."""

FILES: tuple[Path, ...] = tuple(sorted(set(Path(__file__).parent.glob("*.toml")) - {SENDERS}))
"""Register, availability, authorisations, distributions."""
