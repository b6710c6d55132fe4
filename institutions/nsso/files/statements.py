"""All SQL of files on their way, and of what is told unasked."""

from institutions.nsso.rows import ANSWER_COLUMNS

#: A sending ($1 sender, $2 transfer), locked.
FILE_OF = "SELECT * FROM file WHERE sender = $1 AND transfer = $2 FOR UPDATE"
FILE = "SELECT * FROM file WHERE id = $1"
#: sender, transfer, name, when; nothing where the name is another sending's.
PUT_FILE = """
INSERT INTO file (sender, transfer, name, state, began) VALUES ($1, $2, $3, 'coming', $4) ON CONFLICT DO NOTHING
"""
#: The same of one that is cancelled before anything of it came.
PUT_CANCELLED = """
INSERT INTO file (sender, transfer, name, state, began) VALUES ($1, $2, $3, 'cancelled', $4)
ON CONFLICT (sender, transfer) DO NOTHING
"""
CANCEL = """
UPDATE file SET state = 'cancelled'
WHERE sender = $1 AND transfer = $2 AND name = $3 AND state IN ('coming', 'complete') RETURNING id
"""
#: file, part, offset, bytes.
PUT_SLICE = "INSERT INTO slice (file, name, at, bytes) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING at"
SLICE = "SELECT bytes FROM slice WHERE file = $1 AND name = $2 AND at = $3"
#: Some of a file's ($1), at most $2.
FORGET_SLICES = """
DELETE FROM slice WHERE file = $1 AND (name, at) IN (SELECT name, at FROM slice WHERE file = $1 LIMIT $2) RETURNING at
"""
ENDED_WITH_SLICES = """
SELECT id FROM file f WHERE (state IN ('done', 'refused', 'cancelled') OR errors <> '')
AND id IN (SELECT file FROM slice)
"""
#: What a sender has here of files that are not at their end.
BYTES_OF_SENDER = """
SELECT coalesce(sum(bytes), 0)::bigint FROM file WHERE sender = $1 AND state IN ('coming', 'complete', 'accepted')
"""
NOTE = """
UPDATE file SET parts = $2, bytes = bytes + $3, errors = $4, go = $5, gone = $6, state = $7, received = $8
WHERE id = $1
"""

WITHOUT_GO = """
SELECT * FROM file WHERE state = 'coming' AND go IS NULL AND began < $1 ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED
"""
#: Judged as they are.
INCOMPLETE = """
UPDATE file SET state = 'complete', received = $2 WHERE state = 'coming' AND gone < $1 RETURNING id
"""
#: Of each sender the first to be judged, and the first to be handled: who sends many has one place in the turns, and
#: theirs are handled as they were completed. Those that are stopped wait beside.
WORK = """
SELECT id FROM file f WHERE stopped IS NULL AND id <> ALL ($1::bigint[]) AND state IN ('complete', 'accepted')
AND NOT EXISTS (
    SELECT FROM file e WHERE e.sender = f.sender AND e.stopped IS NULL AND (e.received, e.id) < (f.received, f.id)
    AND e.state IN ('complete', 'accepted') AND (e.state = 'complete' OR e.state = f.state)
) ORDER BY state DESC, received, id LIMIT $2
"""
SENDER = "SELECT active, certificates FROM sender WHERE number = $1 AND known_to IS NULL"
#: file, codes, state that it has now.
REFUSE = "UPDATE file SET state = 'refused', errors = $2 WHERE id = $1 AND state = $3 RETURNING id"
TICKET = "SELECT nextval('ticket_counter')"
ACCEPT = """
UPDATE file SET state = 'accepted', ticket = $2, forms = $3 WHERE id = $1 AND state = 'complete' RETURNING id
"""
PROGRESS = "UPDATE file SET done = $2 WHERE id = $1 AND state = 'accepted' AND done < $2 RETURNING id"
#: file, ordinal that is done by now, and the one before.
ANSWERED = """
UPDATE file SET done = $2, told = $2 WHERE id = $1 AND state = 'accepted' AND done = $3 RETURNING id
"""
FINISH = "UPDATE file SET state = 'done' WHERE id = $1 AND state = 'accepted' AND done = forms RETURNING id"
FORGET_SIMULATED = "DELETE FROM simulated WHERE sender = $1 AND file = $2"
#: Of a simulated file: declarations ($2 keys) of a sender ($1) that were told.
FORGET_TOLD = "DELETE FROM declaration WHERE sender = $1 AND environment = 'S' AND key = ANY ($2)"
STOP = "UPDATE file SET stopped = $2 WHERE id = $1"
GO_ON = "UPDATE file SET stopped = NULL WHERE name = $1 AND stopped IS NOT NULL RETURNING id"
#: All of them ($1), or those that are not at their end.
FILES = """
SELECT * FROM file WHERE $1 OR state IN ('coming', 'complete', 'accepted') OR told < done
ORDER BY id DESC LIMIT $2
"""
#: Forms of files that are not at their end: received and not judged, judged and not told, told.
FORMS = """
SELECT coalesce(sum(forms - done), 0)::bigint AS received, coalesce(sum(done - told), 0)::bigint AS judged,
       coalesce(sum(told), 0)::bigint AS told
FROM file WHERE id IN (SELECT id FROM file WHERE state = 'accepted' UNION SELECT id FROM file WHERE told < done)
"""

