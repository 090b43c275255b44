"""References to secrets: how they are written and read, that they stay references, and that values stay out.

Does not belong here: Key Vault (`test_key_vault`), what a destination does with a new one (`delivery`).
"""

import base64
import json
import logging
import os
import pickle
import sys
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest
import typer
from dagster._utils.error import serializable_error_info_from_exc_info
from rich.console import Console
from sluicegate.core.secrets import ByReference, SecretError
from sluicegate.core.secrets.redaction import REDACTED, keep_out, redacted, secrets_in
from sluicegate.core.settings import Settings, SettingsError
from typer.testing import CliRunner

from tests.canaries import forms, found_in

VARIABLE = "SLUICE_CONNECTION_CRM"
CANARY = 'kanárie/+ "quoted" 7!x'


def reading(text: str) -> str:
    return ByReference(text, VARIABLE).get_secret_value()


# -- files and variables


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("s3cret", "s3cret"), ("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), ("s3cret\n\n", "s3cret\n"),
        (" s3cret ", " s3cret "), ("a\nb\n", "a\nb"), ("schön", "schön"), ("s3cret\r", "s3cret\r"),
    ],
)  # fmt: skip
def test_a_file_is_its_content_but_one_end_of_line(tmp_path: Path, content: str, value: str) -> None:
    (tmp_path / "secret").write_bytes(content.encode())
    assert reading(f"secret+file:{tmp_path}/secret") == value
    assert reading(f"secret+file://{tmp_path}/secret") == value


