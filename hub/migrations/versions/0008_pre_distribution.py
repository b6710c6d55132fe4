"""Distribution: the columns of its rules, who was told what under which position, what mutations registered."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("ALTER TABLE availability ADD COLUMN mode text NOT NULL DEFAULT 'online'")
    op.execute("ALTER TABLE authorisation ADD COLUMN integrate smallint")
    # Rows that were loaded before led to nothing: what they stood on is not known.
    op.execute("""
        ALTER TABLE distribution
            DROP CONSTRAINT distribution_qualities_check,
            ADD COLUMN everybody boolean NOT NULL DEFAULT false,
            ADD COLUMN codes text[] NOT NULL DEFAULT '{}',
            ADD COLUMN dossiers text NOT NULL DEFAULT 'active',
            ADD COLUMN integrate smallint,
            ADD COLUMN deliberation_number text NOT NULL DEFAULT '',
            ADD COLUMN deliberation_date date NOT NULL DEFAULT '-infinity',
            ADD COLUMN deliberation_changes date[] NOT NULL DEFAULT '{}',
            ADD COLUMN valid_from date NOT NULL DEFAULT '-infinity',
            ADD COLUMN valid_to date,
            ADD CHECK (everybody = (cardinality(qualities) = 0))""")
    op.execute("""
        CREATE TABLE recipient (
            address text PRIMARY KEY,
            series uuid NOT NULL DEFAULT gen_random_uuid(),
            last bigint NOT NULL DEFAULT 0,
            owed_from bigint,
            asked timestamptz
        )""")
    op.execute("COMMENT ON COLUMN recipient.last IS 'The newest position that was given; none is left out'")
    op.execute("COMMENT ON COLUMN recipient.owed_from IS 'From here on nothing is published: it catches up'")
    op.execute("""
        CREATE TABLE mutation (
            ticket_cbss uuid PRIMARY KEY,
            at timestamptz NOT NULL,
            sender text NOT NULL,
            owner text NOT NULL,
            correlation_id text,
            ticket text NOT NULL,
            service text NOT NULL,
            flow text NOT NULL,
            action text NOT NULL,
            code text,
            key_id text NOT NULL,
            reference bytea NOT NULL,
            person bytea NOT NULL,
            sha256 bytea NOT NULL,
            value text NOT NULL,
            answer_code text NOT NULL,
            missing text[] NOT NULL
        )""")
    op.execute("""
        COMMENT ON TABLE mutation IS
        'What was passed on, without its content; reference and person as keyed hashes. Kept 100 days'""")
    op.execute("COMMENT ON COLUMN mutation.missing IS 'Destinations that were named and may not be told'")
    op.execute("CREATE INDEX mutation_reference ON mutation (reference)")
    op.execute("CREATE INDEX mutation_at ON mutation (at)")
    op.execute("""
        CREATE TABLE delivery (
            recipient text NOT NULL,
            position bigint NOT NULL,
            ticket_cbss uuid NOT NULL REFERENCES mutation ON DELETE CASCADE,
            entitled text NOT NULL,
            answered timestamptz,
            answer_code text,
            answer_sha256 bytea,
            silent_since timestamptz,
            PRIMARY KEY (recipient, position),
            UNIQUE (ticket_cbss, recipient)
        )""")
    op.execute("""
        COMMENT ON TABLE delivery IS
        'The position that a mutation has among those of a recipient, and the rows by which it was told'""")
    op.execute("""
        CREATE TABLE mutation_integration (
            ticket_cbss uuid NOT NULL,
            at timestamptz NOT NULL,
            reference bytea NOT NULL,
            person bytea NOT NULL,
            sector smallint NOT NULL,
            type smallint NOT NULL,
            quality smallint NOT NULL,
            wanted_from date NOT NULL,
            wanted_to date,
            made_from date[] NOT NULL,
            made_to date[] NOT NULL,
            withdrawn timestamptz
        )""")
    op.execute("""
        COMMENT ON TABLE mutation_integration IS
        'Days that a mutation wanted a person to be known at a sector and type, and those of them that it added'""")
    op.execute("CREATE INDEX mutation_integration_person ON mutation_integration (person) WHERE withdrawn IS NULL")
    op.execute(
        "CREATE INDEX mutation_integration_reference ON mutation_integration (reference) WHERE withdrawn IS NULL"
    )
    op.execute("CREATE INDEX mutation_integration_ticket ON mutation_integration (ticket_cbss)")
    op.execute("CREATE INDEX mutation_integration_withdrawn ON mutation_integration (withdrawn)")
    op.execute("""
        CREATE FUNCTION distribute_v1(
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
                    INSERT INTO delivery (recipient, position, ticket_cbss, entitled)
                        SELECT r.address, r.last, p_mutation.ticket_cbss, g.entitled
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
