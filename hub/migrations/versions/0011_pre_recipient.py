"""A recipient's row without what nobody wrote."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute("ALTER TABLE recipient DROP COLUMN asked")
