"""Who is answered, who may change something, and whether the page says that it works.

Belongs here: the door. Does not: what is on a page (`test_pages`).
"""

import re
import signal
import socket
import sqlite3
from contextlib import closing
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from orchestration.page.data_docs import site_dir
from orchestration.page.reading import Reading
from orchestration.page.serving import Door
from tests.company import TUE
from tests.incidents.desk import NOON
from tests.page.conftest import OWN, PASSWORD, PERSON, Shown
from tests.typed import sluice

ADA = {PERSON: "ada@bakery.example", "Origin": OWN}
EVIL = "https://evil.example"


def token(shop: Shown, headers: dict[str, str]) -> str:
    """Return what the form on an incident's page carries."""
    found = re.search(
        r'name="token" value="(\w+)"', shop.client.get("/incidents/1.html", headers=headers).text
    )
    return found[1] if found else ""


def people(shop: Shown) -> list[tuple[str, str, str]]:
    """Return what people have said of the incident."""
    events = shop.company.deployment.store.incidents.events(1)
    return [(event.what, event.person, event.text) for event in events if event.person]


def test_who_the_proxy_vouches_for_says_that_they_see_to_it(own_shop: Shown) -> None:
    form = {"what": "acknowledge", "reason": "on it <b>\x1b[31m\nnow", "token": token(own_shop, ADA)}
    answer = own_shop.client.post("/incidents/1.html", headers=ADA, data=form)
    assert (answer.status_code, answer.headers["Location"]) == (303, "1.html")
    assert people(own_shop) == [("acknowledged", "ada@bakery.example", "on it <b> [31m now")]
    page = own_shop.html("index.html")
    assert "acknowledged by ada@bakery.example" in page
    for what, status in (("unacknowledge", "open"), ("snooze", "snoozed")):
        form |= {"what": what, "span": "3h", "reason": "later"}
        assert own_shop.client.post("/incidents/1.html", headers=ADA, data=form).status_code == 303
        [incident] = own_shop.company.deployment.store.incidents.open()
        assert incident.status(NOON) == status
    assert incident.snoozed_until == NOON + timedelta(hours=3)


@pytest.mark.parametrize(
    ("headers", "changes", "status"),
    [
        ({"Origin": OWN}, {}, 403),
        ({PERSON: "ada@bakery.example"}, {}, 403),
        ({PERSON: "ada@bakery.example", "Origin": EVIL}, {}, 403),
        ({PERSON: "ada@bakery.example", "Origin": "null"}, {}, 403),
        ({PERSON: "ada@bakery.example", "Origin": "http://ops.example"}, {}, 403),
        ({PERSON: "bob@bakery.example", "Origin": OWN}, {}, 403),
        (ADA, {"token": "0" * 64}, 403),
        (ADA, {"token": "ü"}, 403),
        (ADA, {"token": ""}, 403),
        (ADA, {"reason": " \n"}, 400),
        (ADA, {"what": "resolve"}, 400),
        (ADA, {"what": "snooze", "span": "for ever"}, 400),
        (ADA, {"reason": "x" * 10_000}, 403),
    ],
)
def test_nobody_else_changes_anything(
    shop: Shown, headers: dict[str, str], changes: dict[str, str], status: int
) -> None:
    form = {"what": "acknowledge", "reason": "mine", "token": token(shop, ADA)} | changes
    assert shop.client.post("/incidents/1.html", headers=headers, data=form).status_code == status
    assert people(shop) == []


@pytest.mark.parametrize("name", ["zoë@bakery.example", "李雷"])
def test_a_name_goes_on_record_as_the_proxy_writes_it(own_shop: Shown, name: str) -> None:
    headers = [(PERSON.encode(), name.encode()), (b"Origin", OWN.encode())]
    page = own_shop.client.get("/incidents/1.html", headers=headers).text
    found = re.search(r'name="token" value="(\w+)"', page)
    assert found is not None
    form = {"what": "acknowledge", "reason": "mine", "token": found[1]}
    assert own_shop.client.post("/incidents/1.html", headers=headers, data=form).status_code == 303
    assert people(own_shop) == [("acknowledged", name, "mine")]


def test_a_name_that_stands_twice_is_nobodys(shop: Shown) -> None:
    twice = [(PERSON, "ada@bakery.example"), (PERSON, "eve@evil.example"), ("Origin", OWN)]
    form = {"what": "acknowledge", "reason": "mine", "token": token(shop, ADA)}
    assert shop.client.post("/incidents/1.html", headers=twice, data=form).status_code == 403
    assert "I see to it" not in shop.client.get("/incidents/1.html", headers=twice).text


def test_without_a_proxy_the_page_only_shows(own_shop: Shown) -> None:
    form = {"what": "acknowledge", "reason": "mine", "token": token(own_shop, ADA)}
    client = own_shop.serve(Door(), host="")
    headers = ADA | {"Origin": own_shop.url}
    assert "I see to it" not in client.get("/incidents/1.html", headers=headers).text
    assert client.post("/incidents/1.html", headers=headers, data=form).status_code == 403
    assert people(own_shop) == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/", "/index.html", "/incidents.html", "/data-docs/index.html", "/metrics"])
