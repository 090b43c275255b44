"""Where a Postgres is: the connection's URL, read strictly and shown without its secrets.

Belongs here: the URL's form, one spelling for one database. Does not: connecting.
"""

import re
from urllib.parse import parse_qs, unquote

from ..errors import DeliveryError

# Strict on purpose: what libpq cannot parse it quotes in its error, pieces of a password too.
_URL = re.compile(
    r"postgres(?:ql)?://(?:(?P<user>[^:@/?]*)(?::[^@/?]*)?@)?"
    r"(?P<host>\[[^\]@]*\]|[^:@/?]*)(?::(?P<port>\d*))?"
    r"(?:/(?P<database>[^@/?]*))?(?:\?(?P<query>(?:[^=&@?]+=[^=&@?]*&?)*))?"
)


def place(url: str) -> str:
    """Return host, port and database in one spelling, without user and password.

    Raises:
        DeliveryError: the text is no URL of Postgres.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise DeliveryError(
            "SLU-V001",
            "the connection's URL is not one of Postgres (it is not shown, as it holds a secret)",
            "postgresql://user:password@host:port/database, special characters escaped (%40 for @)",
            "correct the connection's URL in the environment",
        )
    asked = parse_qs(match["query"] or "")

    def part(group: str, parameter: str, default: str) -> str:
        return asked.get(parameter, [unquote(match[group] or "")])[0] or default

    host = part("host", "host", "localhost").strip("[]")
    if not host.startswith("/"):  # a socket's directory keeps its case
        host = "localhost" if host in ("127.0.0.1", "::1") else host.lower()
    user = part("user", "user", "")
    return f"postgresql://{host}:{part('port', 'port', '5432')}/{part('database', 'dbname', user)}"
