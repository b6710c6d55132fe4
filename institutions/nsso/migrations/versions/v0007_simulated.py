"""What a simulated file did to periods, until it is done; and what was told loses its bytes."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE simulated (LIKE period, sender text NOT NULL, file text NOT NULL);
ALTER TABLE simulated
    DROP COLUMN version, DROP COLUMN ticket, DROP COLUMN known_from, DROP COLUMN known_to,
    ADD PRIMARY KEY (sender, file, id);
CREATE INDEX simulated_person ON simulated (sender, file, person);
COMMENT ON TABLE simulated IS 'Periods as a simulated file left them: before those of period they count for it alone';
CREATE INDEX outgoing_kept ON outgoing (told) WHERE body <> '';
COMMENT ON TABLE outgoing IS 'What senders are told unasked, once a reference; its bytes go 30 days later';
"""


def upgrade() -> None:
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("DROP INDEX outgoing_kept")
    op.execute("DROP TABLE simulated")
