"""Who is loaded, and was given no number here, has no ticket."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE person ALTER COLUMN ticket_cbss DROP NOT NULL")


def downgrade() -> None:
    op.execute("ALTER TABLE person ALTER COLUMN ticket_cbss SET NOT NULL")
