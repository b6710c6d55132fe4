"""What members are told: their positions, and words until their queues have them; who answered."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE member_recipient (
            address text PRIMARY KEY,
            series uuid NOT NULL DEFAULT gen_random_uuid(),
            last bigint NOT NULL DEFAULT 0
        )
        """
    )
    op.execute(
        """
        CREATE TABLE member_word (
            recipient text NOT NULL,
            position bigint NOT NULL,
            at timestamptz NOT NULL DEFAULT clock_timestamp(),
            ticket_cbss uuid NOT NULL,
            origin bigint NOT NULL,
            service text NOT NULL,
            flow text NOT NULL,
            entitled text NOT NULL,
            body bytea,
            answered timestamptz,
            found boolean,
            answer bytea,
            PRIMARY KEY (recipient, position)
        )
        """
    )
    op.execute("COMMENT ON COLUMN member_word.origin IS 'Its position among the words of this institution'")
    op.execute("COMMENT ON COLUMN member_word.body IS 'Until the member''s queue has it'")
    op.execute("COMMENT ON COLUMN member_word.answer IS 'A definitive answer, until the hub has this institution''s'")
    op.execute("CREATE UNIQUE INDEX member_word_ticket ON member_word (ticket_cbss, recipient)")
    op.execute("CREATE INDEX member_word_untold ON member_word (recipient, position) WHERE body IS NOT NULL")
    op.execute("CREATE INDEX member_word_at ON member_word (at)")


def downgrade() -> None:
    op.execute("DROP TABLE member_word")
    op.execute("DROP TABLE member_recipient")
