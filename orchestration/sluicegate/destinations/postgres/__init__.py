"""Postgres: rows and delivery id in one transaction."""

from .destination import PostgresDestination, PostgresOptions

__all__ = ["PostgresDestination", "PostgresOptions"]
