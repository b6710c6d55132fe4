"""Files on their way with their slices, the certificates they are signed by, and what is told unasked."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLES = """
ALTER TABLE sender ADD COLUMN certificates text NOT NULL DEFAULT '';
COMMENT ON COLUMN sender.certificates IS 'SHA-256 of those its files are signed by, in hexadecimal';

CREATE TABLE file (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sender text NOT NULL,
    transfer text NOT NULL,
    name text NOT NULL,
    go text,
    environment text NOT NULL DEFAULT '',
    form text NOT NULL DEFAULT '',
    parts jsonb NOT NULL DEFAULT '{}',
    bytes bigint NOT NULL DEFAULT 0,
    state text NOT NULL CHECK (state IN ('coming', 'complete', 'accepted', 'done', 'refused', 'cancelled')),
    began timestamptz NOT NULL,
    gone timestamptz,
    received timestamptz,
    ticket text NOT NULL DEFAULT '',
    errors text NOT NULL DEFAULT '',
    forms integer NOT NULL DEFAULT 0,
    done integer NOT NULL DEFAULT 0,
    told integer NOT NULL DEFAULT 0,
    stopped text,
    UNIQUE (sender, transfer),
    CHECK (told <= done AND done <= forms)
);
COMMENT ON TABLE file IS 'Files of declarations, each a sending; its name once a sender, unless it was cancelled';
COMMENT ON COLUMN file.name IS 'Of its go-file, as its slices or its GO told it first';
COMMENT ON COLUMN file.go IS 'What the GO said it is called';
COMMENT ON COLUMN file.gone IS 'When its GO came';
COMMENT ON COLUMN file.parts IS 'By name: bytes announced, their SHA-256, bytes there';
COMMENT ON COLUMN file.done IS 'Forms handled, all up to this ordinal; told: forms whose notifications are confirmed';
COMMENT ON COLUMN file.stopped IS 'Why it does not go on until an operator says so';
CREATE UNIQUE INDEX file_name ON file (sender, name) WHERE state <> 'cancelled';
CREATE INDEX file_open ON file (received, id) WHERE state IN ('coming', 'complete', 'accepted');
CREATE INDEX file_untold ON file (sender, id) WHERE told < done;

CREATE TABLE slice (
    file bigint NOT NULL REFERENCES file,
    name text NOT NULL,
    at bigint NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (file, name, at)
);
COMMENT ON TABLE slice IS 'Bytes of files, until they are done or refused';
ALTER TABLE slice ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE TABLE outgoing (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sender text NOT NULL,
    form text NOT NULL,
    reference text NOT NULL,
    body bytea NOT NULL,
    headers jsonb NOT NULL DEFAULT '{}',
    told timestamptz,
    UNIQUE (sender, form, reference)
);
COMMENT ON TABLE outgoing IS 'What senders are told unasked, once a reference; the bytes go when it is told';
CREATE INDEX outgoing_untold ON outgoing (sender, id) WHERE told IS NULL;
"""


def upgrade() -> None:
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE outgoing, slice, file")
    op.execute("ALTER TABLE sender DROP COLUMN certificates")
