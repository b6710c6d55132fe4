"""The person repertory, ready for 55 million rows: an SSIN is a bigint, with one small index on it."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE person (
            ssin bigint NOT NULL,
            replaced_by bigint,
            known_from timestamptz NOT NULL,
            known_to timestamptz NOT NULL DEFAULT 'infinity',
            valid_from date NOT NULL,
            valid_to date,
            sector smallint NOT NULL,
            type smallint NOT NULL,
            quality smallint NOT NULL,
            phase smallint,
            CHECK (valid_from <= valid_to),
            CHECK (known_from < known_to)
        )""")
    op.execute("COMMENT ON COLUMN person.valid_to IS 'Last day; NULL: the dossier is open'")
    # Five rows a person: sampled, it came out eleven times too low.
    op.execute("ALTER TABLE person ALTER COLUMN ssin SET (n_distinct = -0.2)")
    # No unique index over the natural key: four times the size, and writers keep it unique under a lock.
    op.execute("CREATE INDEX person_ssin ON person (ssin) WHERE known_to = 'infinity'")
    op.execute("""
        CREATE INDEX person_replaced ON person (ssin) INCLUDE (replaced_by)
        WHERE known_to = 'infinity' AND replaced_by IS NOT NULL""")
    op.execute("""
        CREATE INDEX person_replaced_by ON person (replaced_by) INCLUDE (ssin)
        WHERE known_to = 'infinity' AND replaced_by IS NOT NULL""")
    op.execute("CREATE INDEX person_past ON person (ssin) WHERE known_to < 'infinity'")
