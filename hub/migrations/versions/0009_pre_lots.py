"""Lots of consultations, and questions whose answer comes later."""

from alembic import op

revision = "0009"
down_revision = "0008"

_KINDS = "('decision', 'outcome', 'resumed', 'repeated', 'other', 'busy', 'intermediate')"


def upgrade() -> None:
    op.execute("ALTER TABLE journal DROP CONSTRAINT journal_kind_check")
    # What is there keeps to it: it was fewer kinds. Held against new rows alone, so that no row is read for it.
    op.execute(f"ALTER TABLE journal ADD CONSTRAINT journal_kind_check CHECK (kind IN {_KINDS}) NOT VALID")
    op.execute("""
        CREATE TABLE lot (
            ticket_cbss uuid PRIMARY KEY,
            lot uuid NOT NULL,
            customer text NOT NULL,
            sequence bigint NOT NULL,
            count integer NOT NULL,
            service text NOT NULL,
            opened timestamptz NOT NULL,
            closed timestamptz,
            totals jsonb,
            UNIQUE (customer, sequence),
            UNIQUE (lot, customer)
        )""")
    op.execute("COMMENT ON TABLE lot IS 'Vouchers; what a lot holds is known by its tickets'")
    op.execute("""
        CREATE TABLE open_question (
            ticket_cbss uuid PRIMARY KEY,
            supplier text NOT NULL,
            service text NOT NULL,
            customer text NOT NULL,
            reply_to text NOT NULL,
            correlation_id text,
            ticket text NOT NULL,
            person bytea,
            without text[] NOT NULL,
            online text[] NOT NULL,
            received timestamptz NOT NULL,
            asked timestamptz,
            expires timestamptz NOT NULL,
            passed_on timestamptz,
            answered timestamptz,
            answer_sha256 bytea,
            told timestamptz
        )""")
    op.execute("""
        COMMENT ON TABLE open_question IS
        'Questions that are answered later: where the answer goes, and what it is held against; no content'""")
    op.execute("CREATE INDEX open_question_expires ON open_question (expires) WHERE told IS NULL")
