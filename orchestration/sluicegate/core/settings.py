"""Where this deployment keeps its things: directories, URLs, connections.

Belongs here: everything read from the environment. Does not belong here: anything about a company's data,
which lives in the project directory. A variable that is misspelt raises; nothing falls back in silence
(a fallback is how production gets written from a laptop).
"""

import itertools
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_serializer

from sluicegate.areas import StorageAccess
from sluicegate.areas.access import check_connection_string, check_endpoint, place_of
from sluicegate.core.environments import MADE_FROM, Declared, Environment, declared_in
from sluicegate.core.loopback import EXPECTED, elsewhere
from sluicegate.core.problems import SettingsError as SettingsError
from sluicegate.core.problems import did_you_mean
from sluicegate.core.secrets import ByReference, SecretError, secret_of
from sluicegate.core.stages import Stage

_CONNECTION_PREFIX = "SLUICE_CONNECTION_"
_WORK_PREFIX = "SLUICE_WORK_CONNECTION_"
REPOSITORY = Path(__file__).resolve().parents[3]
SHARED_DBT_MACROS = Path(__file__).resolve().parent.parent / "transformation" / "dbt_macros"

_MASKING_KEY_LENGTH = 16
_STARS = "**********"

# Where a deployment keeps what is its own. An environment has all of it in its data directory.
OWN = {
    "SLUICE_STAGING_URL": "staging_url",
    "SLUICE_ORIGINALS_URL": "originals_url",
    "SLUICE_COLD_URL": "cold_url",
    "SLUICE_PROCESSING_URL": "processing_url",
    "SLUICE_WAREHOUSE": "warehouse_path",
    "SLUICE_STATE_URL": "state_url",
    "SLUICE_DELIVERIES_DIR": "deliveries_dir",
    "SLUICE_ERASURES_FILE": "erasures_file",
}
# What the environment may say, and which field it fills. The table in docs/architecture.md lists the same.
VARIABLES = {
    **OWN,
    "SLUICE_PROJECT_DIR": "project_dir",
    "SLUICE_DATA_DIR": "data_dir",
    "SLUICE_ENVIRONMENT": "declared",
    "SLUICE_PUBLISHED_URL": "published_url",
    "SLUICE_AZURE_CONNECTION_STRING": "azure_connection_string",
    "SLUICE_AZURE_ACCOUNT": "azure_account",
    "SLUICE_S3_ENDPOINT_URL": "s3_endpoint_url",
    "SLUICE_MASKING_KEY": "masking_key",
    "SLUICE_SCRATCH_KUSTO": "scratch_kusto",
    "SLUICE_ENVIRONMENTS_DIR": "environments_dir",
    "SLUICE_SENSOR_INTERVAL": "sensor_interval_seconds",
    "SLUICE_CHECK_RETRY": "check_retry_seconds",
    "SLUICE_RUN_RETRY": "run_retry_seconds",
    "SLUICE_OPERATIONS_KEPT_DAYS": "operations_kept_days",
    "SLUICE_UI_URL": "ui_url",
    "SLUICE_LEASE_SECONDS": "lease_seconds",
    "SLUICE_LOAD_MEMORY": "load_memory",
    "SLUICE_DATA_DOCS_URL": "data_docs_url",
}
AREA_VARIABLES = (
    "SLUICE_STAGING_URL", "SLUICE_ORIGINALS_URL", "SLUICE_COLD_URL", "SLUICE_PROCESSING_URL",
    "SLUICE_PUBLISHED_URL",
)  # fmt: skip
# What a deployment may do without.
_OPTIONAL = (
    "declared", "published_url", "cold_url", "azure_connection_string", "azure_account", "s3_endpoint_url",
    "masking_key", "data_docs_url", "ui_url", "scratch_kusto",
)  # fmt: skip
# Not the deployment's: the first is set by us for dbt's project files, the second is for the tests.
OTHER_VARIABLES = {"SLUICE_DBT_MACROS", "SLUICE_TEST_FEEDS", "SLUICE_TEST_KILLS"}


