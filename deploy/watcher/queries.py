"""All SQL of the watcher: it reads the hub's database."""

RULES_LOAD = "SELECT coalesce(max(number), 0) FROM rules_load"
INSTITUTIONS = "SELECT address, name, active, managed_by FROM institution WHERE known_to = 'infinity'"
#: The newest row; of partitions without rows none is found.
JOURNAL = """
SELECT number, extract(epoch FROM clock_timestamp() - at)::float8 AS age FROM journal
ORDER BY at DESC, number DESC LIMIT 1
"""
#: Partitions are named by their month.
PARTITIONS = r"""
SELECT extract(epoch FROM (max(to_date(substr(c.relname, 9), 'YYYY_MM')) + interval '1 month') AT TIME ZONE 'UTC'
                          - now())::float8 / 86400
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'journal'::regclass
AND c.relname ~ '^journal_[0-9]{4}_[0-9]{2}$'
"""
#: Decided from $1 on, up to a minute ago, and not answered since. Who is to be answered later is not among them.
WITHOUT_OUTCOME = """
SELECT DISTINCT j.ticket_cbss FROM journal j JOIN ticket t ON t.ticket_cbss = j.ticket_cbss
WHERE j.at >= $1 AND j.at < $2 AND j.kind IN ('decision', 'resumed') AND t.told IS NULL
AND NOT EXISTS (SELECT FROM open_question q WHERE q.ticket_cbss = j.ticket_cbss)
"""
#: Of tickets that were without an outcome, those that still are.
STILL_WITHOUT_OUTCOME = """
SELECT ticket_cbss FROM ticket t WHERE ticket_cbss = ANY ($1::uuid[]) AND told IS NULL
AND NOT EXISTS (SELECT FROM open_question q WHERE q.ticket_cbss = t.ticket_cbss)
"""
NOW = "SELECT clock_timestamp()"
RECIPIENTS = """
SELECT r.address, CASE WHEN r.owed_from IS NULL THEN 0 ELSE r.last - r.owed_from + 1 END AS behind,
       extract(epoch FROM clock_timestamp() - m.at)::float8 AS owed
FROM recipient r LEFT JOIN (delivery d JOIN mutation m ON m.ticket_cbss = d.ticket_cbss)
    ON d.recipient = r.address AND d.position = r.owed_from
"""
#: Those that a consultation may still be sent of: their tickets are kept as long.
LOTS = """
SELECT lot, customer, count, extract(epoch FROM clock_timestamp() - opened)::float8 AS age FROM lot
WHERE closed IS NULL AND opened > now() - interval '30 days'
"""
TICKETS = "SELECT ticket_cbss FROM ticket WHERE ticket_cbss = ANY ($1::uuid[])"
QUESTIONS = """
SELECT supplier, count(*) AS open, extract(epoch FROM clock_timestamp() - min(received))::float8 AS age
FROM open_question WHERE told IS NULL AND answered IS NULL GROUP BY supplier
"""
#: Of this server those that may be read; reckoned from the sizes of files.
DATABASES = """
SELECT datname, pg_database_size(oid) AS bytes FROM pg_database
WHERE datallowconn AND NOT datistemplate AND has_database_privilege(oid, 'CONNECT')
"""
#: Those that were not silent for $1 seconds.
HUB_PROCESSES = """
SELECT ready, count(*) AS processes FROM hub_process WHERE beat > now() - make_interval(secs => $1) GROUP BY ready
"""
