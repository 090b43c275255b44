"""Postgres for the conformance test: a real server, and a witness in it of every row that arrives."""

from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest
from psycopg.rows import dict_row
from sluicegate.destinations.base import Destination
from sluicegate.destinations.postgres import PostgresDestination

from .base import Case

# The destination makes its table itself; the event trigger puts the witness at it the moment it is there.
_WITNESS = """
create schema witness;
create table witness.arrivals (content text not null);
create function witness.note() returns trigger language plpgsql as $$
  begin insert into witness.arrivals values (new::text); return null; end $$;
create function witness.attend() returns event_trigger language plpgsql as $$
  begin
    if to_regclass('public.items') is not null and not exists
       (select from pg_trigger where tgrelid = to_regclass('public.items') and tgname = 'witness')
    then
      create trigger witness after insert or update on public.items
        for each row execute function witness.note();
    end if;
  end $$;
create event trigger witness on ddl_command_end when tag in ('CREATE TABLE')
  execute function witness.attend();
"""


class PostgresCase(Case):
    """A database of its own."""

    destination_class: ClassVar[type[Destination]] = PostgresDestination
    in_parts = False

    def __init__(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        super().__init__(request, tmp_path)
        plain: str = request.getfixturevalue("database_url")
        # The test's server takes any password; errors must not show this one.
        self.url = plain.replace("postgres:@", "postgres:hush%214711@")
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(_WITNESS)

    def contents(self) -> list[dict[str, Any]]:
        if self._rows("select to_regclass('public.items') as found")[0]["found"] is None:
            return []
        return self._rows("select * from public.items order by 1, 2")

    def twice(self) -> int:
        """Rows of one content that were inserted, and committed, more than once."""
        return int(
            self._rows(
                "select coalesce(sum(n - 1), 0) as found from"
                " (select count(*) as n from witness.arrivals group by content)"
            )[0]["found"]
        )

    def unreachable_url(self) -> str | None:
        return "postgresql://postgres:hush%214711@127.0.0.1:9/items"

    def _rows(self, text: str) -> list[dict[str, Any]]:
        with psycopg.connect(self.url) as connection, connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute("set time zone 'UTC'")
            return cursor.execute(text.encode()).fetchall()
