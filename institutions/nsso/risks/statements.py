"""All SQL of risks, and of what is anticipated with them."""

#: Of a worker ($2) at an employer ($3) in an environment ($1).
RISKS = """
SELECT ticket, environment, employer, company, person, identification, starts, recovers, forms, resumptions, cancelled
FROM risk WHERE known_to IS NULL AND environment = $1 AND person = $2 AND employer = $3 ORDER BY version
"""

#: The one whose ticket is $1.
RISK = """
SELECT ticket, environment, employer, company, person, identification, starts, recovers, forms, resumptions, cancelled
FROM risk WHERE known_to IS NULL AND ticket = $1
"""

#: What is known of a risk ($1) ends ($2); the database's clock may step back.
CLOSE_RISK = "UPDATE risk SET known_to = greatest($2, known_from) WHERE known_to IS NULL AND ticket = $1"

OPEN_RISK = """
INSERT INTO risk (ticket, environment, employer, company, person, identification, starts, recovers, forms, resumptions,
                  cancelled, made_by, known_from)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""

#: Whether a worker ($2) has a Dimona period at an employer ($3) in an environment ($1): on a day ($4), and at all.
WORKED = """
SELECT coalesce(bool_or(starting_date <= $4 AND (ending_date IS NULL OR ending_date >= $4)), false) AS then,
       count(*) > 0 AS ever
FROM period WHERE known_to IS NULL AND environment = $1 AND person = $2 AND employer = $3 AND NOT cancelled
"""

#: What was anticipated with a risk ($1) is over ($2).
CLOSE_ANTICIPATED = "UPDATE anticipated SET known_to = greatest($2, known_from) WHERE known_to IS NULL AND risk = $1"

OPEN_ANTICIPATED = """
INSERT INTO anticipated (risk, environment, employer, company, person, quarter, records, made_by, known_from)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""

#: Of which quarters something is anticipated of a worker ($2) at an employer ($3) in an environment ($1).
QUARTERS = """
SELECT DISTINCT quarter FROM anticipated
WHERE known_to IS NULL AND environment = $1 AND person = $2 AND employer = $3
"""

#: Of a person ($1) in quarters ($2 to $3, none: open): of an employer's quarter what was said last.
ANTICIPATED = """
SELECT DISTINCT ON (employer, quarter) employer, company, quarter, records FROM anticipated
WHERE known_to IS NULL AND environment = 'R' AND person = $1 AND quarter >= $2 AND ($3::text IS NULL OR quarter <= $3)
ORDER BY employer, quarter, id DESC
"""

ANTICIPATED_PERSONS = """
SELECT DISTINCT person FROM anticipated
WHERE known_to IS NULL AND environment = $1 AND employer = $2 AND quarter = $3
"""

#: An employer's ($2) of a quarter ($3) in an environment ($1), which is over ($4).
END_ANTICIPATED = """
UPDATE anticipated SET known_to = greatest($4, known_from)
WHERE known_to IS NULL AND environment = $1 AND employer = $2 AND quarter = $3
RETURNING id, risk, person, records
"""

WAITS = "INSERT INTO risk_told (number, sender, environment, key) VALUES ($1, $2, $3, $4)"

#: The form that waits for an entry of the outbox ($1), locked.
WAITING = """
SELECT sender, environment, key FROM risk_told WHERE number = $1 AND NOT settled FOR UPDATE
"""

SETTLED = "UPDATE risk_told SET settled = true WHERE number = $1"

DECLARATION = "SELECT * FROM declaration WHERE sender = $1 AND environment = $2 AND key = $3"

SETTLE = "UPDATE declaration SET result = $4, anomalies = $5 WHERE sender = $1 AND environment = $2 AND key = $3"

LANGUAGE = "SELECT language FROM sender WHERE number = $1 ORDER BY known_to DESC NULLS FIRST, id DESC LIMIT 1"

#: Risks of a person ($1) in all environments.
RISKS_OF = """
SELECT ticket, environment, employer, company, person, identification, starts, recovers, forms, resumptions, cancelled
FROM risk WHERE known_to IS NULL AND person = $1 ORDER BY version
"""

#: What is anticipated of a person ($1) is another number's ($2) from a moment on ($3).
MOVE_ANTICIPATED = """
WITH closed AS (
    UPDATE anticipated SET known_to = greatest($3, known_from) WHERE known_to IS NULL AND person = $1
    RETURNING id, risk, environment, employer, company, quarter, records, made_by, known_to
)
INSERT INTO anticipated (risk, environment, employer, company, person, quarter, records, made_by, known_from)
SELECT risk, environment, employer, company, $2, quarter, records, made_by, known_to FROM closed ORDER BY id
"""

#: A form that waited for an entry of the outbox ($1) waits for another ($2).
WAITS_NOW = "UPDATE risk_told SET number = $2 WHERE number = $1 AND NOT settled"
