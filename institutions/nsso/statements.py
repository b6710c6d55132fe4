"""All SQL of the NSSO's office."""

from institutions.nsso.rows import ANSWER_COLUMNS, PERIOD_COLUMNS

_PERIOD = ", ".join(PERIOD_COLUMNS)
_ANSWER = ", ".join(f"d.{column}" for column in ANSWER_COLUMNS)

#: Whose periods ($1) are, and from when.
WHOSE = "SELECT id, person, starting_date FROM period WHERE id = ANY ($1) AND known_to IS NULL"

#: Sorted numbers ($1), held to the end of the transaction.
LOCK = "SELECT pg_advisory_xact_lock(number) FROM unnest($1::bigint[]) AS locks (number)"

CLOCK = "SELECT clock_timestamp()"

#: The database's own clock, behind the locks: no version is older than the one before it. And $1 counters of tickets,
#: $2 numbers of periods.
NUMBERS = """
SELECT clock_timestamp() AS now,
       array(SELECT nextval('ticket_counter') FROM generate_series(1, $1::integer)) AS tickets,
       array(SELECT nextval('period_number') FROM generate_series(1, $2::integer)) AS periods
"""

#: sender, environment, key, each an array.
DECLARATIONS = f"""
SELECT {_ANSWER} FROM declaration d
JOIN unnest($1::text[], $2::text[], $3::text[]) AS asked (sender, environment, key)
  ON d.sender = asked.sender AND d.environment = asked.environment AND d.key = asked.key
"""  # noqa: S608 - names of ours

#: Those of some persons ($1) that do not end before a day ($3), and those of some numbers ($2).
PERIODS = f"""
SELECT {_PERIOD} FROM period
WHERE known_to IS NULL
  AND ((person = ANY ($1) AND (ending_date IS NULL OR ending_date >= $3)) OR id = ANY ($2))
ORDER BY id
"""  # noqa: S608 - names of ours

#: Of a sender's ($1) simulated file ($2): those of some persons ($3) and of some numbers ($4), as it left them.
SIMULATED = f"""
SELECT {_PERIOD} FROM simulated WHERE sender = $1 AND file = $2 AND (person = ANY ($3) OR id = ANY ($4)) ORDER BY id
"""  # noqa: S608 - names of ours
NOT_SIMULATED = "DELETE FROM simulated WHERE sender = $1 AND file = $2 AND id = ANY ($3)"

#: Who is in the register no more is inactive: its user stays, without a right.
ALL_SENDERS = """
SELECT DISTINCT ON (number) number, name, language, rate, active AND known_to IS NULL AS active, certificates
FROM sender ORDER BY number, known_to DESC NULLS FIRST, id DESC
"""

#: Of the register, in one statement and so of one moment, what some forms need: of senders ($1) those there are; of
#: employers those of NSSO numbers ($2) or enterprise numbers ($3), and those for which senders that name none ($4) have
#: a mandate on some days ($5 to $6), an only one at most, since who has two has to say which; and of these senders all
#: mandates for these employers, each looked up: a planner that does not know yet how many were loaded has no choice.
REGISTER = """
WITH unnamed AS MATERIALIZED (
    SELECT DISTINCT m.employer FROM unnest($4::text[]) AS s (sender)
    CROSS JOIN LATERAL (
        SELECT employer FROM mandate
        WHERE sender = s.sender AND known_to IS NULL AND valid_from <= $6 AND coalesce(valid_to, $5) >= $5
        LIMIT 1000
    ) m
), meant AS MATERIALIZED (
    SELECT id, nsso FROM employer
    WHERE known_to IS NULL AND (nsso = ANY ($2 || array(SELECT employer FROM unnamed)) OR company = ANY ($3))
)
SELECT array(SELECT s FROM sender s WHERE s.known_to IS NULL AND s.number = ANY ($1)) AS senders,
       array(SELECT e FROM employer e WHERE e.id = ANY (array(SELECT id FROM meant))) AS employers,
       array(SELECT m.row FROM unnest($1::text[]) AS s (sender) CROSS JOIN meant CROSS JOIN LATERAL (
                 SELECT m AS row FROM mandate m
                 WHERE m.known_to IS NULL AND m.sender = s.sender AND m.employer = meant.nsso OFFSET 0
             ) m) AS mandates
"""

#: What is known of some periods ($1) ends ($2).
#: The database's clock may step back: a version has no negative time.
CLOSE = "UPDATE period SET known_to = greatest($2, known_from) WHERE id = ANY ($1) AND known_to IS NULL"

#: One period ($1) and whether it is locked or blocked.
PERIOD = f"SELECT {_PERIOD} FROM period WHERE id = $1 AND known_to IS NULL"  # noqa: S608 - names of ours

#: An employer's ($1), in an environment ($2), that touch days ($3 to $4, none: open), at most $5.
WORKERS = f"""
SELECT {_PERIOD} FROM period
WHERE known_to IS NULL AND employer = $1 AND environment = $2
  AND ($4::date IS NULL OR starting_date <= $4) AND ($3::date IS NULL OR ending_date IS NULL OR ending_date >= $3)
ORDER BY id LIMIT $5
"""  # noqa: S608 - names of ours

#: An employer's ($1) of identified persons, in an environment ($2), that touch days ($3 to $4) and are not cancelled.
EMPLOYED = f"""
SELECT {_PERIOD} FROM period
WHERE known_to IS NULL AND employer = $1 AND environment = $2 AND NOT cancelled AND ssin IS NOT NULL
  AND starting_date <= $4 AND (ending_date IS NULL OR ending_date >= $3)
"""  # noqa: S608 - names of ours