class Settings(BaseModel):
    """One deployment. Paths are absolute; areas are URLs without credentials (see `areas`).

    `declared` is what `SLUICE_ENVIRONMENT` says this is, None where it is not set; see `kind`.
    `staging_url` is where providers land, `originals_url` the locked area of what came in as it came,
    `cold_url` where old originals go (None: nowhere), `processing_url` where converted files are.
    `published_url` is the shelf of published tables (None: nothing is published).
    `erasures_file` is the journal of erasures (`state.erasure_journal`), which outlives the data directory.
    `environments_dir` is the folder of the environments that are made here, a data directory each.
    `load_memory` is what the engine that reads a drop may take, as the engine writes it.
    `data_docs_url` is where people read Data Docs, for links (None: nowhere).
    `operations_kept_days` is how long operations data stay on record: longer than a look looks back.
    `ui_url` is where people reach the UI, for links in messages.
    `scratch_kusto` is the secret URL of the one database of Azure Data Explorer that a scratch or local
    deployment may change (`kusto.places`).
    `masking_key` is the key of the HMAC that masks values. `connections` maps a connection's name, as exports
    use it, to its secret URL (`SLUICE_CONNECTION_RETAILER_APP` is `retailer_app`). `work_connections` are
    those of work deployments, whatever this one is: what is not to be written to from here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    project_dir: Path
    data_dir: Path
    declared: str | None = None
    staging_url: str
    originals_url: str
    cold_url: str | None = None
    processing_url: str
    published_url: str | None = None
    azure_connection_string: SecretStr | None = None
    azure_account: str | None = None
    s3_endpoint_url: str | None = None
    masking_key: SecretStr | None = None
    scratch_kusto: SecretStr | None = None
    warehouse_path: Path
    state_url: SecretStr
    deliveries_dir: Path
    erasures_file: Path
    environments_dir: Path
    sensor_interval_seconds: int = 1
    check_retry_seconds: float = 2
    run_retry_seconds: float = Field(default=300, ge=0)
    operations_kept_days: int = Field(default=400, ge=32)
    ui_url: str | None = Field(default=None, pattern=r"^https?://")
    lease_seconds: float = Field(default=60, ge=1)
    load_memory: str = Field(default="512MB", pattern=r"^[1-9][0-9]*([KMGT]i?B)$")
    data_docs_url: str | None = Field(default=None, pattern=r"^https?://[^\s/@]+(/[^\s]*)?$")
    connections: Mapping[str, SecretStr] = {}
    work_connections: Mapping[str, SecretStr] = {}

    @field_serializer(
        "azure_connection_string", "masking_key", "scratch_kusto", "state_url", "connections",
        "work_connections", when_used="json",
    )  # fmt: skip
    def _hidden(self, value: Any) -> Any:
        """In text a secret is stars; pydantic's own would read a reference for that."""
        return dict.fromkeys(value, _STARS) if isinstance(value, Mapping) else value and _STARS

    @property
    def dbt_dir(self) -> Path:
        """The company's dbt project."""
        return self.project_dir / "dbt_project"

    @property
    def dbt_target_dir(self) -> Path:
        """Where dbt writes its manifest and artifacts: beside the data, never in the project."""
        return self.data_dir / "dbt" / "target"

    @property
    def dagster_home(self) -> Path:
        """Dagster's instance directory."""
        return self.data_dir / "dagster"

    @property
    def storage_access(self) -> StorageAccess:
        """With what object storage is reached."""
        return StorageAccess(self.azure_connection_string, self.azure_account, self.s3_endpoint_url)

    def connection(self, name: str) -> str | None:
        """Return the secret URL of a connection, or None where this deployment has none.

        Raises:
            SecretError: it stands elsewhere, and cannot be read there.
        """
        secret = self.connections.get(name)
        if secret is not None and (wrong := self.led_elsewhere(name, read_from(secret))):
            raise SecretError(*wrong, code="SLU-N008")
        return secret.get_secret_value() if secret else None

    def renewed(self, name: str, used: str) -> str | None:
        """Return the URL of a connection by reference where it is another than was used; else None."""
        secret = self.connections.get(name)
        return secret.renewed(used) if isinstance(secret, ByReference) else None

    @property
    def said(self) -> Declared | None:
        """What this deployment is, as `SLUICE_ENVIRONMENT` says, or else the data directory's own file."""
        return Declared.of(self.declared) if self.declared else declared_in(self.data_dir)

    @property
    def operations_kept(self) -> timedelta:
        """How long operations data, and incidents that are over, stay on record."""
        return timedelta(days=self.operations_kept_days)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages of definitions that are in the graph of this deployment: production has no work."""
        production = self.said is not None and self.said.kind is Environment.PRODUCTION
        return (Stage.PRODUCTION,) if production else tuple(Stage)

    def variable_of(self, name: str) -> str:
        """Return the variable of a connection in a deployment of this kind."""
        return self.connection_variable(name, self.said.kind if self.said else None)

    def led_elsewhere(self, name: str, hosts: Iterable[str]) -> "NotHere | None":
        """Return what is wrong where a `local` deployment's connection leads to another machine."""
        host = elsewhere(hosts) if self.said is not None and self.said.kind is Environment.LOCAL else ""
        return not_here(self.variable_of(name), host) if host else None

    def delivers(self, name: str) -> bool:
        """Whether what goes by a connection can be delivered: to it, or to a scratch deployment's outbox."""
        said = self.said
        return (said is not None and said.kind is Environment.SCRATCH) or name in self.connections

    @staticmethod
    def connection_variable(name: str, kind: Environment | None = None) -> str:
        """Return the variable that holds the secret URL of a connection in a kind of deployment."""
        return (_WORK_PREFIX if kind is Environment.WORK else _CONNECTION_PREFIX) + name.upper()

    def environment(self) -> dict[str, str]:
        """Return the variables that make another process see the same deployment; references as written."""
        said = {name: getattr(self, field) for name, field in VARIABLES.items()}
        variables = {
            name: written(value) if isinstance(value, SecretStr) else str(value)
            for name, value in said.items()
            if value is not None
        }
        variables["SLUICE_DBT_MACROS"] = str(SHARED_DBT_MACROS)
        for name, secret in self.connections.items():
            variables[self.variable_of(name)] = written(secret)
        for name, secret in self.work_connections.items():
            variables[self.connection_variable(name, Environment.WORK)] = written(secret)
        return variables | quiet_environment() | {"DAGSTER_HOME": str(self.dagster_home)}

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, **overrides: Any) -> Self:
        """Read the environment (`os.environ` by default); `overrides` are fields that win over it.

        What a deployment is, is the process's to say: `SLUICE_ENVIRONMENT` holds where `environ` is silent.

        Raises:
            SettingsError: for a `SLUICE_…` variable that means nothing, or a value that does not fit, or a
                connection in a kind of deployment that has no such ones.
        """
        process = {name: os.environ[name] for name in ("SLUICE_ENVIRONMENT",) if name in os.environ}
        environ = os.environ if environ is None else process | dict(environ)
        fields: dict[str, Any] = {}
        connections: dict[str, SecretStr] = {}
        of_work: dict[str, SecretStr] = {}
        for variable in sorted(name for name in environ if name.startswith("SLUICE_")):
            prefix = next((one for one in (_CONNECTION_PREFIX, _WORK_PREFIX) if variable.startswith(one)), "")
            if prefix:
                if environ[variable]:
                    found = of_work if prefix == _WORK_PREFIX else connections
                    found[variable.removeprefix(prefix).lower()] = secret_of(environ[variable], variable)
            elif field := VARIABLES.get(variable):
                # An empty variable says nothing of what may be left out.
                if environ[variable] or field not in _OPTIONAL:
                    fields[field] = environ[variable]
            elif variable not in OTHER_VARIABLES:
                hint = did_you_mean(variable, [*VARIABLES, _CONNECTION_PREFIX + "<NAME>"])
                raise SettingsError("SLU-C002", f"environment variable {variable} means nothing here; {hint}")
        fields |= {name: value for name, value in overrides.items() if value is not None}
        project_dir = Path(fields.get("project_dir", REPOSITORY)).expanduser().resolve()
        if not project_dir.is_dir():
            raise SettingsError(
                "SLU-C002", f"project directory {project_dir} does not exist; name one that does"
            )
        data_dir = Path(fields.get("data_dir", project_dir / ".sluice")).expanduser().resolve()
        shows_production = (data_dir / MADE_FROM).exists()
        if shows_production:  # a shell may still name production's: those are not this one's to write to
            fields = {name: value for name, value in fields.items() if name not in OWN.values()}
        said = _said(fields.get("declared"), data_dir)
        if said is not None:
            require_connections_of(said, connections)
        defaults = {
            "staging_url": str(data_dir / "staging"),
            "originals_url": str(data_dir / "originals"),
            "processing_url": str(data_dir / "processing"),
            "warehouse_path": data_dir / "warehouse.duckdb",
            "state_url": f"sqlite:///{data_dir / 'state.db'}",
            "deliveries_dir": data_dir / "deliveries",
            # Beside the data directory: it must outlive that, and no backup of it holds it.
            "erasures_file": data_dir.with_name(f"{data_dir.name}.erasures.jsonl"),
            # Who works inside of one means those beside it.
            "environments_dir": data_dir.parent
            if shows_production
            else data_dir.with_name(f"{data_dir.name}.environments"),
            "work_connections": of_work,
            "connections": of_work if said is not None and said.kind is Environment.WORK else connections,
        }
        values = {**defaults, **fields, "project_dir": project_dir, "data_dir": data_dir}
        for variable, check in _SECRETS.items():
            if isinstance(said_here := values.get(VARIABLES[variable]), str):
                lasting = variable == "SLUICE_MASKING_KEY"
                values[VARIABLES[variable]] = secret_of(said_here, variable, check, lasting=lasting)
        _check_storage(values)
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            names = {field: variable for variable, field in VARIABLES.items()}
            told = (f"{names.get(str(e['loc'][0]), e['loc'][0])}: {e['msg']}" for e in error.errors())
            raise SettingsError("SLU-C002", "; ".join(told)) from None


