"""All SQL of the buffer."""

KEY = "SELECT key FROM secret"

#: Who writes is alone; who reads never waits.
LOCK = "SELECT pg_advisory_xact_lock(-251)"

#: Holdings of these persons ($1).
HOLDINGS = (
    "SELECT id, ssin, status, reference, valid_from, valid_to FROM holding WHERE known_to IS NULL AND ssin = ANY ($1)"
)

CLOSE = "UPDATE holding SET known_to = now() WHERE id = ANY ($1)"

#: ssin, status, reference, from, to, each an array.
OPEN = """
INSERT INTO holding (ssin, status, reference, valid_from, valid_to)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::date[], $5::date[])
"""

#: What persons ($1) were told to have.
QUARTERS = "SELECT reference, ssin, status, first, last FROM quarters WHERE ssin = ANY ($1)"

REMOVE = "DELETE FROM quarters WHERE reference = ANY ($1)"

#: reference, ssin, status, first, last, each an array.
PUT = """
INSERT INTO quarters (reference, ssin, status, first, last)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::integer[], $5::integer[])
ON CONFLICT (reference) DO UPDATE SET first = excluded.first, last = excluded.last
"""

#: The statuses ($2) that a person ($1) has in one of the quarters from $3 to $4, each with all of its run.
ANSWER = """
SELECT status, first, last FROM quarters
WHERE ssin = $1 AND status = ANY ($2) AND first <= coalesce($4, first) AND coalesce(last, $3) >= $3
ORDER BY status, first
"""

#: What a number ($1) had is another's ($2); nothing is written anew but the number.
MOVE_HOLDINGS = """
UPDATE holding SET known_to = now() WHERE ssin = $1 AND known_to IS NULL
RETURNING status, reference, valid_from, valid_to
"""
MOVE_QUARTERS = "UPDATE quarters SET ssin = $2 WHERE ssin = $1 RETURNING reference, status, first, last"

TOLD = "INSERT INTO told (reference, ticket, because) VALUES ($1, $2, $3)"

#: The messages of ours that one of a source ($1) led to.
LED_TO = "SELECT ticket FROM told WHERE because = $1 ORDER BY at, ticket"

#: Runs that ended before a quarter ($1), with their holdings; $2: what was known before, $3: what was told before.
FORGET_RUNS = """
WITH gone AS (DELETE FROM quarters WHERE last < $1 RETURNING ssin, status, last)
DELETE FROM holding h USING gone g
WHERE h.ssin = g.ssin AND h.status = g.status
  AND h.valid_to < make_date((g.last + 1) / 4, (g.last + 1) % 4 * 3 + 1, 1)
"""
FORGET_HOLDINGS = "DELETE FROM holding WHERE known_to < $1"
FORGET_TOLD = "DELETE FROM told WHERE at < $1"

#: How many lines of a file ($1) are in.
FILLED = "SELECT done FROM filled WHERE sha256 = $1"
FILL = """
INSERT INTO filled (sha256, done) VALUES ($1, $2) ON CONFLICT (sha256) DO UPDATE SET done = excluded.done
"""
