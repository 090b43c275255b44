"""A provider's manifest: the JSON file that lists a drop's files, their sizes and their digests.

Belongs here: reading and writing one. Does not belong here: comparing it with what lies there (`completion`).
"""

from collections.abc import Sequence
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class ListedFile(BaseModel):
    """A file as a manifest lists it: `path` relative to the manifest's folder, `size` in bytes."""

    model_config = ConfigDict(frozen=True, strict=True)

    path: str = Field(min_length=1)
    size: int = Field(ge=0)
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-fA-F]{64}$")


class Manifest(BaseModel):
    """A manifest; what else it says is the provider's own business."""

    model_config = ConfigDict(frozen=True, strict=True)

    files: tuple[ListedFile, ...] = Field(min_length=1)


class MalformedManifest(ValueError):
    """A manifest that cannot be read; says which line or field is wrong."""


def read_manifest(content: bytes, path: str) -> dict[str, ListedFile]:
    """Return the listed files by their paths below the staging area.

    Args:
        content: the manifest.
        path: where it lies, relative to the staging area.

    Raises:
        MalformedManifest: it is no JSON, or does not say what a manifest must.
    """
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(
            "."
        )
        where = f"field `{field}`: " if field else ""
        raise MalformedManifest(f"{where}{first['msg']}") from None
    folder = PurePosixPath(path).parent
    listed: dict[str, ListedFile] = {}
    for number, item in enumerate(manifest.files):
        said = PurePosixPath(item.path)
        if said.is_absolute() or ".." in said.parts or str(said) == ".":
            raise MalformedManifest(
                f"field `files[{number}].path`: `{item.path}` is no path below its folder"
            )
        if (place := str(folder / said)) in listed:
            raise MalformedManifest(f"field `files[{number}].path`: `{item.path}` is listed twice")
        listed[place] = item
    return listed


def manifest_of(path: str, files: Sequence[tuple[str, int, str]]) -> bytes:
    """Return a manifest that will lie at `path`, of files as (path below the staging area, size, SHA-256)."""
    folder = PurePosixPath(path).parent
    listed = tuple(
        ListedFile(path=str(PurePosixPath(file).relative_to(folder)), size=size, sha256=digest)
        for file, size, digest in files
    )
    return Manifest(files=listed).model_dump_json(indent=2).encode()
