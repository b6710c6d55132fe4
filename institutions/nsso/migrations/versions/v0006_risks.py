"""Risks that employers declared, what they anticipated with them, and which forms wait for a recipient's answer."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE risk (
    version bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ticket text NOT NULL,
    environment text NOT NULL,
    employer text NOT NULL,
    company text,
    person bigint NOT NULL,
    identification smallint NOT NULL,
    starts date NOT NULL,
    recovers date,
    forms text NOT NULL,
    resumptions text NOT NULL,
    cancelled boolean NOT NULL,
    made_by text NOT NULL,
    known_from timestamptz NOT NULL,
    known_to timestamptz,
    CHECK (recovers > starts),
    CHECK (known_to >= known_from)
);
COMMENT ON TABLE risk IS 'Social risks of workers, in all their versions';
COMMENT ON COLUMN risk.ticket IS 'Of the form that declared it: the reference under which it is told';
COMMENT ON COLUMN risk.forms IS 'Tickets of who declared and changed it; resumptions: likewise of its end';
CREATE UNIQUE INDEX risk_ticket ON risk (ticket) WHERE known_to IS NULL;
CREATE INDEX risk_person ON risk (person, employer) WHERE known_to IS NULL;

CREATE TABLE anticipated (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    risk text NOT NULL,
    environment text NOT NULL,
    employer text NOT NULL,
    company text,
    person bigint NOT NULL,
    quarter text NOT NULL,
    records jsonb NOT NULL,
    made_by text NOT NULL,
    known_from timestamptz NOT NULL,
    known_to timestamptz,
    CHECK (known_to >= known_from)
);
COMMENT ON TABLE anticipated IS 'Wages and working time declared with a risk, until the DmfA of the quarter comes';
CREATE UNIQUE INDEX anticipated_risk ON anticipated (risk, quarter) WHERE known_to IS NULL;
CREATE INDEX anticipated_person ON anticipated (person) WHERE known_to IS NULL;
CREATE INDEX anticipated_employer ON anticipated (employer, quarter) WHERE known_to IS NULL;

CREATE TABLE risk_told (
    number bigint PRIMARY KEY,
    sender text NOT NULL,
    environment text NOT NULL,
    key text NOT NULL,
    settled boolean NOT NULL DEFAULT false,
    FOREIGN KEY (sender, environment, key) REFERENCES declaration DEFERRABLE INITIALLY DEFERRED
);
COMMENT ON TABLE risk_told IS 'Which form waits for what becomes of an entry of the outbox';
"""


def upgrade() -> None:
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE risk_told, anticipated, risk")
