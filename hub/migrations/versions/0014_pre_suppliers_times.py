"""How long each supplier took, beside the outcome; and operators' acts by index."""

from alembic import op
from sqlalchemy import text

revision = "0014"
down_revision = "0013"


#: What a row has more, in the type and in the function that writes it.
_MORE = "asked, took_ms"


def upgrade() -> None:
    # Without values, so that no row is read for it.
    op.execute("ALTER TABLE journal ADD COLUMN asked timestamptz, ADD COLUMN took_ms integer[]")
    op.execute("COMMENT ON COLUMN journal.asked IS 'When the first question left'")
    op.execute(
        "COMMENT ON COLUMN journal.took_ms IS 'Until the reply of each of the suppliers was there; NULL: it was silent'"
    )
    _entry()
    # The functions as they are, over the new rows. The old ones stay, for hubs that run beside.
    _again(
        "journal_write_v1",
        ("journal_write_v1", "journal_write_v2"),
        ("journal_entry_v1", "journal_entry_v2"),
        (
            "filtered, silent, received, replied, request_sha256, answer_sha256)",
            f"filtered, silent, received, replied, request_sha256, answer_sha256, {_MORE})",
        ),
        (
            "filtered, silent, received, replied, request_sha256, answer_sha256\n",
            f"filtered, silent, received, replied, request_sha256, answer_sha256, {_MORE}\n",
        ),
    )
    _again(
        "distribute_v2",
        ("distribute_v2", "distribute_v3"),
        ("journal_entry_v1", "journal_entry_v2"),
        ("journal_write_v1", "journal_write_v2"),
    )
    _acts()


def _entry() -> None:
    """The row that a hub writes, with the two columns behind the others."""
    op.execute("""
        DO $$
        DECLARE
            v_columns text;
        BEGIN
            SELECT string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum)
                INTO v_columns FROM pg_attribute WHERE attrelid = 'journal_entry_v1'::regclass AND attnum > 0;
            EXECUTE format('CREATE TYPE journal_entry_v2 AS (%s, asked timestamptz, took_ms integer[])', v_columns);
        END $$""")


def _again(function: str, *changes: tuple[str, str]) -> None:
    """A function once more, with these changes of its text."""
    found: str = (
        op.get_bind()
        .execute(text("SELECT pg_get_functiondef(CAST(:name AS regproc))"), {"name": function})
        .scalar_one()
    )
    for old, new in changes:
        if old not in found:
            raise RuntimeError(f"{function} is not as it was made: {old!r} is missing")
        found = found.replace(old, new)
    op.get_bind().exec_driver_sql(found)


def _acts() -> None:
    # A month that has rows already is read through instead: to make an index of it would hold up every commit.
    op.execute("""
        CREATE INDEX journal_acts ON ONLY journal (at, number)
        WHERE kind = 'decision' AND sender = '25-0' AND (service LIKE 'Operator%' OR service = 'ExplainDecision/1')""")
    op.execute("""
        DO $$
        DECLARE
            v_month regclass;
            v_any boolean;
        BEGIN
            FOR v_month IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'journal'::regclass LOOP
                EXECUTE format('SELECT EXISTS (SELECT FROM %s)', v_month) INTO v_any;
                CONTINUE WHEN v_any;
                EXECUTE format($i$CREATE INDEX ON %s (at, number) WHERE kind = 'decision' AND sender = '25-0'
                               AND (service LIKE 'Operator%%' OR service = 'ExplainDecision/1')$i$, v_month);
            END LOOP;
        END $$""")
