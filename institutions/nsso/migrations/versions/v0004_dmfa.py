"""Why a DmfA was refused as a whole."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE declaration ADD COLUMN diagnosis integer[] NOT NULL DEFAULT '{}'")


def downgrade() -> None:
    op.execute("ALTER TABLE declaration DROP COLUMN diagnosis")
