"""All SQL of the sectoral repertory."""

#: Members as they are known now.
MEMBERS = """
SELECT address, name, active, rate FROM member WHERE known_to IS NULL ORDER BY address
"""

#: What is known now of a number ($1), of those it replaced and of those that replaced it, at any distance.
ROWS = """
WITH RECURSIVE family (ssin) AS (
    SELECT $1::bigint
    UNION
    SELECT CASE WHEN i.ssin = f.ssin THEN i.replaced_by ELSE i.ssin END
    FROM integration i JOIN family f ON i.ssin = f.ssin OR i.replaced_by = f.ssin
    WHERE i.known_to IS NULL AND i.quality = 999 AND i.replaced_by IS NOT NULL
)
SELECT i.ssin, i.member, i.sector, i.type, i.quality, i.phase, i.valid_from, i.valid_to, i.replaced_by
FROM integration i JOIN family f ON i.ssin = f.ssin
WHERE i.known_to IS NULL
ORDER BY i.member, i.valid_from, i.id
"""

#: The rows of a member ($1) of at most so many persons ($2), in the order of their numbers.
KNOWN_TO = """
SELECT i.ssin, i.member, i.sector, i.type, i.quality, i.phase, i.valid_from, i.valid_to, i.replaced_by
FROM integration i
WHERE i.known_to IS NULL AND i.member = $1 AND i.ssin IN (
    SELECT DISTINCT ssin FROM integration WHERE member = $1 AND known_to IS NULL AND quality <> 999
    ORDER BY ssin LIMIT $2
)
ORDER BY i.ssin, i.quality, i.valid_from, i.id
"""

#: A place for what a file says, gone with its transaction.
STAGE_MEMBERS = """
CREATE TEMPORARY TABLE staged (address text, name text, active boolean, rate integer) ON COMMIT DROP
"""

#: Members that the file no longer says, or says otherwise: known until now.
CLOSE_MEMBERS = """
UPDATE member m SET known_to = now() WHERE known_to IS NULL AND NOT EXISTS (
    SELECT FROM staged s
    WHERE (s.address, s.name, s.active, s.rate) IS NOT DISTINCT FROM (m.address, m.name, m.active, m.rate)
)
"""

#: Members that are new, or said otherwise than before: known from now.
OPEN_MEMBERS = """
INSERT INTO member (address, name, active, rate)
SELECT s.address, s.name, s.active, s.rate FROM staged s
WHERE NOT EXISTS (SELECT FROM member m WHERE m.address = s.address AND m.known_to IS NULL)
"""

STAGE_ROWS = """
CREATE TEMPORARY TABLE staged (
    ssin bigint, member text, sector smallint, type smallint, quality smallint, phase smallint,
    valid_from date, valid_to date, replaced_by bigint
) ON COMMIT DROP
"""

#: Columns of STAGE_ROWS, in the order in which they are copied.
STAGED_ROWS = ("ssin", "member", "sector", "type", "quality", "phase", "valid_from", "valid_to", "replaced_by")

#: Rows from the same source ($1) that it no longer says: known until now.
CLOSE_ROWS = """
UPDATE integration i SET known_to = now() WHERE known_to IS NULL AND source = $1 AND NOT EXISTS (
    SELECT FROM staged s
    WHERE s.ssin = i.ssin
    AND (s.member, s.sector, s.type, s.quality, s.phase, s.valid_from, s.valid_to, s.replaced_by)
        IS NOT DISTINCT FROM
        (i.member, i.sector, i.type, i.quality, i.phase, i.valid_from, i.valid_to, i.replaced_by)
)
"""

#: Rows that source $1 did not say before: known from now.
OPEN_ROWS = """
INSERT INTO integration (ssin, member, sector, type, quality, phase, valid_from, valid_to, replaced_by, source)
SELECT DISTINCT s.ssin, s.member, s.sector, s.type, s.quality, s.phase, s.valid_from, s.valid_to, s.replaced_by, $1
FROM staged s
WHERE NOT EXISTS (
    SELECT FROM integration i
    WHERE i.known_to IS NULL AND i.source = $1 AND i.ssin = s.ssin
    AND (s.member, s.sector, s.type, s.quality, s.phase, s.valid_from, s.valid_to, s.replaced_by)
        IS NOT DISTINCT FROM
        (i.member, i.sector, i.type, i.quality, i.phase, i.valid_from, i.valid_to, i.replaced_by)
)
"""

#: One change of a person's rows at a time. Persons' numbers are the positive locks.
LOCK_PERSON = "SELECT pg_advisory_xact_lock($1)"

#: Whether this ticket's change was made.
CHANGED = "SELECT EXISTS (SELECT FROM change WHERE ticket_cbss = $1)"

#: It is made, with what else is in this transaction; and those of 30 days ago are forgotten.
CHANGE = """
WITH gone AS (
    DELETE FROM change WHERE ticket_cbss IN (
        SELECT ticket_cbss FROM change WHERE at < now() - interval '30 days' ORDER BY at LIMIT 10 FOR UPDATE SKIP LOCKED
    )
)
INSERT INTO change (ticket_cbss) VALUES ($1)
"""

#: What is known now of a number ($1) at a member ($2).
OWN_ROWS = """
SELECT id, ssin, member, sector, type, quality, phase, valid_from, valid_to, replaced_by
FROM integration WHERE ssin = $1 AND member = $2 AND known_to IS NULL ORDER BY quality, valid_from, id
"""

#: Rows that are no longer known, by their ids.
CLOSE_OWN = "UPDATE integration SET known_to = clock_timestamp() WHERE id = ANY($1::bigint[])"

