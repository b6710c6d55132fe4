"""What institutions are still to be told of what happened, and what they were told."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE outbox (
            number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            ticket_cbss uuid NOT NULL,
            recipient text NOT NULL,
            service text NOT NULL,
            body bytea,
            at timestamptz NOT NULL,
            told timestamptz,
            UNIQUE (ticket_cbss, recipient),
            CHECK (told IS NOT NULL OR body IS NOT NULL)
        )""")
    op.execute("""
        COMMENT ON TABLE outbox IS
        'Words to institutions, in the order in which each gets them; without its body once it was told'""")
    op.execute("CREATE INDEX outbox_untold ON outbox (recipient, number) WHERE told IS NULL")
