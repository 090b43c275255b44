"""Files in a container that keeps blobs as they are: what goes on, and what is said of the rest.

Belongs here: retention policies and legal holds of Azure Blob. Does not: what every storage owes
(`test_blob_destination`), erasure where storage allows it (`test_blob_erasure`).
"""

import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from pydantic import SecretStr
from sluicegate.areas import Area, ImmutableFileError, StorageAccess
from sluicegate.destinations.base import DeliveryError, Mode

from tests.doubles.immutable_blobs import ImmutableBlobs
from tests.doubles.serving import serve

from .blobs import Place, scope_of
from .cases.blob import storage_of
from .support import DAY, MakeShard, rows_of

CODES = pytest.mark.parametrize("code", ["BlobImmutableDueToPolicy", "BlobImmutableDueToLegalHold"])
MODES = pytest.mark.parametrize("mode", [Mode.SNAPSHOT, Mode.APPEND])
ENDPOINT = re.compile(r"(?<=BlobEndpoint=)https?://[^/;]+")


@pytest.fixture
def blobs(request: pytest.FixtureRequest) -> Iterator[tuple[ImmutableBlobs, str, str]]:
    """The double, the URL of an area behind it, and the account's connection string."""
    storage = storage_of(request, "azurite")
    azurite = storage.environ["SLUICE_AZURE_CONNECTION_STRING"]
    [endpoint] = ENDPOINT.findall(azurite)
    double = ImmutableBlobs(endpoint)
    with serve(double.app) as host:
        yield double, storage.fresh_url(), ENDPOINT.sub(f"http://{host}", azurite)


@pytest.fixture
def area(blobs: tuple[ImmutableBlobs, str, str]) -> Area:
    return Area(blobs[1], StorageAccess(azure_connection_string=SecretStr(blobs[2])))


@pytest.fixture
def place(blobs: tuple[ImmutableBlobs, str, str], area: Area, make_shard: MakeShard) -> Place:
    return Place(f"{blobs[1]}?connection_string={quote(blobs[2], safe='')}", area, make_shard)


@pytest.mark.sampled(2)
@CODES
@MODES
def test_a_first_delivery_arrives_and_a_correction_is_told_why_it_cannot(
    blobs: tuple[ImmutableBlobs, str, str], place: Place, code: str, mode: Mode
) -> None:
    blobs[0].code = code
    place.send(place.shard(rows_of(DAY, 3, "a"), "d-1", mode=mode))
    assert {row[2] for row in place.held()} == {"a"}
    again = place.shard(rows_of(DAY, 3, "b"), "d-2", "d-1", mode=mode)
    with pytest.raises(DeliveryError, match=rf"manifest\.json may be neither changed .*{code}") as error:
        place.send(again)
    assert "retention policy or legal hold" in error.value.fix
    assert "AccountKey" not in str(error.value)
    assert {row[2] for row in place.held()} == {"a"}
    # The policy ends, and the same delivery goes out.
    blobs[0].code = ""
    place.send(again)
    assert {row[2] for row in place.held()} == ({"b"} if mode is Mode.SNAPSHOT else {"a", "b"})


@CODES
def test_an_erasure_is_told_why_it_cannot(
    blobs: tuple[ImmutableBlobs, str, str], place: Place, code: str
) -> None:
    rows = rows_of(DAY, 3, "a")
    place.send(place.shard(rows, "d-1"))
    blobs[0].code = code
    keys = [{"business_date": DAY, "item": rows[0][0]}]
    with pytest.raises(DeliveryError, match=f"taking keys of exp_items out of .*{code}"):
        place.destination().forget(scope_of(), keys)
    blobs[0].code = ""
    assert place.destination().forget(scope_of(), keys) == 1
    assert len(place.held()) == 2


@CODES
def test_every_way_to_change_a_file_says_it(
    blobs: tuple[ImmutableBlobs, str, str], area: Area, code: str
) -> None:
    large = [b"x" * (17 << 20)]
    area.write("small", [b"a"])
    area.write("large", large)
    version = area.version("small")
    blobs[0].code = code
    for change in (
        lambda: area.write("small", [b"b"]),
        lambda: area.write("large", large),
        lambda: area.swap("small", b"b", version),
        lambda: area.remove("small"),
        lambda: area.remove_all(["small", "large"]),
    ):
        with pytest.raises(ImmutableFileError, match=code):
            change()
    assert area.read("small") == b"a"
    # A file that is there is no news to whoever would create it.
    for path, content in (("small", [b"b"]), ("large", large)):
        with pytest.raises(FileExistsError):
            area.create(path, content)
    area.create("new", [b"c"])
    assert area.read("new") == b"c"
