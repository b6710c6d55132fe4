"""Numbers that were replaced, who was only named and is looked for, and what was told again."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE replaced_number (
    old bigint PRIMARY KEY,
    newest bigint NOT NULL,
    day date NOT NULL,
    known_from timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (old <> newest)
);
COMMENT ON TABLE replaced_number IS 'Under which number a person is known now, of numbers that were replaced';
CREATE INDEX replaced_number_newest ON replaced_number (newest);

CREATE TABLE identification (
    period bigint PRIMARY KEY,
    due timestamptz NOT NULL,
    outcome text
);
COMMENT ON TABLE identification IS 'Periods whose worker was only named: when to look for him, and what came of it';

CREATE TABLE told_again (
    entry bigint PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE told_again IS 'Numbers in crossroads_outbox of what was refused and told anew';

CREATE INDEX period_unidentified ON period (id)
    WHERE known_to IS NULL AND ssin IS NULL AND NOT cancelled AND environment = 'R';
CREATE UNIQUE INDEX declaration_ticket ON declaration (ticket);
"""


def upgrade() -> None:
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("DROP INDEX declaration_ticket, period_unidentified")
    op.execute("DROP TABLE told_again, identification, replaced_number")