#: person, ticket, service, body, each an array; in this order they are told.
TELL = """
INSERT INTO crossroads_outbox (person, ticket, service, body)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[])
"""

#: Who loads is alone.
LOADING = "SELECT pg_advisory_xact_lock(-12)"

#: Who is named in mandates and stands in no file: file of the mandates, what, number, how many name it.
UNKNOWN = """
SELECT source, kind, number, count(*)::integer FROM (
    SELECT m.source, 'sender' AS kind, m.sender AS number FROM mandate m
    WHERE m.known_to IS NULL
      AND NOT EXISTS (SELECT FROM sender s WHERE s.number = m.sender AND s.known_to IS NULL)
    UNION ALL
    SELECT m.source, 'employer', m.employer FROM mandate m
    WHERE m.known_to IS NULL
      AND NOT EXISTS (SELECT FROM employer e WHERE e.nsso = m.employer AND e.known_to IS NULL)
) AS named GROUP BY source, kind, number ORDER BY source, kind, number
"""

# --- whose periods are ------------------------------------------------------------------------------------------

#: Numbers ($1) that were replaced, and the one that stands today.
NEWEST = "SELECT old, newest FROM replaced_number WHERE old = ANY ($1)"
#: old, newest, day.
REPLACED = """
INSERT INTO replaced_number (old, newest, day) VALUES ($1, $2, $3)
ON CONFLICT (old) DO UPDATE SET newest = excluded.newest
"""
#: What the number $1 had replaced is replaced by $2.
REPLACED_BEFORE = "UPDATE replaced_number SET newest = $2 WHERE newest = $1 AND old <> $2"
#: All of a person ($1), in all environments.
PERIODS_OF = f"SELECT {_PERIOD} FROM period WHERE known_to IS NULL AND person = $1 ORDER BY id"  # noqa: S608 - names of ours
#: Who may declare for employers ($1) on a day ($2).
SENDERS_FOR = """
SELECT DISTINCT m.sender, m.employer FROM mandate m
JOIN sender s ON s.number = m.sender AND s.known_to IS NULL AND s.active
WHERE m.known_to IS NULL AND m.employer = ANY ($1) AND m.valid_from <= $2 AND coalesce(m.valid_to, $2) >= $2
ORDER BY m.employer, m.sender
"""
#: Periods whose worker is only named and was not looked for yet, $1 at most: others leave them alone for $2.
CLAIM = """
INSERT INTO identification (period, due)
SELECT p.id, now() + $2::interval FROM period p LEFT JOIN identification i ON i.period = p.id
WHERE p.known_to IS NULL AND p.ssin IS NULL AND NOT p.cancelled AND p.environment = 'R'
  AND (i.period IS NULL OR (i.outcome IS NULL AND i.due <= now()))
ORDER BY p.id LIMIT $1
ON CONFLICT (period) DO UPDATE SET due = excluded.due
WHERE identification.outcome IS NULL AND identification.due <= now()
RETURNING period
"""
#: What came of looking for whose a period ($1) is.
OUTCOME = "UPDATE identification SET outcome = $2 WHERE period = $1"
UNIDENTIFIED = f"""
SELECT {", ".join("p." + name for name in PERIOD_COLUMNS)}, i.outcome FROM period p
LEFT JOIN identification i ON i.period = p.id
WHERE p.known_to IS NULL AND p.ssin IS NULL AND NOT p.cancelled AND p.environment = 'R'
ORDER BY p.id
"""  # noqa: S608 - names of ours
#: By which a period ($1) was declared.
DECLARED_BY = f"""
SELECT {_ANSWER} FROM declaration d
JOIN period p ON p.ticket = d.ticket WHERE p.id = $1 ORDER BY p.version LIMIT 1
"""  # noqa: S608 - names of ours
#: ticket, result, anomalies, and whether what it did stands.
SETTLE = """
UPDATE declaration SET result = $2, anomalies = $3, impact = CASE WHEN $4 THEN impact END WHERE ticket = $1
"""

_REFUSED = "o.code <> 'MSG00000' AND o.code <> 'MSG00021'"
_NOT_AGAIN = "NOT EXISTS (SELECT FROM told_again t WHERE t.entry = o.number)"
#: Of a service ($1), what was refused and not told anew.
UNTOLD = f"""
SELECT o.number, o.code, o.added, o.body FROM crossroads_outbox o
WHERE {_REFUSED} AND o.service = $1 AND {_NOT_AGAIN} ORDER BY o.number
"""  # noqa: S608 - names of ours
#: As UNTOLD, about one person ($2), of one code ($3).
UNTOLD_OF = f"""
SELECT o.number, o.code, o.added, o.body FROM crossroads_outbox o
WHERE {_REFUSED} AND o.service = $1 AND o.person = $2 AND o.code = $3 AND {_NOT_AGAIN} ORDER BY o.number
"""  # noqa: S608 - names of ours
#: As UNTOLD, one ($2).
UNTOLD_ONE = f"""
SELECT o.number, o.code, o.added, o.body FROM crossroads_outbox o
WHERE {_REFUSED} AND o.service = $1 AND o.number = $2 AND {_NOT_AGAIN}
"""  # noqa: S608 - names of ours
#: Whom an entry ($1) is about, and of which service.
ENTRY = "SELECT person, service FROM crossroads_outbox WHERE number = $1"
TOLD_AGAIN = "INSERT INTO told_again (entry) VALUES ($1) ON CONFLICT DO NOTHING RETURNING entry"
