"""Series of positions that a restore ended: who had some of theirs goes on where they ended."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE recipient_earlier (
            address text NOT NULL,
            series uuid NOT NULL,
            last bigint NOT NULL,
            PRIMARY KEY (address, series)
        )""")
    op.execute("""
        COMMENT ON TABLE recipient_earlier IS
        'Series that a restore ended: up to `last` its positions are those of the recipient''s present one'""")
