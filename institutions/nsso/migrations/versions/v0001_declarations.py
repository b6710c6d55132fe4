"""Who may declare for whom, what was declared, and the Dimona periods that follow from it."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE sender (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number text NOT NULL,
    name text NOT NULL,
    language text NOT NULL,
    rate integer NOT NULL,
    active boolean NOT NULL,
    source text NOT NULL,
    known_from timestamptz NOT NULL DEFAULT clock_timestamp(),
    known_to timestamptz
);
COMMENT ON TABLE sender IS 'Who hands in declarations';
CREATE UNIQUE INDEX sender_number ON sender (number) WHERE known_to IS NULL;

CREATE TABLE employer (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    nsso text NOT NULL,
    company text,
    valid_from date NOT NULL,
    valid_to date,
    forbidden text NOT NULL DEFAULT '',
    source text NOT NULL,
    known_from timestamptz NOT NULL DEFAULT clock_timestamp(),
    known_to timestamptz,
    CHECK (valid_to >= valid_from)
);
COMMENT ON TABLE employer IS 'The employer repertory, with the worker types that may not be declared';
CREATE UNIQUE INDEX employer_nsso ON employer (nsso) WHERE known_to IS NULL;
CREATE INDEX employer_company ON employer (company) WHERE known_to IS NULL;

CREATE TABLE mandate (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sender text NOT NULL,
    employer text NOT NULL,
    valid_from date NOT NULL,
    valid_to date,
    source text NOT NULL,
    known_from timestamptz NOT NULL DEFAULT clock_timestamp(),
    known_to timestamptz,
    CHECK (valid_to >= valid_from)
);
COMMENT ON TABLE mandate IS 'On which days a sender may declare for an employer';
CREATE INDEX mandate_sender ON mandate (sender, employer) WHERE known_to IS NULL;

CREATE SEQUENCE ticket_counter;
CREATE SEQUENCE period_number START 6100000000 MAXVALUE 9999999999;

CREATE TABLE declaration (
    sender text NOT NULL,
    environment text NOT NULL,
    key text NOT NULL,
    sha256 bytea NOT NULL,
    ticket text NOT NULL,
    result text NOT NULL,
    head jsonb NOT NULL,
    anomalies jsonb NOT NULL,
    impact jsonb,
    file_name text,
    file_ticket text,
    received timestamptz NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (sender, environment, key)
);
COMMENT ON TABLE declaration IS 'Every form that was judged, and what was answered; kept for good';
COMMENT ON COLUMN declaration.at IS 'When it was judged, on the business calendar: the answer says so';

CREATE TABLE period (
    version bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id bigint NOT NULL,
    environment text NOT NULL,
    employer text NOT NULL,
    person bigint NOT NULL,
    ssin bigint,
    said jsonb NOT NULL,
    starting_date date NOT NULL,
    starting_hour text,
    ending_date date,
    ending_hour text,
    planned_hours integer,
    planned_days integer,
    joint_commission text NOT NULL,
    worker_type text NOT NULL,
    sub_entity text,
    using_employer text,
    features text NOT NULL,
    updated timestamptz NOT NULL,
    late boolean NOT NULL,
    error_ids text NOT NULL,
    exceeding integer NOT NULL,
    locked boolean NOT NULL,
    blocked boolean NOT NULL,
    cancelled boolean NOT NULL,
    ticket text,
    known_from timestamptz NOT NULL,
    known_to timestamptz,
    CHECK (ending_date >= starting_date),
    CHECK (known_to >= known_from)
);
COMMENT ON TABLE period IS 'Dimona periods, in all their versions';
COMMENT ON COLUMN period.person IS 'The number by which it is locked: of the person, or of name and birth date';
COMMENT ON COLUMN period.ticket IS 'Of the declaration that made this version; none where an agent did';
CREATE UNIQUE INDEX period_id ON period (id) WHERE known_to IS NULL;
CREATE INDEX period_person ON period (person) WHERE known_to IS NULL;
CREATE INDEX period_employer ON period (employer, id) WHERE known_to IS NULL;
"""


def upgrade() -> None:
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE period, declaration, mandate, employer, sender")
    op.execute("DROP SEQUENCE period_number, ticket_counter")
