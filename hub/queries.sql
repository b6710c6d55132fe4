-- Every query of the hub but the migrations. A block begins with `-- name --`, then a line or more of description.

-- rules_number --
-- The number of the newest load of rules; 0 before the first.
SELECT coalesce(max(number), 0) FROM rules_load

-- rules_number_at --
-- The number of the load that was the newest at a moment.
SELECT coalesce(max(number), 0) FROM rules_load WHERE at <= $1

-- rules_load_at --
-- The load that was the newest at a moment.
SELECT number, at FROM rules_load WHERE at <= $1 ORDER BY number DESC LIMIT 1

-- rules_lock --
-- Only one load at a time; $1 is the lock. The moment that its rows are known from, once it has the lock.
SELECT clock_timestamp() FROM pg_advisory_xact_lock($1)

-- rules_loaded --
-- Note a load and tell the hubs. Seen by them when it commits.
WITH load AS (
    INSERT INTO rules_load (at, files, rows_new, rows_changed, rows_gone) VALUES ($1, $2, $3, $4, $5) RETURNING number
) SELECT number, pg_notify('crossroads_rules', number::text) FROM load

-- person_rows --
-- Rows of many persons at once, and those of quality 999 that speak of numbers which these replaced.
SELECT p.ssin AS asked, p.ssin, p.sector, p.type, p.quality, p.phase, p.valid_from, p.valid_to, p.replaced_by
FROM unnest($1::bigint[]) k JOIN person p ON p.ssin = k AND p.known_to = 'infinity'
UNION ALL
SELECT p.replaced_by, p.ssin, p.sector, p.type, p.quality, p.phase, p.valid_from, p.valid_to, p.replaced_by
FROM unnest($1::bigint[]) k JOIN person p ON p.replaced_by = k AND p.known_to = 'infinity' AND p.replaced_by IS NOT NULL

-- person_rows_replaced --
-- As person_rows, with every row under the numbers that replaced these or that these replaced, at any distance: for the
-- few of whom person_rows finds a row of quality 999. The recursion ends: it adds no number twice. OFFSET 0 keeps the
-- planner, who cannot know how few they are, from reading the whole table.
WITH RECURSIVE one (asked, ssin) AS (
    SELECT k, k FROM unnest($1::bigint[]) k
    UNION
    SELECT one.asked, other.ssin FROM one CROSS JOIN LATERAL (
        SELECT p.replaced_by FROM person p
            WHERE p.ssin = one.ssin AND p.known_to = 'infinity' AND p.replaced_by IS NOT NULL
        UNION ALL
        SELECT p.ssin FROM person p WHERE p.replaced_by = one.ssin AND p.known_to = 'infinity' AND p.replaced_by IS NOT NULL
    ) other (ssin)
)
SELECT one.asked, p.*
FROM one CROSS JOIN LATERAL (
    SELECT p.ssin, p.sector, p.type, p.quality, p.phase, p.valid_from, p.valid_to, p.replaced_by
    FROM person p WHERE p.ssin = one.ssin AND p.known_to = 'infinity' OFFSET 0
) p

-- person_history --
-- All that was ever believed of one number, and since when until when. Current and past rows are named apart here and
-- below, since each have an index of their own.
SELECT ssin, sector, type, quality, phase, valid_from, valid_to, replaced_by, known_from, known_to
FROM person WHERE ssin = $1 AND (known_to = 'infinity' OR known_to < 'infinity')
ORDER BY known_from, sector, type, quality, valid_from

-- person_replacements --
-- What is believed of numbers that took each other's place, of these numbers.
SELECT ssin, valid_from, valid_to, replaced_by FROM person
WHERE ssin = ANY($1::bigint[]) AND quality = 999 AND known_to = 'infinity'

-- person_moved_at --
-- How many sectors and types had rows of a number that were closed at a moment.
SELECT count(DISTINCT (sector, type)) FROM person WHERE ssin = $1 AND quality <> 999 AND known_to = $2

-- outbox_add --
-- What these institutions are to be told, with what made it so. A ticket tells an institution one thing.
INSERT INTO outbox (ticket_cbss, recipient, service, body, at)
SELECT $1, r, $2, $3, $4 FROM unnest($5::text[]) r

-- outbox_waits --
-- Whether there is a word for anybody but the institutions of $1.
SELECT EXISTS (SELECT FROM outbox WHERE told IS NULL AND recipient <> ALL($1::text[]))

-- outbox_lock --
-- One hub tells at a time, so that each institution is told in order; whether it is this one, until its transaction ends.
SELECT pg_try_advisory_xact_lock(-5, 1)

-- outbox_untold --
-- The oldest words not told, at most $1, none to the institutions of $2.
SELECT number, ticket_cbss, recipient, service, body FROM outbox
WHERE told IS NULL AND recipient <> ALL($2::text[]) ORDER BY number LIMIT $1

