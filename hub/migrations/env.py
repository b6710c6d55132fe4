"""Alembic's environment: the connection of `migrate`, and its lock."""

from alembic import context
from sqlalchemy import text

from hub.migrations import LOCK

connection = context.config.attributes["connection"]
connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
context.configure(connection=connection)
with context.begin_transaction():
    context.run_migrations()
