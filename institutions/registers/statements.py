"""All SQL of the registers."""

#: Persons whose last name sounds so ($1).
SOUND = """
SELECT ssin, last_name, first_names, gender, birth_date FROM person WHERE sound = $1 AND replaced_by IS NULL
ORDER BY ssin
"""

#: Who has this number ($1).
PERSON = "SELECT ssin, last_name, first_names, gender, birth_date FROM person WHERE ssin = $1 AND replaced_by IS NULL"

#: Columns of an entry that is loaded.
LOADED = ("ssin", "last_name", "first_names", "gender", "birth_date", "sound", "replaced_by", "replaced_on")

#: One who registers somebody whose name sounds so ($1) at a time.
LOCK_SOUND = "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))"

#: One who takes a counter of a day ($1: the first six digits of its numbers) at a time.
LOCK_DAY = "SELECT pg_advisory_xact_lock(hashtextextended($1, 2))"

#: The number that was given under a ticket.
TICKET = "SELECT ssin FROM person WHERE ticket_cbss = $1"

#: Numbers of a day, by their range.
DAY = "SELECT ssin FROM person WHERE ssin BETWEEN $1 AND $2"

ADD = """
INSERT INTO person (ssin, last_name, first_names, gender, birth_date, sound, ticket_cbss)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""

#: A number ($1) that stands here is replaced by another ($2) from a day on ($3); a second word of it changes nothing.
REPLACE = "UPDATE person SET replaced_by = $2, replaced_on = $3 WHERE ssin = $1 AND replaced_by IS NULL"

#: All numbers of the person who has or had one ($1), and what replaced each; none where no register knows it.
RELATED = """
WITH RECURSIVE family (ssin) AS (
    SELECT $1::bigint
    UNION
    SELECT CASE WHEN p.ssin = f.ssin THEN p.replaced_by ELSE p.ssin END
    FROM person p JOIN family f ON p.ssin = f.ssin OR p.replaced_by = f.ssin
    WHERE p.replaced_by IS NOT NULL
)
SELECT f.ssin, p.replaced_by, p.ssin IS NOT NULL AS here FROM family f LEFT JOIN person p ON p.ssin = f.ssin
ORDER BY f.ssin
"""