def test_a_file_is_read_as_it_is_now_however_it_was_replaced(tmp_path: Path) -> None:
    """Written over within one tick of its clock, and by a link that is moved, as Kubernetes does."""
    (tmp_path / "..one").mkdir()
    (tmp_path / "..two").mkdir()
    (tmp_path / "..one" / "url").write_text("the first")
    (tmp_path / "..two" / "url").write_text("the other")
    (tmp_path / "..data").symlink_to("..one")
    (tmp_path / "url").symlink_to("..data/url")
    secret = ByReference(f"secret+file:{tmp_path}/url", VARIABLE)
    assert secret.get_secret_value() == "the first"
    (tmp_path / "..new").symlink_to("..two")
    (tmp_path / "..new").rename(tmp_path / "..data")
    assert secret.get_secret_value() == "the other"
    assert secret.renewed("the first") == "the other"
    assert secret.renewed("the other") is None
    before = (tmp_path / "url").stat()
    (tmp_path / "..two" / "url").write_text("the third")
    os.utime(tmp_path / "url", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert secret.get_secret_value() == "the third"
    (tmp_path / "url").unlink()
    assert secret.renewed("the third") is None


@pytest.mark.parametrize(
    ("content", "said", "fix"),
    [
        (None, "No such file or directory", "mount or write"),
        ("folder", "Is a directory", "mount or write"),
        (b"", "it is empty", "put the secret there"),
        (b"\n", "it is empty", "put the secret there"),
        (b"\xff\xfe", "no UTF-8", "mount or write"),
        (b"x" * 1_000_001, "more than 1,000,000 bytes", "mount or write"),
        (b"secret+env:HOME", "a reference itself", "put the secret there"),
    ],
)
def test_a_file_that_gives_none_is_told(
    tmp_path: Path, content: bytes | str | None, said: str, fix: str
) -> None:
    file = tmp_path / "secret"
    if content == "folder":
        file.mkdir()
    elif isinstance(content, bytes):
        file.write_bytes(content)
    with pytest.raises(
        SecretError, match=f"^{VARIABLE}: `secret\\+file:{file}` cannot be read: .*{said}"
    ) as caught:
        reading(f"secret+file:{file}")
    assert fix in str(caught.value)


def test_a_variable_is_read_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = ByReference("secret+env:CRM_URL", VARIABLE)
    with pytest.raises(SecretError, match="it is not set; expected a variable with the secret; set CRM_URL"):
        secret.get_secret_value()
    for value in ("one", "another"):
        monkeypatch.setenv("CRM_URL", value)
        assert secret.get_secret_value() == value


# -- other people's


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that reads two kinds, as pip would leave it."""
    (tmp_path / "vaulted.py").write_text(
        "from sluicegate.core.secrets import SecretError\n"
        "def read(address):\n"
        "    if address == '//gone':\n"
        "        raise SecretError('no such path', 'a path', 'type `vault kv put`')\n"
        "    if address == '//fails':\n"
        "        raise RuntimeError('the answer was canary-of-vaulted')\n"
        "    return None if address == '//none' else 'of ' + address\n"
    )
    info = tmp_path / "vaulted-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vaulted\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[sluice.secrets]\nvaulted = vaulted:read\nbroken = nowhere:read\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("package")
def test_a_package_reads_a_kind_of_its_own() -> None:
    assert reading("secret+vaulted://kv/crm?x=1") == "of //kv/crm?x=1"
    with pytest.raises(SecretError, match="no such path; expected a path; type `vault kv put`"):
        reading("secret+vaulted://gone")
    with pytest.raises(SecretError, match="cannot be read: RuntimeError in the package") as caught:
        reading("secret+vaulted://fails")
    assert "canary-of-vaulted" not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(SecretError, match="it is NoneType"):
        reading("secret+vaulted://none")
    with pytest.raises(SecretError, match="ModuleNotFoundError in the package"):
        reading("secret+broken:x")
    with pytest.raises(SecretError, match="did you mean `vaulted`"):
        reading("secret+vaultd:x")


# -- how they are written


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("secret+azvk://kv/crm", "did you mean `azkv`"),
        ("secret+file:relative/path", "expected secret+file:/absolute/path"),
        ("secret+file:", "no kind and address"),
        ("secret+env:NO-NAME", "expected secret+env:NAME"),
        ("secret+azkv://kv", "expected secret+azkv://VAULT/NAME"),
        ("secret+azkv:kv/crm", "expected secret+azkv://VAULT/NAME"),
        ("secret+azkv://kv/crm/1/2", "expected secret+azkv://VAULT/NAME"),
        ("secret+", "a secret that begins so belongs in a file"),
        ("https://u:${secret+nowhere:x}@h/", "is no kind of reference"),
        ("https://u:${secret+env:X@h/", "write the }"),
    ],
)
@pytest.mark.parametrize("variable", [VARIABLE, "SLUICE_STATE_URL", "SLUICE_MASKING_KEY"])
def test_what_begins_as_a_reference_and_is_none_is_refused_at_start(
    text: str, said: str, variable: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load({variable: text})
    assert str(caught.value).startswith(f"{variable}: ")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("postgresql://app:${secret+env:PART}@host/db", f"postgresql://app:{quote(CANARY, safe='')}@host/db"),
        ("Postgresql://app:${SECRET+env:PART}@host/db?x=${secret+env:SHORT}",
         f"Postgresql://app:{quote(CANARY, safe='')}@host/db?x=sh0rt%3D"),
        ("AccountName=a;AccountKey=${secret+env:SHORT};BlobEndpoint=https://h/", "AccountName=a;AccountKey=sh0rt=;BlobEndpoint=https://h/"),
    ],
)  # fmt: skip
def test_a_part_is_escaped_as_where_it_stands_needs_it(
    monkeypatch: pytest.MonkeyPatch, written: str, meant: str
) -> None:
    monkeypatch.setenv("PART", CANARY)
    monkeypatch.setenv("SHORT", "sh0rt=")
    assert reading(written) == meant


# -- that they stay references


def test_another_process_is_handed_the_references(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is a secret, and every connection; nothing is read by it."""
    nowhere = f"secret+file:{tmp_path}/not/there"
    environ = {
        "SLUICE_STATE_URL": f"postgresql://u:${{{nowhere}}}@127.0.0.1/db", "SLUICE_MASKING_KEY": nowhere,
        "SLUICE_AZURE_CONNECTION_STRING": f"AccountName=a;AccountKey=${{{nowhere}}}", VARIABLE: nowhere,
        "SLUICE_CONNECTION_PLAIN": "https://u:p@h", "SLUICE_SCRATCH_KUSTO": nowhere,
        "SLUICE_WORK_CONNECTION_CRM": nowhere,
    }  # fmt: skip
    settings = Settings.load(environ, project_dir=tmp_path)
    handed = settings.environment()
    assert {name: handed[name] for name in environ} == environ
    assert Settings.load(handed) == Settings.load(handed)
    kept = settings.connections["crm"]
    assert pickle.loads(pickle.dumps(kept)) == kept
    assert hash(kept) == hash(settings.connections["crm"])
    assert nowhere not in f"{settings!r} {settings.model_dump()} {settings.model_dump_json()}"
    secret_fields = {
        name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)
    }
    mappings = {"connections", "work_connections"}
    assert secret_fields - mappings == {
        "state_url", "masking_key", "azure_connection_string", "scratch_kusto"
    }  # fmt: skip
    for name in secret_fields - mappings:
        with pytest.raises(SecretError, match="No such file"):
            getattr(settings, name).get_secret_value()


