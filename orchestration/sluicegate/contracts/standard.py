"""Whether a contract is valid for the standard's own tools: ODCS v3.1, and no field misspelt.

Belongs here: what the standard says of a contract's form. Does not belong here: what of it we use.
"""

from typing import Any, cast

from pydantic import BaseModel, ValidationError

from sluicegate.core.problems import Problem, did_you_mean
from sluicegate.core.yaml_files import YamlFile


def against_standard(file: YamlFile) -> None:
    """Let the standard's own model judge the file, so that every ODCS tool can read it."""
    from open_data_contract_standard.model import (
        OpenDataContractStandard,
        SchemaObject,
        SchemaProperty,
        Server,
        ServiceLevelAgreementProperty,
    )

    try:
        OpenDataContractStandard.model_validate(file.data)
    except ValidationError as error:
        file.problems += file.model_problems(error, lambda _: _fields(OpenDataContractStandard))
    file.problems += _unknown_fields(file, "servers", Server)
    file.problems += _unknown_fields(file, "schema", SchemaObject)
    file.problems += _unknown_fields(file, "slaProperties", ServiceLevelAgreementProperty)
    for index, table in enumerate(cast("list[dict[str, Any]]", file.data.get("schema") or [])):
        if isinstance(table.get("properties"), list):
            file.problems += _unknown_fields(file, "properties", SchemaProperty, ("schema", index))
    version = str(file.data.get("apiVersion"))
    if not version.startswith("v3.1"):
        file.complain(
            f"apiVersion is {version}", expected="v3.1.0",
            fix="write the contract in ODCS v3.1", at=("apiVersion",), code="SLU-P020",
        )  # fmt: skip
    if not file.data.get("version"):
        file.complain(
            "`version` is missing", expected="the contract's version", fix="add `version:`", code="SLU-P007"
        )


def _fields(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _unknown_fields(
    file: YamlFile, name: str, model: type[BaseModel], at: tuple[str | int, ...] = ()
) -> list[Problem]:
    """The standard's model passes over a misspelt field below the top, and the rule with it."""
    holder: Any = file.data
    for step in at:
        holder = holder[step]
    known = _fields(model)
    return [
        file.problem(
            f"unknown field `{field}`",
            expected=f"a field of ODCS v3.1 `{name}`",
            fix=did_you_mean(str(field), known),
            at=(*at, name, index, str(field)),
            code="SLU-P006",
        )
        for index, item in enumerate(cast("list[Any]", holder.get(name) or []))
        if isinstance(item, dict)
        for field in cast("dict[str, Any]", item)
        if field not in known
    ]