-- outbox_told --
-- These were told; their content is not kept.
UPDATE outbox SET told = clock_timestamp(), body = NULL WHERE number = ANY($1::bigint[])

-- person_replacements --
-- What is believed of numbers that took each other's place, of these numbers.
SELECT ssin, valid_from, valid_to, replaced_by FROM person
WHERE ssin = ANY($1::bigint[]) AND quality = 999 AND known_to = 'infinity'

-- person_moved_at --
-- How many sectors and types had rows of a number that were closed at a moment.
SELECT count(DISTINCT (sector, type)) FROM person WHERE ssin = $1 AND quality <> 999 AND known_to = $2

-- outbox_add --
-- What these institutions are to be told, with what made it so. A ticket tells an institution one thing.
INSERT INTO outbox (ticket_cbss, recipient, service, body, at)
SELECT $1, r, $2, $3, $4 FROM unnest($5::text[]) r

-- outbox_waits --
-- Whether there is a word for anybody but the institutions of $1.
SELECT EXISTS (SELECT FROM outbox WHERE told IS NULL AND recipient <> ALL($1::text[]))

-- outbox_lock --
-- One hub tells at a time, so that each institution is told in order; whether it is this one, until its transaction ends.
SELECT pg_try_advisory_xact_lock(-5, 1)

-- outbox_untold --
-- The oldest words not told, at most $1, none to the institutions of $2.
SELECT number, ticket_cbss, recipient, service, body FROM outbox
WHERE told IS NULL AND recipient <> ALL($2::text[]) ORDER BY number LIMIT $1

-- outbox_told --
-- These were told; their content is not kept.
UPDATE outbox SET told = clock_timestamp(), body = NULL WHERE number = ANY($1::bigint[])

-- persons_known_to --
-- Rows of a sector and type, at most $3 persons, in the order of their numbers.
SELECT p.ssin, p.sector, p.type, p.quality, p.phase, p.valid_from, p.valid_to, p.replaced_by
FROM person p JOIN (
    SELECT ssin FROM person WHERE sector = $1 AND type = $2 AND known_to = 'infinity' AND quality <> 999
    GROUP BY ssin ORDER BY ssin LIMIT $3
) first ON first.ssin = p.ssin
WHERE p.sector = $1 AND p.type = $2 AND p.known_to = 'infinity'
ORDER BY p.ssin, p.quality, p.valid_from

-- person_rows_at_replaced --
-- Rows of a number as they were believed at a moment, and of the numbers that replaced it or that it replaced, at any
-- distance. Current and past rows apart: each has its index.
WITH RECURSIVE believed AS NOT MATERIALIZED (
    SELECT ssin, sector, type, quality, phase, valid_from, valid_to, replaced_by
    FROM person WHERE known_to = 'infinity' AND known_from <= $2
    UNION ALL
    SELECT ssin, sector, type, quality, phase, valid_from, valid_to, replaced_by
    FROM person WHERE known_to < 'infinity' AND known_to > $2 AND known_from <= $2
), one (ssin) AS (
    SELECT $1::bigint
    UNION
    SELECT other.ssin FROM one CROSS JOIN LATERAL (
        SELECT b.replaced_by FROM believed b WHERE b.ssin = one.ssin AND b.replaced_by IS NOT NULL
        UNION ALL
        SELECT b.ssin FROM believed b WHERE b.replaced_by = one.ssin AND b.replaced_by IS NOT NULL
    ) other (ssin)
)
SELECT b.*
FROM one CROSS JOIN LATERAL (SELECT * FROM believed WHERE believed.ssin = one.ssin OFFSET 0) b

-- person_lock --
-- One writer of a person's rows at a time. Persons' numbers are the positive locks. The moment once it has the lock.
SELECT clock_timestamp() FROM pg_advisory_xact_lock($1)

-- person_locks --
-- The same of many persons, in the order of the list, which is sorted: nobody waits crosswise.
SELECT FROM unnest($1::bigint[]) n, pg_advisory_xact_lock(n)

-- moment --
-- The database's clock: the one that all history goes by.
SELECT clock_timestamp()

-- persons_lock --
-- A load of a file: readers go on, other writers wait.
LOCK TABLE person IN SHARE ROW EXCLUSIVE MODE

-- person_staging --
-- Where a file is copied to before it is held against what is there.
CREATE TEMPORARY TABLE person_staging (
    line integer NOT NULL,
    ssin bigint NOT NULL,
    replaced_by bigint,
    valid_from date NOT NULL,
    valid_to date,
    sector smallint NOT NULL,
    type smallint NOT NULL,
    quality smallint NOT NULL,
    phase smallint
) ON COMMIT DROP

