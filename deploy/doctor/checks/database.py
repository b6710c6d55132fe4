"""The hub's database, and what only it keeps."""

from datetime import timedelta

from deploy.doctor.facts import Facts, see
from deploy.doctor.finding import Finding, NotSeen, good, unknown, warning, wrong
from hub.journal.keys import PersonKeyError, PersonKeys

_OLDEST = 150_000
#: Partitions that end sooner than this: nobody has made the next ones; sooner than that: soon nothing is taken.
_SOON, _VERY_SOON = timedelta(days=45), timedelta(days=7)
#: Clocks that differ by more are worth a look, and by this much wrong, seconds: rights begin and end by them.
_OFF, _FAR_OFF = 2.0, 30.0
_KEEPING = ("journal_append_only", "journal_not_emptied")


def reachable(facts: Facts) -> Finding:
    """Whether it answers, and of which version it is."""
    if isinstance(facts.database, NotSeen):
        if not facts.database.failed:
            return unknown(facts.database.why)
        return wrong(facts.database.why, (), "pg_isready", "look at CROSSROADS_DATABASE_URL")
    version = facts.database.version
    told = f"PostgreSQL {version // 10_000}.{version % 10_000}"
    if version < _OLDEST:
        return wrong(f"{told}: older than {_OLDEST // 10_000}, which the network needs", (), "update the server")
    return good(told)


def migrations(facts: Facts) -> Finding:
    """Whether its tables are those of this version."""
    seen = see(facts.database)
    if seen.revision is None:
        return wrong("there are no tables", (), "start a hub (crossroads hub): it makes them")
    if seen.revision == seen.newest:
        return good(f"at {seen.revision}")
    if seen.revision < (seen.newest or ""):
        return wrong(
            f"at {seen.revision}, not at {seen.newest}",
            (),
            "start a hub of this version (crossroads hub): it brings them there",
        )
    return wrong(f"at {seen.revision}, newer than this version's {seen.newest}", (), "use the version that runs")


def partitions(facts: Facts) -> Finding:
    """Whether the journal has a place for the coming months."""
    until = see(facts.database).partitions_until
    if until is None:
        return wrong("the journal has no partition: nothing can be decided", (), _MAKE)
    left = until - facts.today
    told = f"for {left.days} days, until {until}"
    if left <= timedelta():
        return wrong(f"none since {until}: nothing can be decided", (), _MAKE)
    if left < _VERY_SOON:
        return wrong(told, (), _MAKE)
    return warning(told, (), _MAKE) if left < _SOON else good(told)


_MAKE = "start a hub anew (crossroads hub): it makes those of three months, and does so each hour it runs"


def journal_kept(facts: Facts) -> Finding:
    """Whether the hub may add to the journal, and nobody may change it."""
    seen = see(facts.database)
    if not seen.tables:
        return wrong("there is no journal", (), "start a hub (crossroads hub): it makes its tables")
    there = {(one.table, one.name): one.enabled for one in seen.triggers}
    faults = [
        f"{table}: {name} is {'switched off' if (table, name) in there else 'missing'}"
        for table in seen.tables
        for name in _KEEPING
        if not there.get((table, name), False)
    ]
    if faults:
        return wrong(
            "the journal could be changed",
            tuple(faults),
            "ALTER TABLE … ENABLE TRIGGER …; one that is missing: restore it as hub/migrations 0003 makes it, and find "
            "out who took it away",
        )
    if not seen.writable:
        return wrong("the hub's role may not add to it: nothing can be decided", (), "GRANT INSERT ON journal TO …")
    may = "; its role is a superuser, who may switch that off" if seen.superuser else ""
    return good(f"append-only in all of its {len(seen.tables)} tables{may}")


def journal_keys(facts: Facts) -> Finding:
    """Whether what is written about a person can be found again."""
    if facts.journal_keys is None:
        return unknown("the keys are not known here: set CROSSROADS_JOURNAL_KEY")
    try:
        keys = PersonKeys.parse(facts.journal_keys)
    except PersonKeyError as error:
        return wrong(f"CROSSROADS_JOURNAL_KEY: {error}", (), "openssl rand -hex 32 makes a secret")
    known = [key.id for key in keys.keys]
    used = None if isinstance(facts.rows, NotSeen) else facts.rows.key_id
    if used is not None and used not in known:
        return wrong(
            f"the hubs write under the key {used}, which is none of those given here ({', '.join(known)})",
            (),
            f"give the key {used} too: without it nobody finds those rows again (docs/journal.md)",
        )
    return good(f"{', '.join(known)}; in use: {used or known[0]}")


def log_settings(facts: Facts) -> Finding:
    """Whether the server's log could hold what stood in a message: docs/hub.md, last lines."""
    settings = see(facts.database).settings
    faults = []
    if (verbosity := settings.get("log_error_verbosity")) != "terse":
        faults.append(f"log_error_verbosity = {verbosity}: an error's DETAIL repeats the row; terse")
    if (length := settings.get("log_parameter_max_length_on_error")) != "0":
        faults.append(f"log_parameter_max_length_on_error = {length}: an error repeats the parameters; 0")
    if (statement := settings.get("log_statement")) != "none":
        faults.append(f"log_statement = {statement}: statements are logged with their parameters; none")
    faults += [
        f"{slow} = {settings[slow]}: slow statements are logged with their parameters; -1"
        for slow in ("log_min_duration_statement", "auto_explain.log_min_duration")
        if settings.get(slow, "-1") != "-1" and settings.get("log_parameter_max_length") != "0"
    ]
    if faults:
        return wrong(
            "personal data may get into the server's log",
            tuple(faults),
            "ALTER SYSTEM SET … = …; SELECT pg_reload_conf(); then remove the logs that were written",
        )
    return good("no value gets into it")


def clocks(facts: Facts) -> Finding:
    """Whether broker and database have our time: periods, deadlines and tickets go by it."""
    seen = {
        name: part.ahead
        for name, part in (("database", facts.database), ("broker", facts.broker))
        if not isinstance(part, NotSeen)
    }
    if not seen:
        return unknown("neither the database's nor the broker's clock was seen")
    off = {name: ahead for name, ahead in seen.items() if abs(ahead) >= _OFF}
    details = tuple(
        f"the {name}'s is {abs(s):.1f} s {'ahead of' if s > 0 else 'behind'} ours" for name, s in off.items()
    )
    synchronise = "synchronise the machines' clocks (chronyc tracking)"
    if any(abs(ahead) >= _FAR_OFF for ahead in off.values()):
        return wrong("clocks differ", details, synchronise)
    if off:
        return warning("clocks differ", details, synchronise)
    return good(f"{' and '.join(f'the {name}' for name in seen)} within {_OFF:.0f} s of ours")