def _said(declared: str | None, data_dir: Path) -> Declared | None:
    try:
        return Declared.of(declared) if declared else declared_in(data_dir)
    except ValueError as error:
        raise SettingsError("SLU-C002", f"SLUICE_ENVIRONMENT is {error}; correct it") from None


def require_connections_of(said: Declared, connections: Iterable[str]) -> None:
    """Raise where a deployment has connections that its kind has not: a shell with production's secrets.

    Raises:
        SettingsError: it has.
    """
    if said.kind in (Environment.LOCAL, Environment.PRODUCTION):
        return
    for name in connections:
        variable = Settings.connection_variable(name)
        work = Settings.connection_variable(name, Environment.WORK)
        expected = "none: what would be delivered goes to `outbox/` of the data directory"
        if said.kind is Environment.WORK:
            expected = f"{work}, as a work deployment has connections of its own"
        raise SettingsError(
            "SLU-N005",
            f"{variable} is set, and this deployment is `{said}`; expected {expected}; `unset {variable}`,"
            " or, if this is production, SLUICE_ENVIRONMENT=production and its data directory",
        )


class NotHere(NamedTuple):
    """What is wrong with a connection of a `local` deployment, what was expected, and the fix."""

    what: str
    expected: str
    fix: str

    def __str__(self) -> str:
        return f"{self.what}; expected {self.expected}; {self.fix}"


