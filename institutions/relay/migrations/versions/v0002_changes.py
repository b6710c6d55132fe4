"""Which registrations of members were made, so that each is made once."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE change (
            ticket_cbss uuid PRIMARY KEY,
            at timestamptz NOT NULL DEFAULT clock_timestamp()
        )
        """
    )
    op.execute("COMMENT ON TABLE change IS 'Tickets of registrations that were made here: kept 30 days'")
    op.execute("CREATE INDEX change_at ON change (at)")


def downgrade() -> None:
    op.execute("DROP TABLE change")