def test_nothing_else_is_taken(shop: Shown, method: str, path: str) -> None:
    assert shop.client.request(method, path, headers=ADA).status_code == 405


@pytest.mark.parametrize(
    ("host", "status"),
    [("ops.example", 200), ("127.0.0.1:3002", 200), ("localhost", 200), ("[::1]:9", 200),
     ("evil.example", 421), ("ops.example.evil.example", 421), ("ops.example:81", 421),
     ("127.0.0.1.evil.example", 421), ("OPS.example", 200), ("localhost.:3002", 200), ("[::1]", 200),
     ("127.0.0.1/evil.example", 421), ("evil.example@127.0.0.1", 421), ("127.0.0.1:3002?x", 421),
     ("[::1", 421), ("[localhost", 421), ("ops.example/", 421), ("", 421)],
)  # fmt: skip
def test_another_sites_name_reads_nothing(shop: Shown, host: str, status: int) -> None:
    answer = shop.client.get("/index.html", headers={"Host": host})
    assert (answer.status_code, TUE in answer.text) == (status, status == 200)


def test_a_host_that_stands_twice_is_nobodys(shop: Shown) -> None:
    asked = HTTPConnection(shop.url.removeprefix("http://"), timeout=60)
    asked.putrequest("GET", "/index.html", skip_host=True)
    for host in ("ops.example", "evil.example"):
        asked.putheader("Host", host)
    asked.endheaders()
    with closing(asked):
        assert asked.getresponse().status == 421


def test_data_docs_are_not_framed_and_send_nothing(shop: Shown) -> None:
    site = site_dir(shop.company.settings)
    site.mkdir(exist_ok=True)
    (site / "one.html").write_text("<body></body>")
    policy = shop.client.get("/data-docs/one.html").headers["Content-Security-Policy"]
    for one in ("frame-ancestors", "form-action", "base-uri", "connect-src"):
        assert f"{one} 'none'" in policy


@pytest.mark.parametrize("path", ["/index.html", "/nobody.html", "/healthz", "/data-docs/no.html"])
def test_no_answer_loads_anything_or_is_framed(shop: Shown, path: str) -> None:
    headers = shop.client.get(path).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "no-cache" in headers["Cache-Control"]


@pytest.mark.parametrize(
    "path",
    ["data-docs/%00", "data-docs/" + "a" * 5000, "data-docs/..%2f..%2fstate.db", "data-docs/a%ff/b", "%00",
     f"sources-{'9' * 5000}.html", "sources-%D9%A1.html", "exports-0.html", f"incidents/{'9' * 5000}.html",
     f"logs/{'a' * 5000}/b.html", f"ways/export/exp_shop_orders/{'9' * 5000}.html"],
)  # fmt: skip
def test_a_path_that_is_no_pages_is_answered_as_such(shop: Shown, path: str) -> None:
    answer = shop.client.get(f"/{path}")
    assert (answer.status_code, answer.headers["X-Content-Type-Options"]) == (404, "nosniff")


def test_health_says_what_does_not_work(own_shop: Shown) -> None:
    assert own_shop.client.get("/healthz").text == "ok\n"
    assert (own_shop.client.get("/readyz").status_code, own_shop.client.get("/readyz").text) == (
        200,
        "ready\n",
    )
    vars(own_shop.company.deployment)["clock"] = lambda: NOON + timedelta(minutes=11)
    answer = own_shop.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.text == "look: the last one was 11 min ago; expected one each 10 min\n"
    assert "Nobody has looked at what is wrong for 11 min" in own_shop.html("index.html")
    vars(own_shop.company.deployment)["clock"] = lambda: NOON - timedelta(days=3)
    answer = own_shop.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.text == "look: the last one was 3 days ahead; expected one each 10 min\n"
    assert "The last look at what is wrong is 3 days ahead of the clock" in own_shop.html("index.html")
    vars(own_shop.company.deployment)["clock"] = lambda: NOON - timedelta(minutes=10)
    assert own_shop.client.get("/readyz").status_code == 200, "clocks of two machines differ"
    for name in ("state.db-wal", "state.db-shm"):
        (own_shop.company.settings.data_dir / name).unlink(missing_ok=True)
    own_shop.company.deployment.store._engine.dispose()  # pyright: ignore[reportPrivateUsage]
    (own_shop.company.settings.data_dir / "state.db").write_bytes(b"no database at all" * 999)
    assert own_shop.client.get("/healthz").status_code == 200
    answer = own_shop.client.get("/readyz")
    assert (answer.status_code, answer.text) == (503, "records: cannot be read; `sluice status` says why\n")
    answer = own_shop.client.get("/index.html")
    assert answer.status_code == 503
    assert "`sluice status` says why" in answer.text


