"""`crossroads watcher`: figures of what no process owns, for a container."""


def watcher() -> None:
    """Tell Prometheus what is in the queues and in the hub's database, until SIGTERM.

    It looks every two seconds and changes nothing: how many messages wait
    where, since when, and who reads them; who is behind with what he is told;
    how far lots are; questions that are answered later; the journal's newest
    row; what was decided and never answered. docs/operators.md lists every
    figure. One watcher is enough for a network; a second one says the same.

    Configured by the environment (docs/environment.md):

    CROSSROADS_DATABASE_URL: the hub's, of a user who may read it.

    CROSSROADS_RABBITMQ_ADMIN_URL: the broker's management API, of the user
    `monitor` that `crossroads provision` makes,
    http://monitor:password@host:15672

    CROSSROADS_HTTP_HOST, CROSSROADS_HTTP_PORT (127.0.0.1, 8080): where
    /metrics, /health, /ready and /live are.

    CROSSROADS_EVERY (2.0): seconds between two looks.

    CROSSROADS_NAME, CROSSROADS_LOG_LEVEL: what it is called, what it logs.

    Beside a running `crossroads up` there is one already: its address is
    printed with the others.

    Exit status: 0 stopped as asked, 1 its port is taken, 2 the settings are
    wrong.
    """
    import asyncio
    import sys

    from pydantic import ValidationError

    from deploy.watcher.process import run
    from deploy.watcher.settings import Settings
    from schemas.errors import CrossroadsError

    try:
        settings = Settings()
    except ValidationError as error:
        # pydantic's own text repeats what it was given, and a URL holds a password.
        wrong = (f"CROSSROADS_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        raise CrossroadsError("; ".join(wrong)) from None
    try:
        asyncio.run(run(settings))
    except OSError as error:
        sys.stderr.write(f"the watcher does not run: {error}\n")
        sys.exit(1)
