"""What becomes of classified values before they land anywhere but in the originals.

The keyed hash is HMAC-SHA256 (RFC 2104) made of the engine's own sha256, so that no value leaves the engine:
64 hex digits, equal for equal values under the same key, in every source.
"""

import hashlib
import hmac
from typing import TYPE_CHECKING

from pydantic import SecretStr

from sluicegate.contracts.columns import Column, Masking

if TYPE_CHECKING:
    import duckdb

REDACTED = "***"
_BLOCK_BYTES = 64  # SHA-256's
_INNER, _OUTER = "sluice_mask_inner", "sluice_mask_outer"


class MaskingKeyMissing(Exception):
    """A contract hashes values, and this deployment has no key."""


def prepare_masking(
    connection: "duckdb.DuckDBPyConnection", columns: tuple[Column, ...], key: SecretStr | None
) -> None:
    """Hand the key to the connection, where a column is hashed; as variables, so that no SQL shows it.

    Raises:
        MaskingKeyMissing: a column is hashed and there is no key.
    """
    hashed = [column.name for column in columns if column.masking is Masking.HASH]
    if not hashed:
        return
    if key is None:
        raise MaskingKeyMissing(
            f"columns {', '.join(hashed)} are to be hashed, and there is no key;"
            " expected SLUICE_MASKING_KEY in the environment; set it, and rerun"
        )
    secret = key.get_secret_value().encode()
    block = (hashlib.sha256(secret).digest() if len(secret) > _BLOCK_BYTES else secret).ljust(
        _BLOCK_BYTES, b"\0"
    )
    for name, pad in ((_INNER, 0x36), (_OUTER, 0x5C)):
        connection.execute(f"set variable {name} = ?::blob", [bytes(byte ^ pad for byte in block)])


def key_fingerprint(columns: tuple[Column, ...], key: SecretStr | None) -> str:
    """Return what changes with the key, and tells nothing of it; empty where no column is hashed."""
    if key is None or not any(column.masking is Masking.HASH for column in columns):
        return ""
    return hmac.new(key.get_secret_value().encode(), b"sluice", hashlib.sha256).hexdigest()[:16]


def masked(column: Column, value: str) -> str:
    """Return SQL of a column's value as it may land; `value` is SQL of the value itself."""
    if column.masking is Masking.HASH:
        inner = f"sha256(getvariable('{_INNER}') || encode(cast({value} as varchar)))"
        return f"(case when {value} is not null then sha256(getvariable('{_OUTER}') || unhex({inner})) end)"
    if column.masking is Masking.REDACT:
        return f"(case when {value} is not null then '{REDACTED}' end)"
    return value