-- person_staging_doubles --
-- Lines that give another row's key again, each with the first line that gave it. Rows alike in all are one row.
SELECT line, first FROM (
    SELECT line, min(line) OVER key AS first,
           (phase, valid_to, replaced_by) IS DISTINCT FROM
           (first_value(phase) OVER key, first_value(valid_to) OVER key, first_value(replaced_by) OVER key) AS differs
    FROM person_staging
    WINDOW key AS (PARTITION BY ssin, sector, type, quality, valid_from ORDER BY line
                   ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
) d WHERE differs ORDER BY line LIMIT $1

-- persons_close --
-- What a file says otherwise than what is there: the old rows are no longer believed.
UPDATE person p SET known_to = $1
FROM person_staging s
WHERE p.known_to = 'infinity' AND p.ssin = s.ssin AND p.sector = s.sector AND p.type = s.type AND p.quality = s.quality
  AND p.valid_from = s.valid_from
  AND (p.phase, p.valid_to, p.replaced_by) IS DISTINCT FROM (s.phase, s.valid_to, s.replaced_by)

-- persons_add --
-- What a file says and is not there, after persons_close. In the order of numbers: a person's rows share a page.
INSERT INTO person (ssin, replaced_by, known_from, valid_from, valid_to, sector, type, quality, phase)
SELECT DISTINCT s.ssin, s.replaced_by, $1::timestamptz, s.valid_from, s.valid_to, s.sector, s.type, s.quality, s.phase
FROM person_staging s
WHERE NOT EXISTS (
    SELECT FROM person p
    WHERE p.known_to = 'infinity' AND p.ssin = s.ssin AND p.sector = s.sector AND p.type = s.type
      AND p.quality = s.quality AND p.valid_from = s.valid_from)
ORDER BY s.ssin, s.sector, s.type, s.quality, s.valid_from

-- person_close --
-- As persons_close, for one row.
UPDATE person SET known_to = $1
WHERE ssin = $2 AND sector = $3 AND type = $4 AND quality = $5 AND valid_from = $6 AND known_to = 'infinity'
  AND (phase, valid_to, replaced_by) IS DISTINCT FROM ($7::smallint, $8::date, $9::bigint)

-- person_add --
-- As persons_add, for one row.
INSERT INTO person (ssin, sector, type, quality, valid_from, phase, valid_to, replaced_by, known_from)
SELECT $2, $3, $4, $5, $6, $7::smallint, $8::date, $9::bigint, $1
WHERE NOT EXISTS (
    SELECT FROM person
    WHERE ssin = $2 AND sector = $3 AND type = $4 AND quality = $5 AND valid_from = $6 AND known_to = 'infinity')

-- person_lines --
-- What a sector and type knows of many persons; replaced numbers are nobody's dossier.
SELECT p.ssin, p.quality, p.phase, p.valid_from, p.valid_to
FROM unnest($1::bigint[]) k JOIN person p ON p.ssin = k AND p.known_to = 'infinity'
WHERE p.sector = $2 AND p.type = $3 AND p.quality <> 999
ORDER BY p.ssin, p.quality, p.valid_from

-- person_lines_at --
-- The same of one person, as it was at a moment, with what was written at it.
SELECT ssin, quality, phase, valid_from, valid_to
FROM person WHERE ssin = $1 AND sector = $2 AND type = $3 AND quality <> 999 AND known_from <= $4 AND known_to > $4
  AND (known_to = 'infinity' OR known_to < 'infinity')
ORDER BY quality, valid_from

-- person_lines_before --
-- The same, without what was written at that moment.
SELECT ssin, quality, phase, valid_from, valid_to
FROM person WHERE ssin = $1 AND sector = $2 AND type = $3 AND quality <> 999 AND known_from < $4 AND known_to >= $4
  AND (known_to = 'infinity' OR known_to < 'infinity')
ORDER BY quality, valid_from

-- person_lines_close --
-- These lines are no longer believed. A current line is known by person, sector, type, quality and first day.
UPDATE person p SET known_to = $1
FROM unnest($4::bigint[], $5::smallint[], $6::date[]) AS k (ssin, quality, valid_from)
WHERE p.ssin = k.ssin AND p.sector = $2 AND p.type = $3 AND p.quality = k.quality AND p.valid_from = k.valid_from
  AND p.known_to = 'infinity'

-- person_lines_open --
-- These lines are believed from now on; the caller has closed what stood there.
INSERT INTO person (known_from, sector, type, ssin, quality, phase, valid_from, valid_to)
SELECT $1, $2, $3, * FROM unnest($4::bigint[], $5::smallint[], $6::smallint[], $7::date[], $8::date[])

-- persons_replaced --
-- Which of many numbers were replaced.
SELECT DISTINCT p.ssin FROM unnest($1::bigint[]) k
JOIN person p ON p.ssin = k AND p.known_to = 'infinity' AND p.replaced_by IS NOT NULL

-- bulk_lock --
-- One process a file; held to the end of the session.
SELECT pg_advisory_lock(5, $1::integer)

-- bulk_known --
-- How far the newest run of a file has come.
SELECT * FROM bulk WHERE sha256 = $1 AND address = $2 AND what = $3 ORDER BY begun DESC LIMIT 1

-- bulk_begin --
-- A file is begun.
INSERT INTO bulk (id, sha256, address, what, begun, changed)
VALUES ($1, $2, $3, $4, clock_timestamp(), clock_timestamp())

-- bulk_progress --
-- So far it has come, with what else is in this transaction.
UPDATE bulk SET position = $2, lines = $3, refused = $4, rows_new = $5, rows_closed = $6, report_bytes = $7,
                changed = clock_timestamp()
WHERE id = $1

-- bulk_end --
-- All of a file is done.
UPDATE bulk SET ended = clock_timestamp(), changed = clock_timestamp() WHERE id = $1

-- reconcile_staging --
-- Where an institution's own file is copied to.
CREATE TEMPORARY TABLE reconcile_staging (
    ssin bigint NOT NULL,
    quality smallint NOT NULL,
    phase smallint,
    valid_from date NOT NULL,
    valid_to date
) ON COMMIT DROP

-- reconcile_rows --
-- That file (side 0) and what the repertory has of the sector and type in these qualities (side 1), person by person.
SELECT ssin, 0 AS side, quality, phase, valid_from, valid_to FROM reconcile_staging
UNION ALL
SELECT ssin, 1, quality, phase, valid_from, valid_to FROM person
WHERE sector = $1 AND type = $2 AND quality = ANY($3::smallint[]) AND known_to = 'infinity'
ORDER BY ssin, side

-- person_write_lock --
-- Who changes rows of one person: waits for a load of a file, and it for him; not for the others of his kind.
LOCK TABLE person IN ROW EXCLUSIVE MODE

-- ticket_lock --
-- What was told under a ticket, while nobody else can tell it. Taken after the locks of persons, by everybody.
SELECT told, told_value, told_code FROM ticket WHERE ticket_cbss = $1 FOR UPDATE

-- person_rows_at --
-- Rows of one number as they were believed at a moment.
SELECT ssin, sector, type, quality, phase, valid_from, valid_to, replaced_by
FROM person WHERE ssin = $1 AND known_from <= $2 AND known_to > $2
  AND (known_to = 'infinity' OR known_to < 'infinity')
ORDER BY sector, type, quality, valid_from

-- journal_write --
-- Commit a group of rows, in one round trip. Done once per group, however often it is asked.
SELECT place, result, verdict, code, suppliers, decided, told_value, told_code, told
FROM journal_write_v2($1::uuid, $2::timestamptz, $3::journal_entry_v2[])

-- journal_partitions --
-- Make the partitions of a month and of the $2 months after it, where they are missing.
SELECT journal_partitions_v1($1, $2)

-- journal_who --
-- Rows that speak of a person, by the keyed hashes of his number.
SELECT j.* FROM journal_person w JOIN journal j ON j.at = w.at AND j.number = w.number
WHERE w.hash = ANY($1::bytea[]) AND w.role = $2
ORDER BY j.number

-- journal_ticket_rows --
-- All rows of one exchange.
SELECT * FROM journal WHERE ticket_cbss = $1 ORDER BY number

-- journal_acts --
-- What operators did, the newest first, at most $1.
SELECT * FROM journal
WHERE kind = 'decision' AND sender = '25-0' AND (service LIKE 'Operator%' OR service = 'ExplainDecision/1')
ORDER BY at DESC, number DESC LIMIT $1

-- journal_lately --
-- What was told since $1, the newest first, at most $6; each with its decision. $2 its code, $3 its service (a name, or
-- Name/version), $4 who asked or for whom, $5 who was asked: NULL is any. Nothing of what operators looked at and did.
SELECT o.at, o.value, o.code, o.ticket_cbss, o.suppliers, o.took_ms, o.silent, d.service, d.sender, d.customer,
       round(extract(epoch FROM o.replied - d.received) * 1000)::bigint AS ms
FROM journal o LEFT JOIN LATERAL (
    SELECT service, sender, customer, received FROM journal
    WHERE ticket_cbss = o.ticket_cbss AND kind = 'decision' AND at <= o.at AND at > o.at - interval '7 days' LIMIT 1
) d ON true
WHERE o.kind = 'outcome' AND o.at >= $1 AND ($2::text IS NULL OR o.code = $2)
  AND ($5::text IS NULL OR o.suppliers @> ARRAY[$5] OR o.silent @> ARRAY[$5])
  AND ($3::text IS NULL OR d.service = $3 OR split_part(d.service, '/', 1) = $3)
  AND ($4::text IS NULL OR $4 IN (d.sender, d.customer)) AND d.service IS DISTINCT FROM 'ExplainDecision/1'
  AND coalesce(d.service, '') NOT LIKE 'Operator%'
ORDER BY o.at DESC, o.number DESC LIMIT $6

-- journal_acts_on --
-- What operators looked at and did about one subject, oldest first.
SELECT * FROM journal
WHERE kind = 'decision' AND sender = '25-0' AND (service LIKE 'Operator%' OR service = 'ExplainDecision/1')
  AND ticket = $1
ORDER BY at, number

-- ticket_expires --
-- Until when the key of an exchange is kept; nothing where it is not any more.
SELECT expires FROM ticket WHERE ticket_cbss = $1

-- tickets_forgotten --
-- Which of these exchanges were decided and are known by the journal alone: who brings one again begins a new one.
SELECT t FROM unnest($1::uuid[]) t
WHERE NOT EXISTS (SELECT FROM ticket k WHERE k.ticket_cbss = t)
  AND EXISTS (SELECT FROM journal j WHERE j.ticket_cbss = t AND j.kind = 'decision')

-- ticket_deliveries --
-- Who was to be told of a mutation, under which position, and what came back. Owed: his queue does not have it.
SELECT d.recipient, d.position, d.answered, d.answer_code, d.silent_since, m.flow,
       coalesce(r.owed_from <= d.position, false) AS owed
FROM mutation m JOIN delivery d ON d.ticket_cbss = m.ticket_cbss JOIN recipient r ON r.address = d.recipient
WHERE m.ticket_cbss = $1 ORDER BY d.recipient

-- ticket_words --
-- What institutions are to be told by the hub because of an exchange.
SELECT recipient, service, at, told FROM outbox WHERE ticket_cbss = $1 ORDER BY number

-- legal_context_known --
-- Whether a rule names this legal context, now or before.
SELECT EXISTS (SELECT FROM authorisation WHERE legal_context = $1)

-- dead_lock --
-- Nobody else looks into the hub.dead of a vhost, until this session ends or gives it up.
SELECT pg_advisory_lock(-14, hashtext($1))

-- dead_unlock --
-- Another look may begin.
SELECT pg_advisory_unlock(-14, hashtext($1))

-- journal_person_of --
-- The keyed hash of the person whom a row is about.
SELECT hash FROM journal_person WHERE at = $1 AND number = $2 AND role = 'asked'

-- journal_kinds --
-- Rows by kind, since a moment.
SELECT kind, count(*) AS rows FROM journal WHERE at >= $1 GROUP BY kind

-- journal_outcomes --
-- Outcomes by service, value and code, since a moment.
SELECT coalesce(d.service, '') AS service, o.value, o.code, count(*) AS rows
FROM journal o LEFT JOIN journal d ON d.ticket_cbss = o.ticket_cbss AND d.kind = 'decision' AND d.at >= $1
WHERE o.kind = 'outcome' AND o.at >= $1
GROUP BY 1, 2, 3

-- journal_uneven --
-- Tickets decided without an outcome, decided twice, told twice, since a moment. One that was told that its answer comes
-- later is not without: the outcome is still to come.
SELECT count(*) FILTER (WHERE decisions > 0 AND outcomes = 0 AND promised = 0) AS without_outcome,
       count(*) FILTER (WHERE decisions > 1) AS decided_twice,
       count(*) FILTER (WHERE outcomes > 1) AS told_twice
FROM (
    SELECT count(*) FILTER (WHERE kind = 'decision') AS decisions, count(*) FILTER (WHERE kind = 'outcome') AS outcomes,
           count(*) FILTER (WHERE kind = 'intermediate') AS promised
    FROM journal WHERE at >= $1 AND kind IN ('decision', 'outcome', 'intermediate') GROUP BY ticket_cbss
) t

-- tickets_expire --
-- Forget at most $1 tickets whose time is over.
DELETE FROM ticket WHERE ticket_cbss IN (
    SELECT ticket_cbss FROM ticket WHERE expires < now() ORDER BY expires LIMIT $1 FOR UPDATE SKIP LOCKED)

-- journal_groups_expire --
-- Forget at most $1 groups that no hub can ask about any more.
DELETE FROM journal_group WHERE id IN (
    SELECT id FROM journal_group WHERE at < now() - interval '1 hour' ORDER BY at LIMIT $1 FOR UPDATE SKIP LOCKED)

-- mutation_recorded --
-- What was decided of mutations, with a row a recipient; one without, where it went to nobody.
SELECT m.ticket_cbss, m.sha256, m.value, m.answer_code, m.missing, d.recipient, d.position, d.entitled, r.series,
       CASE WHEN r.owed_from <= d.position THEN r.owed_from END AS owed
FROM mutation m LEFT JOIN (delivery d JOIN recipient r ON r.address = d.recipient) ON d.ticket_cbss = m.ticket_cbss
WHERE m.ticket_cbss = ANY ($1::uuid[]) ORDER BY d.recipient

-- mutation_forerunners --
-- Of whom the mutations of references (hashes, one a key) were, their codes, who was told, and by which rows.
SELECT m.reference, m.person, m.code, d.recipient, d.entitled
FROM mutation m LEFT JOIN delivery d ON d.ticket_cbss = m.ticket_cbss
WHERE m.reference = ANY ($1::bytea[])

-- mutation_distribute --
-- Decisions, verdicts and a position each recipient, in one statement: nobody holds a lock longer than it takes.
SELECT place, result, recipient, series, position, entitled, owed
FROM distribute_v3($1::uuid, NULL, $2::journal_entry_v2[], $3::mutation[], $4::integer[], $5::text[], $6::text[])

-- mutation_patience --
-- A hub that hangs within a change must not hold up who waits for its locks.
SET LOCAL idle_in_transaction_session_timeout = '5s'

-- mutation_integrations --
-- What mutations wanted to be known of a person (hashes of his numbers, one a key), and added.
SELECT at, ticket_cbss, reference, person, sector, type, quality, wanted_from, wanted_to, made_from, made_to
FROM mutation_integration WHERE person = ANY ($1::bytea[]) AND withdrawn IS NULL

-- mutation_integration_add --
-- What a mutation wants, and the days of it that it adds.
INSERT INTO mutation_integration
    (ticket_cbss, at, reference, person, sector, type, quality, wanted_from, wanted_to, made_from, made_to)
VALUES ($1, clock_timestamp(), $2, $3, $4, $5, $6, $7, $8, $9, $10)

-- mutation_integration_made --
-- Days that another one added are this one's now.
UPDATE mutation_integration SET made_from = $5, made_to = $6
WHERE ticket_cbss = $1 AND sector = $2 AND type = $3 AND quality = $4

-- mutation_integration_withdraw --
-- What references wanted at a sector and type counts no more: they were cancelled, or want something else.
UPDATE mutation_integration m SET withdrawn = clock_timestamp()
FROM unnest($1::bytea[], $2::smallint[], $3::smallint[]) o (reference, sector, type)
WHERE m.reference = o.reference AND m.sector = o.sector AND m.type = o.type AND m.withdrawn IS NULL

-- recipient_owe --
-- From this position on nothing is published to a recipient, until it has caught up.
UPDATE recipient SET owed_from = $2 WHERE address = $1 AND (owed_from IS NULL OR owed_from > $2)

-- recipients_behind --
-- Who has to catch up, and the newest position of each.
SELECT address, series, last, owed_from FROM recipient WHERE owed_from IS NOT NULL ORDER BY address

-- mutations_forget --
-- Forget at most $1 mutations that are older than 100 days; those that lack a Z answer than a year.
DELETE FROM mutation WHERE ticket_cbss IN (
    SELECT m.ticket_cbss FROM mutation m
    WHERE m.at < now() - interval '100 days'
      AND (m.flow = 'M' OR m.at < now() - interval '1 year'
           OR NOT EXISTS (SELECT FROM delivery d WHERE d.ticket_cbss = m.ticket_cbss AND d.answered IS NULL))
    ORDER BY m.at LIMIT $1 FOR UPDATE SKIP LOCKED)

-- mutation_integrations_forget --
-- Forget what was withdrawn 100 days ago. What is in force stays: another cancellation must not take its days.
DELETE FROM mutation_integration WHERE withdrawn < now() - interval '100 days'

-- lot_lock --
-- Nobody else opens a lot of this customer until the transaction ends.
SELECT pg_advisory_xact_lock(-7, hashtext($1))

-- lot_last --
-- The last of a customer's lots, 0 before the first.
SELECT coalesce(max(sequence), 0) FROM lot WHERE customer = $1

-- lot_open --
-- A lot is begun.
INSERT INTO lot (ticket_cbss, lot, customer, sequence, count, service, opened) VALUES ($1, $2, $3, $4, $5, $6, $7)

-- lot_known --
-- A customer's lot, while nobody else closes it.
SELECT ticket_cbss, lot, count, closed, totals FROM lot WHERE lot = $1 AND customer = $2 FOR UPDATE

-- lot_counted --
-- What was told under these tickets, counted; without a value, those that have no outcome, with the places of $2 of them.
SELECT t.told_value AS value, t.told_code AS code, count(*) AS count,
       CASE WHEN t.told_value IS NULL THEN (array_agg(k.place ORDER BY k.place))[1:$2] END AS places
FROM unnest($1::uuid[]) WITH ORDINALITY k (ticket_cbss, place) LEFT JOIN ticket t ON t.ticket_cbss = k.ticket_cbss
GROUP BY 1, 2

-- lot_close --
-- Both have counted the same.
UPDATE lot SET closed = coalesce(closed, $2), totals = $3 WHERE ticket_cbss = $1

-- question_open --
-- A question that is answered later is about to be put; true: who is asked has it already. One that was answered and told
-- is put anew, unless it is the same message that comes again ($13).
INSERT INTO open_question AS q (ticket_cbss, supplier, service, customer, reply_to, correlation_id, ticket, person, without,
                                online, received, expires)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (ticket_cbss) DO UPDATE SET
    (asked, passed_on, answered, answer_sha256, told, expires) = (
        SELECT CASE WHEN anew THEN NULL ELSE q.asked END, CASE WHEN anew THEN NULL ELSE q.passed_on END,
               CASE WHEN anew THEN NULL ELSE q.answered END, CASE WHEN anew THEN NULL ELSE q.answer_sha256 END,
               CASE WHEN anew THEN NULL ELSE q.told END, CASE WHEN anew THEN excluded.expires ELSE q.expires END
        FROM (SELECT q.told IS NOT NULL AND NOT $13::boolean AS anew) a)
RETURNING asked IS NOT NULL

-- question_asked --
-- Who is asked has it in its queue.
UPDATE open_question SET asked = clock_timestamp() WHERE ticket_cbss = $1

-- question_given_up --
-- Nobody has it in his queue, and the customer is told so.
UPDATE open_question SET answered = clock_timestamp(), told = clock_timestamp() WHERE ticket_cbss = $1

-- question_known --
-- A question by its ticket.
SELECT * FROM open_question WHERE ticket_cbss = $1

-- question_passed_on --
-- A relay has passed it on.
UPDATE open_question SET passed_on = coalesce(passed_on, clock_timestamp()) WHERE ticket_cbss = $1

-- question_answered --
-- The first answer; nothing where there was one.
UPDATE open_question SET answered = clock_timestamp(), answer_sha256 = $2 WHERE ticket_cbss = $1 AND answered IS NULL
RETURNING answered

-- question_told --
-- Who asked has the answer in his queue.
UPDATE open_question SET told = clock_timestamp() WHERE ticket_cbss = $1

-- question_sweep_lock --
-- One hub at a time looks for questions whose time is over; whether it is this one, until its transaction ends.
SELECT pg_try_advisory_xact_lock(-6, 1)

-- question_overdue --
-- Questions that nobody answered in their time, and of which that was not told yet.
SELECT * FROM open_question WHERE expires < now() AND told IS NULL AND answer_sha256 IS NULL
ORDER BY expires LIMIT $1

-- question_forget --
-- Forget at most $2 questions whose time was over this long ago.
DELETE FROM open_question WHERE ticket_cbss = ANY (ARRAY(
    SELECT ticket_cbss FROM open_question WHERE expires < now() - $1::interval ORDER BY expires LIMIT $2))

-- delivery_told --
-- A mutation of flow Z that this recipient was told, and its answer, where there was one.
SELECT m.owner, m.sender, m.correlation_id, m.ticket, m.service, m.key_id, m.person, d.answered, d.answer_sha256
FROM mutation m JOIN delivery d ON d.ticket_cbss = m.ticket_cbss
WHERE m.ticket_cbss = $1 AND d.recipient = $2 AND m.flow = 'Z'

-- delivery_answered --
-- The first definitive answer of a recipient; nothing where there was one.
UPDATE delivery SET answered = clock_timestamp(), awaited = false, answer_code = $3, answer_sha256 = $4
WHERE ticket_cbss = $1 AND recipient = $2 AND answered IS NULL RETURNING answered

-- recipient_known --
-- A recipient's series and newest position, and the series that a restore ended.
SELECT series, last, owed_from,
       ARRAY(SELECT e.series FROM recipient_earlier e WHERE e.address = $1 ORDER BY e.series) AS earlier,
       ARRAY(SELECT e.last FROM recipient_earlier e WHERE e.address = $1 ORDER BY e.series) AS earlier_last
FROM recipient WHERE address = $1

-- recipient_caught_up --
-- It has everything up to its newest position: what comes is published again.
UPDATE recipient SET owed_from = NULL WHERE address = $1 AND last = $2

-- delivery_after --
-- The next $3 words of a recipient.
SELECT d.position, d.ticket_cbss, d.entitled, d.silent_since, m.owner, m.service, m.flow, m.code,
       m.ticket, m.sha256, m.at
FROM delivery d JOIN mutation m ON m.ticket_cbss = d.ticket_cbss
WHERE d.recipient = $1 AND d.position > $2 ORDER BY d.position LIMIT $3

-- delivery_at --
-- Words of a recipient by their positions.
SELECT d.position, d.ticket_cbss, d.entitled, d.silent_since, m.owner, m.service, m.flow, m.code,
       m.ticket, m.sha256, m.at
FROM delivery d JOIN mutation m ON m.ticket_cbss = d.ticket_cbss
WHERE d.recipient = $1 AND d.position = ANY ($2::bigint[]) ORDER BY d.position

-- delivery_silent --
-- The owner ($3) of this one and of others behind it does not answer, since when.
UPDATE delivery d SET silent_since = $4 FROM mutation m
WHERE m.ticket_cbss = d.ticket_cbss AND d.recipient = $1 AND d.position >= $2 AND m.owner = $3 AND d.silent_since IS NULL

-- delivery_heard --
-- It answers again.
UPDATE delivery d SET silent_since = NULL FROM mutation m
WHERE m.ticket_cbss = d.ticket_cbss AND d.recipient = $1 AND d.position >= $2 AND m.owner = $3
  AND d.silent_since IS NOT NULL

-- mutations_open --
-- Mutations of flow Z, of an owner or all, that lack answers, and whose.
SELECT m.ticket_cbss, m.owner, m.ticket, m.service, m.at, array_agg(d.recipient ORDER BY d.recipient) AS recipients
FROM delivery d JOIN mutation m ON m.ticket_cbss = d.ticket_cbss
WHERE d.awaited IS NOT FALSE AND d.answered IS NULL
  AND m.flow = 'Z' AND ($1::text IS NULL OR m.owner = $1) AND ($2::timestamptz IS NULL OR m.at >= $2)
GROUP BY m.ticket_cbss ORDER BY m.at LIMIT $3

-- nudge_lock --
-- One hub at a time nudges; whether it is this one, until its transaction ends.
SELECT pg_try_advisory_xact_lock(-6, 2)

-- control_in_force --
-- What is paused now, with the version of it, and the seconds until the first of them ends by itself. One row at least.
SELECT v.version, c.number, c.kind, c.what, c.since, c.until,
       extract(epoch FROM min(c.until) OVER () - now())::float8 AS next
FROM (SELECT greatest((SELECT max(number) FROM control), (SELECT max(ended_number) FROM control), 0) AS version) v
LEFT JOIN control c ON c.ended IS NULL AND (c.until IS NULL OR c.until > now())
ORDER BY c.number

-- control_version --
-- The version of what is in force.
SELECT greatest((SELECT max(number) FROM control), (SELECT max(ended_number) FROM control), 0)

-- control_lock --
-- One change at a time, so that versions become visible in their order; $1 is the lock. The moment of the change.
SELECT clock_timestamp() FROM (SELECT pg_advisory_xact_lock($1)) locked

-- control_begin --
-- From now on this is so.
INSERT INTO control (kind, what, since, until, program, reason) VALUES ($1, $2, $3, $4, $5, $6) RETURNING number

-- control_end --
-- It is so no more; what it was, and whether its time was over already.
UPDATE control SET ended = least($3::timestamptz, until), ended_number = nextval('control_number'), ended_by = $4
WHERE kind = $1 AND what = $2 AND ended IS NULL
RETURNING number, since, until, program, reason, coalesce(until <= $3, false) AS over

-- control_tell --
-- Tell the hubs, when this commits.
SELECT pg_notify('crossroads_control', '')

-- control_history --
-- The newest rows, at most $1.
SELECT * FROM control ORDER BY number DESC LIMIT $1

-- hub_beat --
-- This process lives, and this is what it has in hand. Keeps nobody waiting: lost is what the next one brings.
INSERT INTO hub_process (instance, name, url, started, beat, ready, draining, seen, settled, in_hand, services, suppliers)
VALUES ($1, $2, $3, now(), now(), $4, $5, $6, $7, $8, $9::jsonb, $10::jsonb)
ON CONFLICT (instance) DO UPDATE SET
    beat = now(), url = excluded.url, ready = excluded.ready, draining = excluded.draining, seen = excluded.seen,
    settled = excluded.settled, in_hand = excluded.in_hand, services = excluded.services, suppliers = excluded.suppliers

-- hub_gone --
-- This process has ended in order, and whatever was asked of it alone with it.
DELETE FROM hub_process WHERE instance = $1

-- hubs_forget --
-- Processes that were killed a day ago.
DELETE FROM hub_process WHERE beat < now() - interval '1 day'

-- hub_processes --
-- All of them, and how many seconds ago each beat.
SELECT instance, name, url, started, ready, draining, seen, settled, in_hand, services, suppliers,
       extract(epoch FROM now() - beat)::float8 AS silent
FROM hub_process ORDER BY name, started

-- ticket_begun --
-- Whether a ticket has a decision; and whether it was told, since a moment, that what it asks is paused.
SELECT EXISTS (SELECT FROM ticket WHERE ticket_cbss = $1) AS decided,
       EXISTS (SELECT FROM journal WHERE ticket_cbss = $1 AND kind = 'busy' AND code = $2 AND at >= $3) AS told

-- tickets_begun --
-- Whether any of these tickets has a decision.
SELECT EXISTS (SELECT FROM ticket WHERE ticket_cbss = ANY ($1::uuid[]))

-- questions_open_of --
-- Questions to these suppliers, or of these services, that are answered later and are not yet.
SELECT count(*) FROM open_question WHERE told IS NULL AND answered IS NULL AND (supplier = ANY ($1) OR service = ANY ($1))
