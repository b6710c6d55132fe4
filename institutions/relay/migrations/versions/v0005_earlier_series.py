"""Series of members' positions that a restore ended: who had some of theirs goes on where they ended."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE member_recipient_earlier (
            address text NOT NULL,
            series uuid NOT NULL,
            last bigint NOT NULL,
            PRIMARY KEY (address, series)
        )""")


def downgrade() -> None:
    op.execute("DROP TABLE member_recipient_earlier")
