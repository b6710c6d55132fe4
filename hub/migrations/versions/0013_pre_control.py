"""What operators have paused (docs/operators.md, "Levers"), and which hub processes there are."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute("CREATE SEQUENCE control_number")
    op.execute("""
        CREATE TABLE control (
            number bigint PRIMARY KEY DEFAULT nextval('control_number'),
            kind text NOT NULL CHECK (kind IN ('service', 'supplier', 'customer', 'maintenance', 'hub')),
            what text NOT NULL,
            since timestamptz NOT NULL,
            until timestamptz,
            program text,
            reason text,
            ended timestamptz,
            ended_number bigint UNIQUE,
            ended_by text,
            CHECK ((ended IS NULL) = (ended_number IS NULL))
        )""")
    op.execute("COMMENT ON TABLE control IS 'What is and was paused. A row is ended, never deleted'")
    op.execute("""
        COMMENT ON COLUMN control.what IS
        'Name/version of a service, an address, an instance of hub_process; empty: the network'""")
    op.execute("COMMENT ON COLUMN control.until IS 'It ends by itself then; the row is not ended by that'")
    op.execute("""
        COMMENT ON COLUMN control.ended_number IS
        'Of the same sequence as number: the highest of both is the version of what is in force'""")
    op.execute("CREATE UNIQUE INDEX control_one ON control (kind, what) WHERE ended IS NULL")
    op.execute("""
        CREATE TABLE hub_process (
            instance uuid PRIMARY KEY,
            name text NOT NULL,
            url text NOT NULL,
            started timestamptz NOT NULL,
            beat timestamptz NOT NULL,
            ready boolean NOT NULL,
            draining boolean NOT NULL,
            seen bigint NOT NULL,
            settled bigint NOT NULL,
            in_hand bigint NOT NULL,
            services jsonb NOT NULL,
            suppliers jsonb NOT NULL
        ) WITH (fillfactor = 50)""")
    op.execute("COMMENT ON TABLE hub_process IS 'Hub processes; each beats, and is gone when it ended in order'")
    op.execute("COMMENT ON COLUMN hub_process.url IS 'Where it tells health and figures'")
    op.execute("COMMENT ON COLUMN hub_process.seen IS 'Version of control by which it judges'")
    op.execute("COMMENT ON COLUMN hub_process.settled IS 'Version that all it has in hand began under'")
    op.execute("COMMENT ON COLUMN hub_process.services IS 'How many it has in hand by service; suppliers: questions'")
