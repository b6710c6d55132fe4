"""What was declared is kept as it came: which form, and its bytes."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE declaration ADD COLUMN form text, ADD COLUMN body bytea")
    op.execute("COMMENT ON COLUMN declaration.form IS 'Name of the form; none: of who declared before it was kept'")
    op.execute("COMMENT ON COLUMN declaration.body IS 'The message as it was handed in; none: as of form'")


def downgrade() -> None:
    op.execute("ALTER TABLE declaration DROP COLUMN form, DROP COLUMN body")
