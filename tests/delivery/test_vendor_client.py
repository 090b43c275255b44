"""What answers and lost connections become, and that no secret is in what is said of them."""

import pickle
import socket
from collections.abc import Iterator

import pytest
from sluicegate.destinations.batches import TryAgain
from sluicegate.destinations.http import AccessDenied, VendorClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.doubles.serving import LostAnswer, serve


async def answer(request: Request) -> Response:
    """As the path says, with the credentials in the words, as careless vendors do."""
    status = int(request.path_params["status"])
    if status == 0:
        return LostAnswer()
    return Response(f"{request.headers['authorization']} p%40ss p@ss", status, headers={"retry-after": "3"})


@pytest.fixture
def client() -> Iterator[VendorClient]:
    with serve(Starlette(routes=[Route("/{status:int}", answer, methods=["GET", "POST"])])) as address:
        made = VendorClient(f"crm://:p%40ss@{address}", headers={"authorization": "tok3n"}, secrets=["tok3n"])
        yield made
        made.close()


@pytest.mark.parametrize(
    ("status", "after", "everyone", "nothing_done"),
    [
        (429, 3.0, True, True),
        (503, 3.0, True, False),
        (500, None, False, False),
        (0, None, False, False),
    ],
)
def test_what_may_be_taken_later_is_tried_again(
    client: VendorClient, status: int, after: float | None, everyone: bool, nothing_done: bool
) -> None:
    with pytest.raises(TryAgain) as caught:
        client.request("POST", f"/{status}", json={})
    assert (caught.value.after, caught.value.everyone) == (after, everyone)
    assert caught.value.nothing_done is nothing_done
    assert not {"tok3n", "p@ss", "p%40ss"} & set(str(caught.value).split())


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_said_without_them(client: VendorClient, status: int) -> None:
    with pytest.raises(AccessDenied) as caught:
        client.request("GET", f"/{status}")
    assert caught.value.status == status
    assert not [secret for secret in ("tok3n", "p@ss", "p%40ss") if secret in str(caught.value)]
    again: AccessDenied = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.status) == (str(caught.value), status)
    assert again.nothing_done


def test_what_the_caller_judges_is_returned(client: VendorClient) -> None:
    assert client.request("GET", "/401", returned=(401,)).status_code == 401
    assert client.request("GET", "/404").status_code == 404


def test_where_nobody_answers_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(TryAgain, match=f"127.0.0.1:{port}: ReadTimeout") as unanswered:
            VendorClient(f"crm://:s@127.0.0.1:{port}").request("GET", "/", timeout=0.1)
    with pytest.raises(TryAgain, match="ConnectError") as unreached:
        VendorClient(f"crm://:s@127.0.0.1:{port}").request("GET", "/")
    assert (unanswered.value.nothing_done, unreached.value.nothing_done) == (False, True)


def test_long_words_are_shortened_to_one_line(client: VendorClient) -> None:
    assert client.shown("a\n b\t c tok3n") == "a b c ***"
    assert len(client.shown("x" * 5000)) == 500
