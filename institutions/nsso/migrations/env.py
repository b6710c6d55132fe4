"""Run by Alembic."""

from schemas.process.migrating import environment

environment()
