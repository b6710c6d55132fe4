"""All SQL of the doctor: it reads the hub's database, and changes nothing."""

VERSION = "SELECT current_setting('server_version_num')::integer"
HAS_TABLE = "SELECT to_regclass($1) IS NOT NULL"
REVISION = "SELECT version_num FROM alembic_version"
SETTINGS = "SELECT name, setting FROM pg_settings WHERE name = ANY ($1::text[])"
SUPERUSER = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
WRITABLE = """
SELECT has_table_privilege('journal', 'INSERT') AND NOT pg_is_in_recovery()
   AND NOT EXISTS (SELECT FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS c (setting)
                   WHERE s.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = current_user))
                     AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
                     AND c.setting = 'default_transaction_read_only=on')
"""
JOURNAL_TABLES = """
SELECT c.relname AS name FROM pg_class c
WHERE c.oid = 'journal'::regclass OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'journal'::regclass)
ORDER BY 1
"""
JOURNAL_TRIGGERS = """
SELECT c.relname AS table, t.tgname AS name, t.tgenabled IN ('O', 'A') AS enabled
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE t.tgname IN ('journal_append_only', 'journal_not_emptied')
  AND (c.oid = 'journal'::regclass OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'journal'::regclass))
ORDER BY 1, 2
"""
#: Partitions are named by their month.
PARTITIONS_UNTIL = r"""
SELECT (max(to_date(substr(c.relname, 9), 'YYYY_MM')) + interval '1 month')::date
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'journal'::regclass
AND c.relname ~ '^journal_[0-9]{4}_[0-9]{2}$'
"""
#: Who was in the register, and is not.
GONE = """
SELECT DISTINCT ON (address) address, name, known_to AS since FROM institution i
WHERE NOT EXISTS (SELECT FROM institution n WHERE n.address = i.address AND n.known_to = 'infinity')
ORDER BY address, known_to DESC
"""
#: What was refused of these ($1, each gone since $2), by themselves or through another, within the last hour: what was
#: refused before they were gone has another reason.
REFUSED = """
SELECT coalesce(sender, '') AS sender, coalesce(customer, '') AS customer, coalesce(service, '') AS service, code,
       count(*) AS count, max(at) AS last
FROM journal j
WHERE at >= now() - interval '1 hour' AND kind = 'decision' AND verdict = 'refused'
  AND EXISTS (
    SELECT FROM unnest($1::text[], $2::timestamptz[]) AS gone (address, since)
    WHERE gone.address IN (j.sender, j.customer) AND j.at >= gone.since
  )
GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC LIMIT 20
"""
PAUSED = """
SELECT kind, what, since, until FROM control
WHERE ended IS NULL AND (until IS NULL OR until > now()) ORDER BY since
"""
KEY_ID = "SELECT key_id FROM journal_person ORDER BY at DESC, number DESC LIMIT 1"
