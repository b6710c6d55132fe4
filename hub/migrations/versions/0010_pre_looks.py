"""Indexes for questions that are forgotten by their age, and for the answers to mutations of flow Z that lack."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("CREATE INDEX open_question_known ON open_question (expires)")
    op.execute("ALTER TABLE delivery ADD COLUMN awaited boolean")
    op.execute("COMMENT ON COLUMN delivery.awaited IS 'Its recipient has to answer yet; NULL: older than this column'")
    op.execute("CREATE INDEX delivery_awaited ON delivery (ticket_cbss) WHERE awaited IS NOT FALSE")
