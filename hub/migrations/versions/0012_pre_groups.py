"""Many mutations are decided in one statement. `distribute_v1` stays for hubs that run beside."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("""
        CREATE FUNCTION distribute_v2(
            p_group uuid, p_at timestamptz, p_entries journal_entry_v1[], p_mutations mutation[],
            p_places integer[], p_recipients text[], p_entitled text[])
        RETURNS TABLE (place bigint, result text, recipient text, series uuid, "position" bigint, entitled text,
                       owed bigint)
        LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off
        AS $$
        #variable_conflict use_column
        DECLARE
            v_results text[];
            v_new uuid[];
        BEGIN
            -- A decision and its outcome each mutation, in their order.
            SELECT array_agg(w.result ORDER BY w.place) INTO v_results
                FROM journal_write_v1(p_group, p_at, p_entries) w;
            WITH new AS (
                INSERT INTO mutation (ticket_cbss, at, sender, owner, correlation_id, ticket, service, flow, action,
                                      code, key_id, reference, person, sha256, value, answer_code, missing)
                    SELECT m.ticket_cbss, m.at, m.sender, m.owner, m.correlation_id, m.ticket, m.service, m.flow,
                           m.action, m.code, m.key_id, m.reference, m.person, m.sha256, m.value, m.answer_code,
                           m.missing
                    FROM unnest(p_mutations) WITH ORDINALITY m WHERE v_results[m.ordinality] = 'decision'
                    ON CONFLICT DO NOTHING RETURNING ticket_cbss)
            SELECT array_agg(n.ticket_cbss) INTO v_new FROM new n;
            IF v_new IS NOT NULL AND cardinality(p_recipients) > 0 THEN
                INSERT INTO recipient (address)
                    SELECT DISTINCT r FROM unnest(p_recipients) r ORDER BY r ON CONFLICT DO NOTHING;
                -- Everybody locks recipients in this order, and keeps them until the commit: positions have no gap.
                PERFORM FROM recipient r WHERE r.address = ANY (p_recipients) ORDER BY r.address FOR UPDATE;
                WITH told AS (
                    SELECT g.address, g.entitled, (p_mutations[g.place]).ticket_cbss AS ticket_cbss,
                           (p_mutations[g.place]).flow = 'Z' AS awaited,
                           row_number() OVER (PARTITION BY g.address ORDER BY g.place) AS nth
                    FROM unnest(p_places, p_recipients, p_entitled) AS g (place, address, entitled)
                    -- Of two under one ticket the one that was decided alone: the other one's recipients have no right.
                    WHERE (p_mutations[g.place]).ticket_cbss = ANY (v_new) AND v_results[g.place] = 'decision'
                ), given AS (
                    INSERT INTO delivery (recipient, position, ticket_cbss, entitled, awaited)
                        SELECT r.address, r.last + t.nth, t.ticket_cbss, t.entitled, t.awaited
                        FROM told t JOIN recipient r ON r.address = t.address
                )
                UPDATE recipient r SET last = r.last + n.many
                    FROM (SELECT address, count(*) AS many FROM told GROUP BY address) n WHERE r.address = n.address;
            END IF;
            RETURN QUERY
                SELECT m.ordinality, v_results[m.ordinality], d.recipient, r.series, d.position, d.entitled,
                       CASE WHEN r.owed_from <= d.position THEN r.owed_from END
                FROM unnest(p_mutations) WITH ORDINALITY m
                LEFT JOIN (delivery d JOIN recipient r ON r.address = d.recipient)
                    ON d.ticket_cbss = m.ticket_cbss AND v_results[m.ordinality] <> 'other'
                ORDER BY m.ordinality, d.recipient;
        END $$""")
