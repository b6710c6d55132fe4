"""Questions of the hub that members answer in their own time, and what came first of their answers."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE deferred (
            ticket_cbss uuid PRIMARY KEY,
            correlation_id text NOT NULL,
            service text NOT NULL,
            customer text,
            members text[] NOT NULL,
            body bytea NOT NULL,
            received timestamptz NOT NULL,
            expires timestamptz NOT NULL,
            asked timestamptz
        )
        """
    )
    op.execute("COMMENT ON TABLE deferred IS 'Kept until all members have answered, or their time is over'")
    op.execute("CREATE INDEX deferred_expires ON deferred (expires)")
    op.execute(
        """
        CREATE TABLE part (
            ticket_cbss uuid NOT NULL REFERENCES deferred ON DELETE CASCADE,
            member text NOT NULL,
            body bytea,
            PRIMARY KEY (ticket_cbss, member)
        )
        """
    )
    op.execute("COMMENT ON TABLE part IS 'A member''s answer, as long as its question; without body: none that counts'")


def downgrade() -> None:
    op.execute("DROP TABLE part, deferred")
