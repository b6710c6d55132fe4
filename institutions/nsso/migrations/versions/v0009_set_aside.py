"""What cannot be told is set aside: one answer, or one file, and not all of its sender's."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("outgoing", "file"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN aside text")
        op.execute(f"COMMENT ON COLUMN {table}.aside IS 'Why our code cannot tell it; the next process tries again'")


def downgrade() -> None:
    for table in ("outgoing", "file"):
        op.execute(f"ALTER TABLE {table} DROP COLUMN aside")
