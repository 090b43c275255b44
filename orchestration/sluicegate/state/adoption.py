"""Who of several copies of a deployment may send: the one of the newest epoch, in the place where it was.

A copy of a data directory sends nothing until a person adopts it. That raises the epoch; where both copies
share an area or the state store, the older one finds the newer epoch there, and sends nothing any more. An
epoch is claimed by creating a file that cannot be created twice. Belongs here: making, adopting, retiring,
and the answer at the door. Does not belong here: what is on record (`identity`), the door itself
(`delivery.engine`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import sqlalchemy as sa

from sluicegate.areas import Area, storage_errors, why_of
from sluicegate.areas.access import Scheme
from sluicegate.areas.access import place_of as area_of
from sluicegate.codes import coded
from sluicegate.core.environments import EXPECTED, Declared, Environment, declared_in
from sluicegate.core.json_records import bytes_of, json_of, record_of
from sluicegate.core.loopback import elsewhere, hosts_of_libpq, keep_sockets_here
from sluicegate.core.settings import (
    AREA_VARIABLES,
    OWN,
    VARIABLES,
    Settings,
    SettingsError,
    not_here,
    read_from,
    require_connections_of,
)
from sluicegate.state.identity import Identities, Identity, is_at, is_beside, place_of, retire, retired

_CLAIMS = ".sluice/epochs"
# They say themselves whose they are; where old originals go may be nowhere.
_ASKED_BY_RECORDS = ("SLUICE_STATE_URL", "SLUICE_COLD_URL")
_INIT = "`sluice env init production` (or `work`, or `scratch`)"


class WrongDeployment(SettingsError):
    """This data directory is no deployment that this process, or this command, may work on."""


@dataclass(frozen=True)
class NotTheOne:
    """Why nothing is sent from here, what was expected, and what to type."""

    code: str
    what: str
    expected: str
    fix: str

    def __str__(self) -> str:
        return coded(f"{self.what}; nothing is sent; expected {self.expected}; {self.fix}", self.code)


def established(records: Identities, settings: Settings) -> Identity:
    """Return which deployment this is, which is put on record where it is new.

    Raises:
        WrongDeployment: `SLUICE_ENVIRONMENT` says another one.
        SettingsError: it has connections that its kind has not.
    """
    found = records.read()
    if found is None:
        if settings.said is None and not records.is_new():
            return Identity(place=place_of(settings.data_dir))
        said = settings.said or Declared(Environment.SCRATCH)
        _require_none_in_scratch(said, settings)
        _require_own_warehouse(said, settings)
        found = records.make(said, settings.data_dir)
    said, own = settings.said, found.declared
    assert own is not None
    if said is not None and (said.kind is not own.kind or said.name not in ("", own.name)):
        raise WrongDeployment(
            "SLU-N005",
            f"this data directory is {found}, and SLUICE_ENVIRONMENT says `{said}`; expected them to agree;"
            f" set SLUICE_ENVIRONMENT={own}, or name another --data",
        )
    _require_none_in_scratch(own, settings)
    if own.kind is Environment.LOCAL:
        require_here(settings)
    if own.kind is not Environment.SCRATCH:  # which has nothing to connect by, and may be made in passing
        keep_sockets_here(kept=own.kind is Environment.LOCAL)
    _require_none_of_productions(own, settings)
    if found.place != place_of(settings.data_dir) and is_at(found, settings.data_dir):
        moved = replace(found, place=place_of(settings.data_dir))  # a rename: it is seen there from now on
        records.change(found, moved)
        return moved
    return found


def _require_none_in_scratch(said: Declared, settings: Settings) -> None:
    """Raise where settings were read before anybody knew that this is scratch; a work one's are its own."""
    if said.kind is Environment.SCRATCH:
        require_connections_of(said, settings.connections)


def _require_own_warehouse(said: Declared, settings: Settings) -> None:
    """Raise where a new scratch or work deployment would build in a warehouse that is there already."""
    path = settings.warehouse_path
    if said.kind.publishes or path.is_relative_to(settings.data_dir) or not path.exists():
        return
    raise WrongDeployment(
        "SLU-N010",
        f"SLUICE_WAREHOUSE is {path}, which is there already, and {settings.data_dir} is new and is `{said}`;"
        " expected a warehouse of its own; unset SLUICE_WAREHOUSE, or name a file that is not there",
    )