#: Senders to whom something is to be told.
TO_TELL = """
SELECT sender FROM outgoing WHERE told IS NULL AND aside IS NULL
UNION SELECT sender FROM file WHERE told < done AND aside IS NULL
"""
#: A sender's, in the order in which they were put; at most $2, of $3 bytes together, or one.
OUTGOING = """
SELECT o.id, o.form, o.reference, o.body, o.headers FROM outgoing o JOIN (
    SELECT id, sum(octet_length(body)) OVER (ORDER BY id) AS bytes, row_number() OVER (ORDER BY id) AS place
    FROM (
        SELECT id, body FROM outgoing WHERE sender = $1 AND told IS NULL AND aside IS NULL ORDER BY id LIMIT $2
    ) AS waiting
) AS taken USING (id) WHERE place = 1 OR taken.bytes <= $3 ORDER BY id
"""
#: Of what waits to be told to a sender, at most $2 answers.
WAITING = """
SELECT count(*) AS answers, coalesce(sum(octet_length(body)), 0)::bigint AS bytes
FROM (SELECT body FROM outgoing WHERE sender = $1 AND told IS NULL LIMIT $2) AS waiting
"""
#: What our code fails at: an answer, or a file, and why; what is so; and that it is tried again.
SET_ASIDE = {table: f"UPDATE {table} SET aside = $2 WHERE id = $1" for table in ("outgoing", "file")}  # noqa: S608
ASIDE = """
SELECT id, sender, form, coalesce(headers->>'file', reference) AS name, aside FROM outgoing
WHERE aside IS NOT NULL AND told IS NULL ORDER BY id DESC LIMIT $1
"""
TRY_AGAIN = (
    "UPDATE outgoing SET aside = NULL WHERE told IS NULL AND aside IS NOT NULL",
    "UPDATE file SET aside = NULL WHERE told < done AND aside IS NOT NULL",
)
TOLD = "UPDATE outgoing SET told = clock_timestamp() WHERE id = ANY ($1::bigint[])"
#: The bytes of what was told before $1 go.
FORGET_BYTES = """
UPDATE outgoing SET body = '' WHERE id IN (SELECT id FROM outgoing WHERE body <> '' AND told < $1 LIMIT 1000)
"""
#: A sender's first file with answers to tell.
UNTOLD = """
SELECT * FROM file WHERE sender = $1 AND told < done AND aside IS NULL ORDER BY received, id LIMIT 1
"""
TOLD_UP_TO = "UPDATE file SET told = $2 WHERE id = $1 AND told < $2"
#: Of some keys ($3) of a sender ($1) in an environment ($2), what answers are made from: what was declared stays there.
ANSWERS = f"""
SELECT {", ".join(ANSWER_COLUMNS)} FROM declaration WHERE sender = $1 AND environment = $2 AND key = ANY ($3)
"""  # noqa: S608 - names of ours
LANGUAGE = "SELECT language FROM sender WHERE number = $1 ORDER BY known_to DESC NULLS FIRST, id DESC LIMIT 1"

#: Session's locks: of a class of their own, so that they meet no other.
LOCK_FILE = "SELECT pg_try_advisory_lock(-13, $1::integer)"
UNLOCK_FILE = "SELECT pg_advisory_unlock(-13, $1::integer)"
LOCK_TELLING = "SELECT pg_try_advisory_lock(-14, 0)"
