"""DmfAs in all their versions, block by block, and why one was refused as a whole."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TABLES = """
ALTER TABLE declaration ADD COLUMN diagnosis integer[] NOT NULL DEFAULT '{}';

CREATE SEQUENCE dmfa_number START 20000001 MAXVALUE 49999999999;

CREATE TABLE dmfa (
    version bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pid bigint NOT NULL,
    environment text NOT NULL,
    employer text NOT NULL,
    company text,
    quarter integer NOT NULL,
    content jsonb NOT NULL,
    sender text NOT NULL,
    ticket text NOT NULL,
    known_from timestamptz NOT NULL,
    known_to timestamptz,
    CHECK (known_to >= known_from)
);
COMMENT ON TABLE dmfa IS 'Quarters that employers declared';
COMMENT ON COLUMN dmfa.pid IS 'EmployerDeclarationPID';
COMMENT ON COLUMN dmfa.quarter IS 'As declarations write it, 20263';
COMMENT ON COLUMN dmfa.ticket IS 'Of the declaration or update that made this version; its sender';
CREATE UNIQUE INDEX dmfa_quarter ON dmfa (environment, employer, quarter) WHERE known_to IS NULL;
CREATE INDEX dmfa_pid ON dmfa (pid);

CREATE TABLE dmfa_natural_person (
    environment text NOT NULL,
    ssin bigint NOT NULL,
    pid bigint NOT NULL,
    PRIMARY KEY (environment, ssin),
    UNIQUE (environment, pid)
);
COMMENT ON TABLE dmfa_natural_person IS 'NaturalPersonPID of each person, drawn: it does not tell since when';

CREATE TABLE dmfa_person (
    pid bigint NOT NULL,
    version integer NOT NULL,
    dmfa bigint NOT NULL,
    natural_person bigint NOT NULL,
    ssin bigint,
    content jsonb NOT NULL,
    known_from timestamptz NOT NULL,
    known_to timestamptz,
    PRIMARY KEY (pid, version),
    CHECK (known_to >= known_from)
);
COMMENT ON COLUMN dmfa_person.pid IS 'DeclNaturalPersonPID';
CREATE INDEX dmfa_person_dmfa ON dmfa_person (dmfa);
CREATE INDEX dmfa_person_ssin ON dmfa_person (ssin) WHERE known_to IS NULL;

CREATE TABLE dmfa_record (
    id bigint NOT NULL,
    version integer NOT NULL,
    dmfa bigint NOT NULL,
    person bigint NOT NULL,
    employer_class text NOT NULL,
    worker_code text NOT NULL,
    content jsonb NOT NULL,
    known_from timestamptz NOT NULL,
    known_to timestamptz,
    PRIMARY KEY (id, version),
    CHECK (known_to >= known_from)
);
CREATE UNIQUE INDEX dmfa_record_key ON dmfa_record (person, employer_class, worker_code) WHERE known_to IS NULL;
CREATE INDEX dmfa_record_dmfa ON dmfa_record (dmfa);

CREATE TABLE dmfa_occupation (
    record bigint NOT NULL,
    number integer NOT NULL,
    version integer NOT NULL,
    dmfa bigint NOT NULL,
    content jsonb NOT NULL,
    known_from timestamptz NOT NULL,
    known_to timestamptz,
    CHECK (known_to >= known_from)
);
CREATE UNIQUE INDEX dmfa_occupation_number ON dmfa_occupation (record, number) WHERE known_to IS NULL;
CREATE INDEX dmfa_occupation_dmfa ON dmfa_occupation (dmfa);

CREATE TABLE dmfa_other (
    dmfa bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('unrelated', 'vehicle')),
    key text NOT NULL,
    version integer NOT NULL,
    content jsonb NOT NULL,
    known_from timestamptz NOT NULL,
    known_to timestamptz,
    PRIMARY KEY (dmfa, kind, key, version),
    CHECK (known_to >= known_from)
);
COMMENT ON TABLE dmfa_other IS 'What is of nobody in particular: contributions by class and code, vehicles by sequence'
"""


def upgrade() -> None:
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE dmfa_other, dmfa_occupation, dmfa_record, dmfa_person, dmfa_natural_person, dmfa")
    op.execute("DROP SEQUENCE dmfa_number")
    op.execute("ALTER TABLE declaration DROP COLUMN diagnosis")
