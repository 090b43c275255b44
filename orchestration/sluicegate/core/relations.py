"""What a table of the warehouse is called: by a schema and a name.

Belongs here: both parts, together and apart, and the platform's own schemas. Does not belong here: which
names tables may have (`project.names`, and a contract's own reading).
"""

from typing import Self

from sluicegate.core.problems import Mistyped

# The schemas of what landed, and of the rows that were not taken.
RAW, QUARANTINE = "raw", "quarantine"


class Relation(str):
    """`schema.name`: a text, as records, messages and SQL have it, that knows its two parts."""

    schema: str
    name: str

    def __new__(cls, schema: str, name: str) -> Self:
        """Take both parts as they are; of parts with a dot the text alone would not tell which is which."""
        relation = super().__new__(cls, f"{schema}.{name}")
        relation.schema, relation.name = schema, name
        return relation

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        """What a copy is made of."""
        return type(self), self.parts

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the relation that a record or a command names.

        Raises:
            ValueError: it is not two names with a dot between them.
        """
        parts = text.split(".")
        if len(parts) != 2 or not all(parts):
            raise Mistyped(
                "SLU-C004", f"`{text}` is no table; expected a schema and a name, as `staging.stg_sales`"
            )
        return cls(*parts)

    @property
    def parts(self) -> tuple[str, str]:
        """The schema and the name."""
        return self.schema, self.name

    @property
    def quoted(self) -> str:
        """The table in SQL, whatever is in its names."""
        return ".".join('"' + part.replace('"', '""') + '"' for part in self.parts)
