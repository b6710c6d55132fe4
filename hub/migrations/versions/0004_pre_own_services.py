"""Services that the hub itself answers: an authorisation for one of them names no suppliers."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("ALTER TABLE authorisation DROP CONSTRAINT authorisation_suppliers_check")