def not_here(variable: str, host: str) -> NotHere:
    """Return what is wrong with a variable of a `local` deployment that leads to a host elsewhere."""
    return NotHere(
        f"{variable} leads to {host}, and this deployment is `local`",
        EXPECTED,
        "set it to something here, or name another --data, whose SLUICE_ENVIRONMENT is work or production",
    )


def _check_storage(values: Mapping[str, Any]) -> None:
    """Raise SettingsError for what is no area's URL, holds a credential, or is no credential."""
    checks: list[tuple[str, Callable[[str], object]]] = [
        *((variable, place_of) for variable in AREA_VARIABLES),
        ("SLUICE_S3_ENDPOINT_URL", check_endpoint),
        ("SLUICE_AZURE_CONNECTION_STRING", check_connection_string),
        ("SLUICE_MASKING_KEY", _check_masking_key),
    ]
    for variable, check in checks:
        value = values.get(VARIABLES[variable])
        if value is None or isinstance(value, ByReference):
            continue  # what stands elsewhere is read, and checked, when it is used
        try:
            check(value.get_secret_value() if isinstance(value, SecretStr) else value)
        except ValueError as error:
            raise SettingsError("SLU-C002", f"{variable} is {error}") from None
    said = [(variable, values.get(VARIABLES[variable])) for variable in AREA_VARIABLES]
    places = [(variable, place_of(url)) for variable, url in said if url is not None]
    for (inner, place), (outer, other) in itertools.permutations(places, 2):
        if place.lies_in(other):
            raise SettingsError(
                "SLU-C006",
                f"{inner} is {place}, which lies in {outer}, {other}; expected areas of their own, as one is"
                " emptied where another is kept; name another place",
            )


def _check_masking_key(key: str) -> None:
    if len(key) < _MASKING_KEY_LENGTH:
        raise ValueError(
            f"{len(key)} characters long; expected {_MASKING_KEY_LENGTH} or more, as a key that can be"
            " guessed unmasks what it masked; make one with `openssl rand -hex 32`"
        )


# The fields that may be references, and what their values have to be.
_SECRETS: dict[str, Callable[[str], object] | None] = {
    "SLUICE_AZURE_CONNECTION_STRING": check_connection_string,
    "SLUICE_MASKING_KEY": _check_masking_key,
    "SLUICE_SCRATCH_KUSTO": None,
    "SLUICE_STATE_URL": None,
}


def written(secret: SecretStr) -> str:
    """Return a secret as it stands in the environment: a reference, where it is one."""
    return secret.written if isinstance(secret, ByReference) else secret.get_secret_value()


def read_from(secret: SecretStr | None) -> tuple[str, ...]:
    """Return the hosts that are spoken to in order to read a secret; none where it stands here."""
    return secret.hosts if isinstance(secret, ByReference) else ()


def quiet_environment() -> dict[str, str]:
    """Return the variables that switch off every library's telemetry."""
    return {
        "DO_NOT_TRACK": "1",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "GX_ANALYTICS_ENABLED": "false",
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }
