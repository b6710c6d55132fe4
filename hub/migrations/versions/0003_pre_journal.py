"""The journal: append-only, by month; the tickets that were used; and what finds a person's rows."""

from alembic import op

revision = "0003"
down_revision = "0002"

#: A row as a hub writes it; the columns of the journal, and what belongs to ticket and person.
_ENTRY = """
    kind text,
    ticket_cbss uuid,
    claim uuid,
    hub text,
    sender text,
    customer text,
    program text,
    ticket text,
    service text,
    legal_context text,
    quality smallint,
    authorisation text,
    authorisation_version integer,
    verdict text,
    value text,
    code text,
    suppliers text[],
    filtered text[],
    silent text[],
    received timestamptz,
    replied timestamptz,
    request_sha256 bytea,
    answer_sha256 bytea,
    keep interval,
    key_id text,
    person bytea,
    end_user bytea
"""


def upgrade() -> None:
    _tables()
    _append_only()
    _partitions()
    op.execute(f"CREATE TYPE journal_entry_v1 AS ({_ENTRY})")
    _write()


def _tables() -> None:
    op.execute("CREATE SEQUENCE journal_number")
    op.execute("""
        CREATE TABLE journal (
            number bigint NOT NULL,
            at timestamptz NOT NULL,
            kind text NOT NULL CHECK (kind IN ('decision', 'outcome', 'resumed', 'repeated', 'other', 'busy')),
            ticket_cbss uuid NOT NULL,
            hub text NOT NULL,
            sender text,
            customer text,
            program text,
            ticket text,
            service text,
            legal_context text,
            quality smallint,
            authorisation text,
            authorisation_version integer,
            verdict text CHECK (verdict IN ('admitted', 'refused')),
            value text,
            code text,
            suppliers text[],
            filtered text[],
            silent text[],
            received timestamptz,
            replied timestamptz,
            request_sha256 bytea,
            answer_sha256 bytea,
            previous bytea,
            digest bytea,
            PRIMARY KEY (at, number)
        ) PARTITION BY RANGE (at)""")
    op.execute("COMMENT ON COLUMN journal.previous IS 'Place for the chain of hashes: digest of the row before'")
    op.execute("CREATE INDEX journal_ticket ON journal (ticket_cbss)")
    op.execute("""
        CREATE TABLE journal_person (
            at timestamptz NOT NULL,
            number bigint NOT NULL,
            role text NOT NULL CHECK (role IN ('asked', 'user')),
            key_id text NOT NULL,
            hash bytea NOT NULL,
            PRIMARY KEY (at, number, role)
        ) PARTITION BY RANGE (at)""")
    op.execute(
        "COMMENT ON TABLE journal_person IS 'Keyed hash of the person asked about and of the end user; no number'"
    )
    op.execute("CREATE INDEX journal_person_hash ON journal_person (hash)")
    op.execute("""
        CREATE TABLE ticket (
            ticket_cbss uuid PRIMARY KEY,
            request_sha256 bytea NOT NULL,
            claim uuid NOT NULL,
            claimed_in uuid NOT NULL,
            decided timestamptz NOT NULL,
            expires timestamptz NOT NULL,
            verdict text NOT NULL,
            code text,
            suppliers text[] NOT NULL,
            told timestamptz,
            told_claim uuid,
            told_in uuid,
            told_value text,
            told_code text
        ) WITH (fillfactor = 50)""")  # each is changed once, when its outcome is told: in its own page, and no index
    op.execute("COMMENT ON COLUMN ticket.claimed_in IS 'The group of rows that first brought it'")
    op.execute("CREATE INDEX ticket_expires ON ticket (expires)")
    op.execute("CREATE TABLE journal_group (id uuid PRIMARY KEY, at timestamptz NOT NULL)")
    op.execute("""
        COMMENT ON TABLE journal_group IS
        'Committed groups of rows: a hub whose connection broke while it committed asks again under the same id'""")
    op.execute("CREATE INDEX journal_group_at ON journal_group (at)")


def _append_only() -> None:
    op.execute("""
        CREATE FUNCTION journal_append_only_v1() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'the journal is append-only: % refused', lower(TG_OP)
            USING HINT = 'Write a row that says what is right now; the old one stays.', ERRCODE = 'restrict_violation';
        END $$""")
    op.execute("""
        CREATE TRIGGER journal_append_only BEFORE UPDATE OR DELETE ON journal
        FOR EACH ROW EXECUTE FUNCTION journal_append_only_v1()""")
    op.execute("""
        CREATE TRIGGER journal_not_emptied BEFORE TRUNCATE ON journal
        FOR EACH STATEMENT EXECUTE FUNCTION journal_append_only_v1()""")


def _partitions() -> None:
    # Attached, not made in place: that takes no lock which a row on its way would wait for.
    op.execute("""
        CREATE FUNCTION journal_partitions_v1(p_from timestamptz, p_months integer) RETURNS integer
        LANGUAGE plpgsql AS $$
        DECLARE
            v_month timestamp := date_trunc('month', p_from AT TIME ZONE 'UTC');
            v_parent text;
            v_name text;
            v_made integer := 0;
        BEGIN
            PERFORM pg_advisory_xact_lock(-2);
            FOR v_step IN 0..p_months LOOP
                FOREACH v_parent IN ARRAY ARRAY['journal', 'journal_person'] LOOP
                    v_name := v_parent || to_char(v_month, '_YYYY_MM');
                    CONTINUE WHEN to_regclass(v_name) IS NOT NULL;
                    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING CONSTRAINTS)', v_name, v_parent);
                    IF v_parent = 'journal' THEN
                        EXECUTE format('CREATE TRIGGER journal_not_emptied BEFORE TRUNCATE ON %I FOR EACH STATEMENT '
                                       'EXECUTE FUNCTION journal_append_only_v1()', v_name);
                    END IF;
                    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', v_parent, v_name,
                                   v_month AT TIME ZONE 'UTC', (v_month + interval '1 month') AT TIME ZONE 'UTC');
                    v_made := v_made + 1;
                END LOOP;
                v_month := v_month + interval '1 month';
            END LOOP;
            RETURN v_made;
        END $$""")
    op.execute("SELECT journal_partitions_v1(now(), 3)")


def _write() -> None:
    op.execute("""
        CREATE FUNCTION journal_write_v1(p_group uuid, p_at timestamptz, p_entries journal_entry_v1[])
        RETURNS TABLE (place bigint, result text, verdict text, code text, suppliers text[], decided timestamptz,
                       told_value text, told_code text, told timestamptz)
        LANGUAGE plpgsql
        -- A few rows, always by index: the planner makes its plan when the tables are small, and keeps it.
        SET plan_cache_mode = force_generic_plan SET jit = off
        SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
        AS $$
        #variable_conflict use_column
        DECLARE
            v_at timestamptz := coalesce(p_at, clock_timestamp());
            v_new boolean;
            v_tickets uuid[] := ARRAY(SELECT DISTINCT e.ticket_cbss FROM unnest(p_entries) e);
        BEGIN
            INSERT INTO journal_group (id, at) VALUES (p_group, v_at) ON CONFLICT (id) DO NOTHING;
            v_new := FOUND;
            IF v_new THEN
                -- Everybody locks tickets in the same order, so that two hubs never wait for each other.
                PERFORM FROM ticket t WHERE t.ticket_cbss = ANY(v_tickets) ORDER BY t.ticket_cbss FOR UPDATE;
                INSERT INTO ticket (ticket_cbss, request_sha256, claim, claimed_in, decided, expires,
                                    verdict, code, suppliers)
                    SELECT e.ticket_cbss, e.request_sha256, e.claim, p_group, v_at, v_at + e.keep,
                           e.verdict, e.code, e.suppliers
                    FROM unnest(p_entries) e WHERE e.kind = 'decision' ORDER BY e.ticket_cbss
                    ON CONFLICT (ticket_cbss) DO NOTHING;
            END IF;
            RETURN QUERY
                SELECT e.ordinality,
                       CASE WHEN t.claim = e.claim THEN 'decision'
                            WHEN t.request_sha256 = e.request_sha256 THEN 'resumed' ELSE 'other' END,
                       t.verdict, t.code, t.suppliers, t.decided, t.told_value, t.told_code, t.told
                FROM unnest(p_entries) WITH ORDINALITY e JOIN ticket t ON t.ticket_cbss = e.ticket_cbss
                WHERE e.kind = 'decision';
            IF NOT v_new THEN
                RETURN;
            END IF;
            -- An outcome that comes with its decision names the request; on a ticket with other content it is none.
            UPDATE ticket t SET told = v_at, told_claim = e.claim, told_in = p_group,
                                told_value = e.value, told_code = e.code
                FROM unnest(p_entries) e
                WHERE e.kind = 'outcome' AND t.ticket_cbss = e.ticket_cbss AND t.told_claim IS NULL
                  AND t.request_sha256 = coalesce(e.request_sha256, t.request_sha256);
            WITH sorted AS (
                SELECT e.*, CASE
                    WHEN e.kind = 'decision' THEN CASE
                        WHEN t.claim = e.claim THEN CASE WHEN t.claimed_in = p_group THEN 'decision' END
                        WHEN t.request_sha256 = e.request_sha256 THEN 'resumed'
                        ELSE 'other' END
                    WHEN e.kind = 'outcome' THEN CASE
                        WHEN t.request_sha256 <> e.request_sha256 THEN NULL
                        WHEN t.told_claim = e.claim THEN CASE WHEN t.told_in = p_group THEN 'outcome' END
                        WHEN t.ticket_cbss IS NULL AND NOT EXISTS (
                            SELECT FROM journal j WHERE j.ticket_cbss = e.ticket_cbss AND j.kind = 'outcome')
                        THEN 'outcome'
                        ELSE 'repeated' END
                    ELSE e.kind END AS becomes
                FROM unnest(p_entries) WITH ORDINALITY e LEFT JOIN ticket t ON t.ticket_cbss = e.ticket_cbss
            ), numbered AS MATERIALIZED (
                SELECT nextval('journal_number') AS number, s.* FROM
                    (SELECT * FROM sorted WHERE becomes IS NOT NULL ORDER BY ordinality) s
            ), written AS (
                INSERT INTO journal (number, at, kind, ticket_cbss, hub, sender, customer, program, ticket, service,
                        legal_context, quality, authorisation, authorisation_version, verdict, value, code, suppliers,
                        filtered, silent, received, replied, request_sha256, answer_sha256)
                    SELECT number, v_at, becomes, ticket_cbss, hub, sender, customer, program, ticket, service,
                        legal_context, quality, authorisation, authorisation_version,
                        CASE becomes WHEN 'other' THEN 'refused' ELSE verdict END, value,
                        CASE becomes WHEN 'other' THEN coalesce(code, 'CRB00009') ELSE code END, suppliers,
                        filtered, silent, received, replied, request_sha256, answer_sha256
                    FROM numbered
            )
            INSERT INTO journal_person (at, number, role, key_id, hash)
                SELECT v_at, number, 'asked', key_id, person FROM numbered WHERE person IS NOT NULL
                UNION ALL
                SELECT v_at, number, 'user', key_id, end_user FROM numbered WHERE end_user IS NOT NULL;
        END $$""")
