"""All versions of a period are found by its id."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX period_versions ON period (id, version)")


def downgrade() -> None:
    op.execute("DROP INDEX period_versions")
