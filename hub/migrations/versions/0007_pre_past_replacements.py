"""Replaced numbers among what is no longer believed: a past decision is told again without reading the whole table."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("""
        CREATE INDEX person_past_replaced_by ON person (replaced_by)
        WHERE known_to < 'infinity' AND replaced_by IS NOT NULL""")
