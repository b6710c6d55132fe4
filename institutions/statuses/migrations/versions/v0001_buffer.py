"""The buffer of statuses: who has which, and nothing of why."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE secret (
            one boolean PRIMARY KEY DEFAULT true CHECK (one),
            key bytea NOT NULL DEFAULT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
        )
        """
    )
    op.execute("COMMENT ON TABLE secret IS 'Under which sources'' references are hashed'")
    op.execute("INSERT INTO secret DEFAULT VALUES")
    op.execute(
        """
        CREATE TABLE holding (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            ssin bigint NOT NULL,
            status text NOT NULL,
            reference bytea NOT NULL,
            valid_from date NOT NULL,
            valid_to date,
            known_from timestamptz NOT NULL DEFAULT now(),
            known_to timestamptz,
            CHECK (valid_to >= valid_from)
        )
        """
    )
    op.execute("COMMENT ON TABLE holding IS 'The days on which a status holds by one dossier of its source'")
    op.execute("CREATE UNIQUE INDEX holding_reference ON holding (reference, status) WHERE known_to IS NULL")
    op.execute("CREATE INDEX holding_ssin ON holding (ssin) WHERE known_to IS NULL")
    op.execute("CREATE INDEX holding_known_to ON holding (known_to) WHERE known_to IS NOT NULL")
    op.execute(
        """
        CREATE TABLE quarters (
            reference uuid PRIMARY KEY,
            ssin bigint NOT NULL,
            status text NOT NULL,
            first integer NOT NULL,
            last integer,
            CHECK (last >= first)
        )
        """
    )
    op.execute("COMMENT ON TABLE quarters IS 'What is answered and was told: runs of quarters (4 × year + 0 to 3)'")
    op.execute("CREATE INDEX quarters_ssin ON quarters (ssin)")
    op.execute("CREATE INDEX quarters_last ON quarters (last)")
    op.execute(
        """
        CREATE TABLE told (
            reference uuid NOT NULL,
            ticket text NOT NULL,
            because uuid,
            at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    op.execute("COMMENT ON TABLE told IS 'Which message of a source led to which of ours'")
    op.execute("CREATE INDEX told_because ON told (because)")
    op.execute("CREATE INDEX told_at ON told (at)")
    op.execute("CREATE TABLE filled (sha256 bytea PRIMARY KEY, done bigint NOT NULL)")


def downgrade() -> None:
    op.execute("DROP TABLE filled, told, quarters, holding, secret")
