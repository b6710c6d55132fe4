"""How long each supplier took, beside the outcome; and operators' acts by index."""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    _acts()


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
