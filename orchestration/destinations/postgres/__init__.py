"""Postgres: rows and delivery id in one transaction."""

from .destination import PostgresDestination

__all__ = ["PostgresDestination"]
