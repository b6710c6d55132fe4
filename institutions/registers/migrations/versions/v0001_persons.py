"""Persons whom the National Register does not hold, and their numbers."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE person (
            ssin bigint PRIMARY KEY,
            last_name text NOT NULL,
            first_names text[] NOT NULL,
            gender smallint NOT NULL,
            birth_date text NOT NULL,
            sound text NOT NULL,
            replaced_by bigint,
            replaced_on date,
            ticket_cbss uuid NOT NULL UNIQUE,
            given timestamptz NOT NULL DEFAULT clock_timestamp(),
            CHECK ((replaced_by IS NULL) = (replaced_on IS NULL))
        )
        """
    )
    op.execute("COMMENT ON COLUMN person.ticket_cbss IS 'Under which the number was asked for: one a ticket'")
    op.execute("CREATE INDEX person_sound ON person (sound)")
    op.execute("CREATE INDEX person_replaced_by ON person (replaced_by) WHERE replaced_by IS NOT NULL")


def downgrade() -> None:
    op.execute("DROP TABLE person")