def _require_none_of_productions(own: Declared, settings: Settings) -> None:
    """Raise where another kind of deployment would write to what is production's: its shell's variables.

    Production is known by the data directory that holds it, and by the epoch that it has claimed in its
    originals. Object storage is not asked at a start, which would wait for it where it is out of reach.
    """
    if own.kind is Environment.PRODUCTION:
        return
    for variable, field in OWN.items():
        area = Area(str(getattr(settings, field))) if variable not in _ASKED_BY_RECORDS else None
        if area is None or area.place.scheme is not Scheme.LOCAL or not shared_areas(settings, [area]):
            continue
        there = Path(area.place.root).resolve()
        # The journal of erasures lies beside the data directory that it is called after.
        for folder in (Path(str(there).removesuffix(".erasures.jsonl")), *there.parents):
            declared = declared_in(folder)
            if declared is not None and declared.kind is Environment.PRODUCTION:
                raise WrongDeployment(
                    "SLU-N010",
                    f"{variable} is {area.url}, which is of production in {folder}, and"
                    f" {settings.data_dir} is `{own}`; expected places of its own; `unset {' '.join(OWN)}`,"
                    " or name others",
                )
    area = Area(settings.originals_url, settings.storage_access)
    if area.place.scheme is not Scheme.LOCAL or not shared_areas(settings, [area]):
        return
    try:
        claims = [_claimed(area, entry.path) for entry in area.listing(f"{_CLAIMS}/*/*.json")]
    except OSError:  # it is told of by whoever needs it
        return
    for claim in claims:
        if claim is not None and claim.kind == Environment.PRODUCTION:
            raise WrongDeployment(
                "SLU-N010",
                f"SLUICE_ORIGINALS_URL is {settings.originals_url}, which is production's"
                f" ({claim.place}), and {settings.data_dir} is `{own}`; expected areas of its own;"
                f" `unset {' '.join(OWN)}`, or name others",
            )


def require_here(settings: Settings) -> None:
    """Raise where a `local` deployment would connect elsewhere for its areas or records.

    Raises:
        SettingsError: it would.
    """
    secrets = ("SLUICE_STATE_URL", "SLUICE_AZURE_CONNECTION_STRING", "SLUICE_MASKING_KEY")
    for variable in secrets:
        if host := elsewhere(read_from(getattr(settings, VARIABLES[variable]))):
            raise WrongDeployment("SLU-N008", str(not_here(variable, host)))
    state = settings.state_url.get_secret_value()
    found = [("SLUICE_STATE_URL", () if state.startswith("sqlite") else hosts_of_libpq(state))]
    for variable in AREA_VARIABLES:
        url = getattr(settings, VARIABLES[variable])
        found.append((variable, settings.storage_access.hosts(area_of(url)) if url else ()))
    for variable, hosts in found:
        if host := elsewhere(hosts):
            raise WrongDeployment("SLU-N008", str(not_here(variable, host)))


def declare(records: Identities, settings: Settings, said: Declared) -> Identity:
    """Say what a data directory is, of which nothing says so yet or in which nothing has happened yet.

    Raises:
        WrongDeployment: it is something else already.
        SettingsError: it has connections that its kind has not.
    """
    if settings.declared and Declared.of(settings.declared) != said:
        raise WrongDeployment(
            "SLU-N005",
            f"SLUICE_ENVIRONMENT says `{settings.declared}`; expected `{said}`; set it to that, or unset it",
        )
    _require_none_in_scratch(said, settings)
    found = records.read()
    if found is None:
        return records.make(said, settings.data_dir)
    if found.declared == said:
        return found
    if not records.is_new():
        raise WrongDeployment(
            "SLU-N005",
            f"this data directory is {found}, and has records; expected one of which nothing says what it is;"
            f" name another --data for `{said}`: what is in git is what is promoted, and not data",
        )
    after = replace(found, kind=said.kind, name=said.name).next(settings.data_dir, found.said)
    records.change(found, after)
    return after


def not_the_one(records: Identities, settings: Settings, shared: Sequence[Area]) -> NotTheOne | None:
    """Return why nothing may be sent from here now; None where it may.

    Args:
        records: the state store's; they are read anew.
        settings: the deployment.
        shared: the areas that its copies have as well.
    """
    found, data = records.read(), settings.data_dir
    if found is None:
        return NotTheOne(
            "SLU-N005",
            f"{data} was made by older code, and nothing says what it is",
            f"one of {EXPECTED}",
            _INIT,
        )
    if not is_at(found, data):
        return NotTheOne(
            "SLU-N006",
            f"{data} is a copy of {found}, or was moved to another disk or machine",
            "the one that was there, or a copy that a person has adopted",
            "`sluice env adopt --reason …`, once the original sends nothing any more (`sluice env retire`)",
        )
    if why := retired(data):
        return NotTheOne(
            "SLU-N006",
            f"{data} was retired: {why}",
            "one that was not",
            "`sluice env adopt --reason …` takes it back",
        )
    try:
        other = next((item for area in shared if (item := _claim(area, found)).holder != found.holder), None)
    except storage_errors() as error:
        return NotTheOne(
        "SLU-D009",
            f"an area does not say who sends ({type(error).__name__}: {why_of(error)})",
            "an area that can be listed and written to", "fix that, then type the same again",
        )  # fmt: skip
    if other is None:
        return None
    return NotTheOne(
        "SLU-N006",
        f"{other.place} holds epoch {other.epoch} of this deployment, and {data} has epoch {found.epoch}",
        "the newest epoch", "if that one is gone: `sluice env adopt --reason …`",
    )  # fmt: skip