def test_what_does_not_fit_is_told_when_it_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KEY", "too short")
    settings = Settings.load(
        {"SLUICE_MASKING_KEY": "secret+env:KEY", "SLUICE_AZURE_CONNECTION_STRING": "secret+env:KEY"},
        project_dir=tmp_path,
    )
    assert settings.masking_key is not None
    with pytest.raises(
        SettingsError, match="SLUICE_MASKING_KEY, read by `secret.env:KEY`, is 9 characters long"
    ):
        settings.masking_key.get_secret_value()
    access = settings.storage_access
    with pytest.raises(SettingsError, match="is no connection string") as caught:
        access.account_of(None)
    assert "too short" not in str(caught.value)
    # What a drop is named by is what it is masked by: the key is one for a process.
    monkeypatch.setenv("KEY", "the first key of the two")
    first = settings.masking_key.get_secret_value()
    monkeypatch.setenv("KEY", "the second key of the two")
    assert settings.masking_key.get_secret_value() == first == "the first key of the two"


def test_a_local_deployment_asks_no_vault_elsewhere(tmp_path: Path) -> None:
    environ = {VARIABLE: "secret+azkv://sluice-kv/crm", "SLUICE_ENVIRONMENT": "local"}
    settings = Settings.load(environ, project_dir=tmp_path)
    with pytest.raises(
        SecretError, match=f"{VARIABLE} leads to sluice-kv.vault.azure.net, and this deployment"
    ):
        settings.connection("crm")


# -- that values stay out


def test_a_secret_is_found_in_every_form() -> None:
    keep_out([CANARY, "short"])
    told = {name: form.decode("utf-8", "replace") for name, form in forms(CANARY).items()}
    shown = [redacted(base64.b64encode(f"u{'u' * n}:{CANARY}:x".encode()).decode()) for n in range(3)]
    shown += [
        redacted(text)
        for text in (CANARY, quote(CANARY), quote(CANARY, safe=""), json.dumps(CANARY), repr(CANARY))
    ]
    assert told
    assert [found for text in shown for found in found_in(text.encode(), CANARY)] == []
    assert all(REDACTED in text for text in shown)
    assert redacted("a short text") == "a short text"


def test_parts_of_a_url_that_was_read_whole_are_secret_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHOLE", "AccountName=a;AccountKey=canary-key-1==;EndpointSuffix=x?sig=canary%2Dsig")
    reading("secret+env:WHOLE")
    assert redacted("key canary-key-1== and account a") == f"key {REDACTED} and account a"
    assert secrets_in("x://u:p%40ss@h?token=t") == ["p%40ss", "p@ss", "t"]


def _logged() -> None:
    logging.getLogger("any").warning("with %s", CANARY)
    try:
        raise RuntimeError(CANARY)
    except RuntimeError:
        logging.getLogger("any").exception("it failed")


def _told_by_a_traceback() -> None:
    try:
        try:
            raise KeyError(CANARY)
        except KeyError as error:
            raise ValueError(f"because of {CANARY}") from error
    except ValueError:
        print(traceback.format_exc())
        print(json.dumps(serializable_error_info_from_exc_info(sys.exc_info())))


def _printed() -> None:
    print(CANARY)
    print(CANARY, file=sys.stderr)
    sys.stdout.writelines([CANARY])
    typer.echo(json.dumps({"said": CANARY}))
    Console(stderr=True).print(CANARY, markup=False)
    sys.excepthook(RuntimeError, RuntimeError(CANARY), None)


@pytest.mark.parametrize("writing", [_logged, _told_by_a_traceback, _printed])
def test_nothing_that_this_process_writes_has_it(
    monkeypatch: pytest.MonkeyPatch, writing: object, caplog: pytest.LogCaptureFixture
) -> None:
    app = typer.Typer()

    @app.command()
    def command() -> None:
        monkeypatch.setenv("SECRET", CANARY)
        logging.getLogger("any").addHandler(handler := logging.StreamHandler(sys.stderr))
        reading("secret+env:SECRET")
        assert callable(writing)
        writing()
        logging.getLogger("any").removeHandler(handler)

    told = CliRunner().invoke(app)
    assert told.exit_code == 0
    whole = told.output + caplog.text
    assert REDACTED in whole
    assert found_in(whole.encode(), CANARY) == []


def test_the_tracebacks_of_this_python_keep_an_errors_text_where_it_is_redacted() -> None:
    keep_out([CANARY])
    error = RuntimeError(CANARY)
    error.add_note(f"a note with {CANARY}")
    told = traceback.TracebackException.from_exception(error)
    assert list(told.format_exception_only()) == [f"RuntimeError: {REDACTED}\n", f"a note with {REDACTED}\n"]