def test_records_that_are_replaced_or_gone_are_not_shown_on(own_shop: Shown, tmp_path: Path) -> None:
    records = own_shop.company.settings.data_dir / "state.db"
    assert own_shop.client.get("/incidents/1.html").status_code == 200
    with closing(sqlite3.connect(records)) as connection, closing(sqlite3.connect(tmp_path / "b")) as backup:
        connection.backup(backup)
        backup.execute("delete from incidents")
        backup.commit()
    own_shop.company.deployment.store.fold()
    records.rename(tmp_path / "moved")
    for path in ("/index.html", "/readyz", "/metrics", "/incidents/1.html"):
        assert own_shop.client.get(path).status_code == 503, path
    assert not records.exists(), "who only reads makes none"
    for name in ("state.db-wal", "state.db-shm"):
        (records.parent / name).unlink(missing_ok=True)
    (tmp_path / "b").rename(records)
    assert own_shop.client.get("/incidents/1.html").status_code == 404
    assert "Nothing is wrong" in own_shop.html("index.html")
    assert own_shop.client.get("/readyz").text == "ready\n"


def test_a_project_that_does_not_load_is_told_and_what_is_on_record_is_shown(own_shop: Shown) -> None:
    company = own_shop.company.with_own_project()
    export = company.settings.project_dir / "exports/exp_shop_orders.yml"
    whole = export.read_text()
    export.write_text(whole.replace("mode: mirror", "mode: miror"))
    own_shop.reading = Reading(company.settings, seconds=0)
    own_shop.client = own_shop.serve(Door(OWN, PERSON))
    assert own_shop.reading.look().project is None
    page = own_shop.html("index.html")
    assert "The project does not load: exports/exp_shop_orders.yml:" in page
    assert f"staging.stg_orders [{TUE}]" in page
    assert "project: does not load" in own_shop.client.get("/readyz").text
    way = own_shop.html(f"ways/table/staging.stg_orders/{TUE}.html")
    assert "Only what is on record is shown" in way
    assert f"raw.orders [{TUE}]" in way, "as it was built of it"
    export.write_text(whole)
    assert own_shop.reading.look().problems == ()
    assert own_shop.client.get("/readyz").text == "ready\n"


def test_metrics_have_few_series_and_no_names(shop: Shown) -> None:
    text = shop.client.get("/metrics").text
    kinds = {family.name: family.type for family in text_string_to_metric_families(text)}
    assert kinds["sluice_deliveries"] == "gauge", "a status has fewer once a delivery has another"
    assert "counter" not in kinds.values()
    assert "sluice_project_loads 1.0" in text
    assert "sluice_last_look_timestamp_seconds" in text
    labels = set(re.findall(r'(\w+)="', text))
    assert labels <= {"urgency", "how", "status", "page", "le"}
    assert "exp_" not in text
    assert PASSWORD not in text


def test_where_other_machines_come_in_probes_have_names_of_their_own(own_shop: Shown) -> None:
    client = own_shop.serve(Door(OWN, anywhere=True), host="10.0.0.7:3002")
    assert [client.get(path).status_code for path in ("/healthz", "/readyz", "/metrics")] == [200, 200, 200]
    assert client.get("/index.html").status_code == 421


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--host", "0.0.0.0"], "expected --url as well"),
        (["--behind-proxy", PERSON], "--behind-proxy needs --url"),
        (["--url", "ops.example"], "expected an address without a path, as https://ops.example.com"),
        (["--url", "https://ops.example/sluice"], "expected an address without a path"),
        (["--port", "{taken}"], "is in use, or not ours to take; expected a free one: --port"),
        (["--host", "192.0.2.1", "--url", OWN], "is in use, or not ours to take"),
    ],
)
def test_what_cannot_be_served_is_told(shop: Shown, options: list[str], told: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        typed = [one.format(taken=taken.getsockname()[1]) for one in options]
        code, said = sluice(shop.company, "page", "serve", *typed)
    assert (code, told in said) == (2, True), said


def test_the_command_serves_until_it_is_asked_to_stop(shop: Shown) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
    process = shop.company.start("page", "serve", "--port", port)
    assert process.stdout is not None
    assert process.stdout.readline() == f"page: http://127.0.0.1:{port}  stop: Ctrl-C\n"
    page = httpx.get(f"http://127.0.0.1:{port}/index.html", timeout=60).text
    assert f"staging.stg_orders [{TUE}]" in page
    process.send_signal(signal.SIGTERM)
    assert (process.wait(timeout=60), process.communicate()[1]) == (0, "")


def test_a_folder_with_other_things_in_it_is_left_alone(shop: Shown, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    code, said = sluice(shop.company, "page", "write", "--out", str(tmp_path))
    assert (code, "expected an empty folder" in said) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    code, said = sluice(shop.company, "page", "write", "--out", str(tmp_path / "mine.txt"))
    assert (code, "Not a directory; expected a folder that can be written to: --out" in said) == (2, True)
    assert (tmp_path / "mine.txt").read_text() == "mine"
