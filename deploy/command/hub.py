"""`crossroads hub`: one hub process, for a container."""


def hub() -> None:
    """Run one hub process until SIGTERM, configured by CROSSROADS_* in the environment.

    CROSSROADS_AMQP_URL (nodes, comma separated) and CROSSROADS_DATABASE_URL must be set; docs/environment.md lists
    the others.
    """
    import sys

    from hub.__main__ import main

    sys.exit(main())