#: A row of a member's own saying.
OPEN_OWN = """
INSERT INTO integration (ssin, member, sector, type, quality, phase, valid_from, valid_to, source, known_from)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp())
"""

ALIVE = "SELECT 1"

#: One change of a person's rows at a time; of two numbers the lower first. Persons' numbers are the positive locks.
LOCK_NUMBER = "SELECT pg_advisory_xact_lock($1)"

#: What is known now of these numbers ($1), of all members.
NUMBERS = """
SELECT id, ssin, member, sector, type, quality, phase, valid_from, valid_to, replaced_by
FROM integration WHERE ssin = ANY($1::bigint[]) AND known_to IS NULL ORDER BY member, id
"""

#: Rows of these ids are no longer known.
CLOSE_NUMBERS = "UPDATE integration SET known_to = clock_timestamp() WHERE id = ANY($1::bigint[])"

#: A row that a replacement made.
OPEN_NUMBER = """
INSERT INTO integration
    (ssin, member, sector, type, quality, phase, valid_from, valid_to, replaced_by, source, known_from)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, '(replacement)', clock_timestamp())
"""

#: A question that members answer in their own time; whether they were asked.
DEFER = """
INSERT INTO deferred (ticket_cbss, correlation_id, service, customer, members, body, received, expires)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (ticket_cbss) DO UPDATE SET correlation_id = excluded.correlation_id
RETURNING asked IS NOT NULL
"""

DEFERRED_ASKED = "UPDATE deferred SET asked = clock_timestamp() WHERE ticket_cbss = $1"

#: One question, while nobody else adds an answer to it.
DEFERRED = "SELECT * FROM deferred WHERE ticket_cbss = $1 FOR UPDATE"

#: The first answer of a member; whether its question is still there to be answered.
PART = """
WITH question AS (SELECT ticket_cbss FROM deferred WHERE ticket_cbss = $1 FOR KEY SHARE),
kept AS (
    INSERT INTO part (ticket_cbss, member, body) SELECT ticket_cbss, $2::text, $3::bytea FROM question
    ON CONFLICT DO NOTHING
)
SELECT EXISTS (SELECT FROM question)
"""

PARTS = "SELECT member, body FROM part WHERE ticket_cbss = $1"

DEFERRED_DONE = "DELETE FROM deferred WHERE ticket_cbss = $1"

#: Questions whose time is over.
OVERDUE = "SELECT ticket_cbss FROM deferred WHERE expires < clock_timestamp() ORDER BY expires LIMIT 200"

#: The next position of a member ($1), unless it has one under this ticket ($2): then none.
GIVE_POSITION = """
INSERT INTO member_recipient AS m (address, last) VALUES ($1, 1)
ON CONFLICT (address) DO UPDATE SET last = m.last + 1
WHERE NOT EXISTS (SELECT FROM member_word WHERE ticket_cbss = $2 AND recipient = $1)
RETURNING series, last
"""

#: A word for a member, until its queue has it; and those of 100 days ago are forgotten.
KEEP_WORD = """
WITH gone AS (
    DELETE FROM member_word WHERE (recipient, position) IN (
        SELECT recipient, position FROM member_word
        WHERE at < now() - interval '100 days' AND body IS NULL ORDER BY at LIMIT 10 FOR UPDATE SKIP LOCKED
    )
)
INSERT INTO member_word (recipient, position, ticket_cbss, origin, service, flow, entitled, body)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""

#: Words that wait for their members' queues, but for those of $1; $2 at most.
UNTOLD_WORDS = """
SELECT w.*, m.series FROM member_word w JOIN member_recipient m ON m.address = w.recipient
WHERE w.body IS NOT NULL AND w.recipient <> ALL ($1::text[]) ORDER BY w.recipient, w.position LIMIT $2
"""

#: A member's queue has them: numbers $2 of member $1.
WORDS_TOLD = "UPDATE member_word SET body = NULL WHERE recipient = $1 AND position = ANY ($2::bigint[])"

#: A member's series and newest position.
MEMBER_RECIPIENT = """
SELECT series, last,
       ARRAY(SELECT e.series FROM member_recipient_earlier e WHERE e.address = $1 ORDER BY e.series) AS earlier,
       ARRAY(SELECT e.last FROM member_recipient_earlier e WHERE e.address = $1 ORDER BY e.series) AS earlier_last
FROM member_recipient WHERE address = $1
"""

#: The next $3 words of a member ($1) behind a position ($2).
WORDS_AFTER = """
SELECT * FROM member_word WHERE recipient = $1 AND position > $2 ORDER BY position LIMIT $3
"""

#: Words of a member ($1) at these positions ($2).
WORDS_AT = "SELECT * FROM member_word WHERE recipient = $1 AND position = ANY ($2::bigint[]) ORDER BY position"

#: What a member ($2) was told under a ticket ($1).
WORD_OF = "SELECT * FROM member_word WHERE ticket_cbss = $1 AND recipient = $2"

#: A member's first definitive answer ($4), and whether it is positive ($3).
WORD_ANSWERED = """
UPDATE member_word SET answered = clock_timestamp(), found = $3, answer = $4
WHERE ticket_cbss = $1 AND recipient = $2 AND answered IS NULL
"""

#: The hub has this institution's answer under a ticket.
ANSWERS_TOLD = "UPDATE member_word SET answer = NULL WHERE ticket_cbss = $1"

#: The answers of all who were told under a ticket, a negative one first.
WORD_ANSWERS = """
SELECT answered, answer FROM member_word WHERE ticket_cbss = $1 ORDER BY answered IS NOT NULL, found, recipient
"""
