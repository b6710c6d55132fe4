"""How far each file of many integrations has come, so that it goes on where it was cut."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE bulk (
            id uuid PRIMARY KEY,
            sha256 bytea NOT NULL,
            address text NOT NULL,
            what text NOT NULL,
            begun timestamptz NOT NULL,
            changed timestamptz NOT NULL,
            ended timestamptz,
            position bigint NOT NULL DEFAULT 0,
            lines bigint NOT NULL DEFAULT 0,
            refused bigint NOT NULL DEFAULT 0,
            rows_new bigint NOT NULL DEFAULT 0,
            rows_closed bigint NOT NULL DEFAULT 0,
            report_bytes bigint NOT NULL DEFAULT 0
        )""")
    op.execute("""
        COMMENT ON TABLE bulk IS
        'A file of integrations: bytes and lines of it that are done, committed with the rows that they made'""")
    op.execute("CREATE INDEX bulk_file ON bulk (sha256, address, what)")
