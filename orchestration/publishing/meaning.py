"""What a table means: a digest that changes with the rows that its SQL makes, and not with how it is written.

Belongs here: the digest. Does not belong here: what is compared with it (`environments`).
"""

from orchestration.project.loading import Project


def meanings(project: Project) -> dict[str, str]:
    """Return {relation: digest} of all tables of a project."""
    return {relation: table.code for relation, table in project.lineage.tables.items()}