def adopt(
    records: Identities, settings: Settings, shared: Sequence[Area], said: str, *, gone: bool = False
) -> Identity:
    """Let a copy send, and raise the epoch; `gone`: a person says that there is no original any more.

    Raises:
        WrongDeployment: nothing says what it is, it is the one that sends, its original is still there, or
            another copy was adopted at this moment.
    """
    found, data = records.read(), settings.data_dir
    refused = not_the_one(records, settings, shared)
    if found is None or refused is None:
        why = f"{data} is the one that sends" if refused is None else refused.what
        fix = "nothing is to be done" if refused is None else _INIT
        raise WrongDeployment("SLU-N006", f"{why}; expected a copy of a deployment; {fix}")
    claims = [item for area in shared if (item := _newest_claim(area, found)) is not None]
    original = max([found, *claims], key=lambda item: item.epoch)
    seen = is_beside(original, data)
    # Where nothing is shared, an original that is not seen, as it was renamed or is elsewhere, would not
    # learn of this: it was retired before it was copied, or somebody answers for it.
    learns = bool(shared) or not _has_own_records(settings)
    if not (gone or (retired(original.path) if seen else learns or retired(data))):
        where = f"still at {original.path}" if seen else f"not to be seen, and was last at {original.place}"
        raise WrongDeployment(
            "SLU-N006",
            f"the original is {where}; expected that nothing is sent from it any more;"
            f" `sluice env retire --data {original.path} --reason …`, or say that it is gone:"
            " `sluice env adopt --original-is-gone --reason …`",
        )
    after = found.next(data, said, original.epoch)
    for area in shared:
        if _claim(area, after).holder != after.holder:
            raise WrongDeployment(
                "SLU-N006",
                f"another copy was adopted at this moment; expected one; look at epoch {after.epoch} in"
                f" {area.path(_CLAIMS)}, then type the same again",
            )
    if not records.change(found, after):
        raise WrongDeployment(
            "SLU-N006",
            "another copy was adopted at this moment; expected one; type the same again: it says which",
        )
    return after


def give_up(records: Identities, settings: Settings, reason: str) -> Identity:
    """Retire a data directory: nothing is sent from it any more.

    Raises:
        WrongDeployment: it is a copy, or nothing says what it is.
    """
    found, data = records.read(), settings.data_dir
    if found is None or not is_at(found, data):
        raise WrongDeployment(
            "SLU-N006", f"{data} is not the one that sends; expected that; nothing is to be done"
        )
    retire(data, reason)
    return found


def shared_areas(settings: Settings, areas: Sequence[Area | None]) -> list[Area]:
    """Return those of some areas that a copy of the data directory has as well: they lie outside of it."""
    inside = Area(str(settings.data_dir)).place
    return [area for area in areas if area is not None and not area.place.lies_in(inside)]


def _has_own_records(settings: Settings) -> bool:
    """Whether the records are in the data directory, so that a copy of that has its own."""
    url = sa.make_url(settings.state_url.get_secret_value())
    inside = Area(str(settings.data_dir)).place
    return url.get_backend_name() == "sqlite" and Area(url.database or ".").place.lies_in(inside)


def _claim(area: Area, own: Identity) -> Identity:
    """Return who holds the newest epoch by an area; it is claimed where nobody has claimed it yet."""
    found = _newest_claim(area, own)
    if found is not None and found.epoch >= own.epoch:
        return found
    try:
        area.create(f"{_CLAIMS}/{own.id}/{own.epoch:06}.json", [bytes_of(json_of(own))])
    except FileExistsError:
        found = _newest_claim(area, own)  # it may be this very call's, or another's
        assert found is not None
        return found
    return own


def _newest_claim(area: Area, own: Identity) -> Identity | None:
    newest = max((entry.path for entry in area.listing(f"{_CLAIMS}/{own.id}/*.json")), default=None)
    return _claimed(area, newest) if newest else None


def _claimed(area: Area, path: str) -> Identity | None:
    content = area.read(path)
    return record_of(Identity, json.loads(content)) if content else None
