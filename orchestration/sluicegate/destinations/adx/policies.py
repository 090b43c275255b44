"""Policies of a table, or of its database, that would break what the destination promises.

Belongs here: the extent tags retention policy and row-level security, and what to type against them. Does
not: tags and what they are for (`ingestion`), tables and scopes (`destination`).

"Extent tags retention policy" (https://learn.microsoft.com/kusto/management/extent-tags-retention-policy):
the service drops tags with a prefix once their extent is so old. By `ingest-by:` a file is known to be in the
table, whenever a delivery is taken up; by `drop-by:` a partition is found that is to be replaced, years later
as well. A policy on either means rows that stand twice and that nobody can tell apart any more. A table's own
policy goes before the database's.

"Row level security policy" (https://learn.microsoft.com/kusto/management/row-level-security-policy): what is
read of a table is replaced by a query, for everybody, administrators too; it may hide rows and values. A
deletion finds its rows by such a reading.
"""

import json
from collections.abc import Collection
from typing import Any

from ..errors import DeliveryError
from . import kql as kql
from .cluster import Cluster, EntityMissing

_POLICY = "policy extent_tags_retention"


def check_tags_stay(cluster: Cluster, table: str, prefixes: Collection[str]) -> None:
    """Raise where the service drops tags of a table that the mode leans on.

    A table that is still to be made passes: it gets a policy of its own, see `keep_tags`.

    Args:
        cluster: the database.
        table: its name.
        prefixes: of the tags, such as `ingest-by:`.

    Raises:
        DeliveryError: it does, with the command that ends it.
    """
    try:
        own = _policy_of(cluster, f"table {kql.name(table)}")
    except EntityMissing:
        return
    policy = _database_policy(cluster) if own is None else own
    dropped = {one["TagPrefix"]: one["RetentionPeriod"] for one in policy if one["TagPrefix"] in prefixes}
    if not dropped:
        return
    said = ", ".join(f"`{prefix}` after {period}" for prefix, period in dropped.items())
    whose = f"database {cluster.address.database!r}" if own is None else f"table {table!r}"
    raise DeliveryError(
        "SLU-V608",
        f"the extent tags retention policy of {whose} in Azure Data Explorer drops tags of {table!r}: {said}",
        "tags that stay: by them a file is known to be there, and a partition is found that is replaced",
        f"have an administrator of the table execute `{_altered(table, policy, dropped)}`, then run again; "
        "partitions whose tags are gone already stand twice once they are delivered again: reconcile tells",
    )


def keep_tags(cluster: Cluster, table: str) -> None:
    """Give a table that we have made a policy of its own, if the database's drops tags.

    Raises:
        DeliveryError: the principal may not.
    """
    if policy := _database_policy(cluster):
        tags = {one["TagPrefix"] for one in policy} & {"drop-by:", "ingest-by:"}
        if tags:
            cluster.command(_altered(table, policy, tags), "keep the tags of a table")


def check_all_is_seen(cluster: Cluster, table: str) -> None:
    """Raise where rows may be hidden from whoever takes keys out: none would be found, and none deleted.

    Raises:
        DeliveryError: row-level security is on, with the command that turns it off and keeps its query.
    """
    quoted = kql.name(table)
    doing = "show row-level security"
    policy = _policy(cluster, f".show table {quoted} policy row_level_security", doing)
    if policy is not None and not (isinstance(policy, dict) and isinstance(policy.get("IsEnabled"), bool)):
        raise cluster.strange(doing, "a policy without IsEnabled")
    if not policy or not policy["IsEnabled"]:
        return
    alter = f".alter table {quoted} policy row_level_security"
    query = kql.text(str(policy.get("Query", "")))
    raise DeliveryError(
        "SLU-V609",
        f"row-level security is on for table {table!r} in Azure Data Explorer, and may hide rows and keys "
        "that are to be taken out",
        "a table whose rows are all seen while keys are taken out of it",
        f"have an administrator of the table execute `{alter} disable {query}`, take the keys out, then "
        f"execute `{alter} enable {query}`",
    )


def _altered(table: str, policy: list[Any], without: Collection[str]) -> str:
    """The command that leaves the rest of a policy as it is."""
    rest = json.dumps([one for one in policy if one["TagPrefix"] not in without])
    return f".alter table {kql.name(table)} {_POLICY} {kql.text(rest)}"


def _database_policy(cluster: Cluster) -> list[Any]:
    return _policy_of(cluster, f"database {kql.name(cluster.address.database)}") or []


def _policy_of(cluster: Cluster, entity: str) -> list[Any] | None:
    doing = "show an extent tags retention policy"
    found = _policy(cluster, f".show {entity} {_POLICY}", doing)
    whole = ("TagPrefix", "RetentionPeriod")
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(one, dict) and {*whole} <= {*one} for one in found):
        raise cluster.strange(doing, f"a policy without {' and '.join(whole)}")
    return found


def _policy(cluster: Cluster, command: str, doing: str) -> Any:
    """The policy that a command shows, None if there is none."""
    shown = cluster.command(command, doing)
    if not shown:
        return None
    text = shown[0].get("Policy") or "null"
    wrong = ""
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        wrong = f"a policy that is no JSON ({type(error).__name__})"
    raise cluster.strange(doing, wrong)
