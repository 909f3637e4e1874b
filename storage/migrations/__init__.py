"""Alembic migrations, applied by `rekey migrate` and on start; package data of the wheel."""
