"""The rules: register, availability, authorisation, distribution, each row with its history."""

from alembic import op

revision = "0001"
down_revision = None

# What every table of the rules has. A row is never changed but for `known_to`, set when it is no longer believed.
_HISTORY = """
    id text NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    file text NOT NULL,
    known_from timestamptz NOT NULL,
    known_to timestamptz NOT NULL DEFAULT 'infinity',
    CHECK (known_from < known_to),
    PRIMARY KEY (id, version)
"""


def upgrade() -> None:
    op.execute("""
        CREATE TABLE rules_load (
            number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            at timestamptz NOT NULL,
            files text[] NOT NULL,
            rows_new integer NOT NULL,
            rows_changed integer NOT NULL,
            rows_gone integer NOT NULL
        )""")
    op.execute("COMMENT ON TABLE rules_load IS 'One row a load that changed something; its number is the rules'' own'")
    op.execute(f"""
        CREATE TABLE institution (
            address text NOT NULL,
            cbe text NOT NULL,
            name text NOT NULL,
            managed_by text,
            active boolean NOT NULL,
            rate integer NOT NULL CHECK (rate > 0), {_HISTORY})""")
    op.execute(f"""
        CREATE TABLE availability (
            service text NOT NULL,
            address text NOT NULL,
            quality smallint, {_HISTORY})""")
    op.execute("COMMENT ON COLUMN availability.quality IS 'NULL: of everybody'")
    op.execute(f"""
        CREATE TABLE authorisation (
            customer text NOT NULL,
            legal_context text NOT NULL,
            service text NOT NULL,
            qualities smallint[] NOT NULL CHECK (cardinality(qualities) > 0),
            min_phase smallint,
            suppliers text[] NOT NULL CHECK (cardinality(suppliers) > 0),
            without text[] NOT NULL,
            deliberation_number text NOT NULL,
            deliberation_date date NOT NULL,
            deliberation_changes date[] NOT NULL,
            valid_from date NOT NULL,
            valid_to date CHECK (valid_from <= valid_to), {_HISTORY})""")
    op.execute("COMMENT ON COLUMN authorisation.valid_to IS 'Last day; NULL: no end'")
    op.execute(f"""
        CREATE TABLE distribution (
            service text NOT NULL,
            recipient text NOT NULL,
            qualities smallint[] NOT NULL CHECK (cardinality(qualities) > 0),
            without text[] NOT NULL, {_HISTORY})""")
    for table in ("institution", "availability", "authorisation", "distribution"):
        op.execute(f"CREATE UNIQUE INDEX {table}_now ON {table} (id) WHERE known_to = 'infinity'")
