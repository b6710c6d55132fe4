"""Indexes for questions that are forgotten by their age, and for the answers to mutations of flow Z that lack."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("CREATE INDEX open_question_known ON open_question (expires)")
    op.execute("ALTER TABLE delivery ADD COLUMN awaited boolean")
    op.execute("COMMENT ON COLUMN delivery.awaited IS 'Its recipient has to answer yet; NULL: older than this column'")
    op.execute("CREATE INDEX delivery_awaited ON delivery (ticket_cbss) WHERE awaited IS NOT FALSE")
    op.execute("""
        CREATE FUNCTION distribute_v2(
            p_group uuid, p_at timestamptz, p_entries journal_entry_v1[], p_mutation mutation,
            p_recipients text[], p_entitled text[])
        RETURNS TABLE (result text, recipient text, series uuid, "position" bigint, entitled text, owed bigint)
        LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off
        AS $$
        #variable_conflict use_column
        DECLARE
            v_result text;
        BEGIN
            SELECT w.result INTO v_result FROM journal_write_v1(p_group, p_at, p_entries) w;
            IF v_result = 'decision' THEN
                INSERT INTO mutation SELECT p_mutation.* ON CONFLICT DO NOTHING;
                IF FOUND THEN
                    INSERT INTO recipient (address)
                        SELECT r FROM unnest(p_recipients) r ORDER BY r ON CONFLICT DO NOTHING;
                    -- Everybody locks recipients in this order, and keeps them until the commit: positions have no gap.
                    PERFORM FROM recipient r WHERE r.address = ANY (p_recipients) ORDER BY r.address FOR UPDATE;
                    UPDATE recipient r SET last = r.last + 1 WHERE r.address = ANY (p_recipients);
                    INSERT INTO delivery (recipient, position, ticket_cbss, entitled, awaited)
                        SELECT r.address, r.last, p_mutation.ticket_cbss, g.entitled, p_mutation.flow = 'Z'
                        FROM unnest(p_recipients, p_entitled) AS g (address, entitled)
                        JOIN recipient r ON r.address = g.address;
                END IF;
            END IF;
            RETURN QUERY
                SELECT v_result, d.recipient, r.series, d.position, d.entitled,
                       CASE WHEN r.owed_from <= d.position THEN r.owed_from END
                FROM (SELECT 1) always
                LEFT JOIN (delivery d JOIN recipient r ON r.address = d.recipient)
                    ON d.ticket_cbss = p_mutation.ticket_cbss AND v_result <> 'other'
                ORDER BY d.recipient;
        END $$""")
