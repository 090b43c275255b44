"""A process that delivers one shard, to be killed by the tests. Run with `python -m`.

Says "ready" once the heavy imports are done, so that the time to the kill is a delivery's own.
"""

import sys
from importlib import import_module
from pathlib import Path

from orchestration.delivery.destinations import Shard, build


def main() -> None:
    kind, url, name, path, rows, delivery_id, digest, partition = sys.argv[1:]
    for module in ("pyarrow.parquet", "pyarrow.compute", "adbc_driver_postgresql.dbapi"):
        import_module(module)
    import_module("filelock")
    shard = Shard(
        export="exp_items",
        partition_key=partition,
        delivery_id=delivery_id,
        path=Path(path),
        rows=int(rows),
        key=("business_date", "item"),
        partition_column="business_date",
        digest=digest,
    )
    print("ready", flush=True)
    build(kind, url, name).deliver(shard)
    print("done", flush=True)


if __name__ == "__main__":
    main()
