"""Members, and who of them knows whom."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE member (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            address text NOT NULL CHECK (address ~ '^[0-9]{1,3}-[0-9]{1,3}-[0-9]{10}$'),
            name text NOT NULL,
            active boolean NOT NULL,
            rate integer NOT NULL CHECK (rate > 0),
            known_from timestamptz NOT NULL DEFAULT now(),
            known_to timestamptz CHECK (known_to >= known_from)
        )
        """
    )
    op.execute("CREATE UNIQUE INDEX member_known ON member (address) WHERE known_to IS NULL")
    op.execute(
        """
        CREATE TABLE integration (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            ssin bigint NOT NULL,
            member text NOT NULL,
            sector smallint NOT NULL,
            type smallint NOT NULL,
            quality smallint NOT NULL,
            phase smallint,
            valid_from date NOT NULL,
            valid_to date CHECK (valid_to >= valid_from),
            replaced_by bigint,
            source text NOT NULL,
            known_from timestamptz NOT NULL DEFAULT now(),
            known_to timestamptz CHECK (known_to >= known_from)
        )
        """
    )
    op.execute("CREATE INDEX integration_ssin ON integration (ssin) WHERE known_to IS NULL")
    op.execute(
        "CREATE INDEX integration_replaced_by ON integration (replaced_by)"
        " WHERE known_to IS NULL AND replaced_by IS NOT NULL"
    )
    # Without it PostgreSQL takes each number for far rarer or commoner than it is, as persons have about five rows.
    op.execute("ALTER TABLE integration ALTER COLUMN ssin SET (n_distinct = -0.2)")


def downgrade() -> None:
    op.execute("DROP TABLE integration")
    op.execute("DROP TABLE member")
