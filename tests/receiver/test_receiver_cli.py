"""The command: its options, what it prints, and that it keeps secrets and persons to itself."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
import sys
import time
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest
import requests
from support.receiver import (
    BY_KEY,
    BY_USER,
    HEADERS,
    KEY,
    PASSWORD,
    USER,
    environment,
    receiving,
    stored,
)

from crowdtwist_receiver.auth import Credentials
from crowdtwist_receiver.cli import main
from crowdtwist_receiver.options import ReceiverOptions
from crowdtwist_receiver.stats import ReceiverStats

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [*BY_KEY, *BY_USER]
NOBODY = (
    "No credentials: set CROWDTWIST_RECEIVER_USER and CROWDTWIST_RECEIVER_PASSWORD, or"
    " CROWDTWIST_RECEIVER_API_KEY, in the environment, or give --user-file and --password-file, or"
    " --api-key-file."
)
PAIR = (
    "CROWDTWIST_RECEIVER_USER and CROWDTWIST_RECEIVER_PASSWORD: set both or neither (or give"
    " --user-file and --password-file)."
)
NETWORK = "must be a network such as 203.0.113.0/24, or an address."
UNSET = (
    "--no-authentication: unset CROWDTWIST_RECEIVER_USER, CROWDTWIST_RECEIVER_PASSWORD and"
    " CROWDTWIST_RECEIVER_API_KEY, and give no secret files; they would not be checked."
)
UNFIT = (
    "--tls-certificate and --tls-key: must be readable PEM files of a certificate and its key,"
    " without passphrase."
)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CROWDTWIST_RECEIVER_API_KEY", KEY)


def refused(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """The one sentence with which it does not start."""
    assert main(options) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("crowdtwist-receiver: ")
    assert "CANARY" not in err
    return err.removeprefix("crowdtwist-receiver: ").rstrip("\n")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--max-body", "0"], "--max-body: must be more than 0."),
        (["--body-timeout", "-1"], "--body-timeout: must be more than 0."),
        (["--body-timeout", "nan"], "--body-timeout: must be more than 0."),
        (["--max-bodies", "0"], "--max-bodies: must be more than 0."),
        (["--hook-timeout", "0"], "--hook-timeout: must be more than 0."),
        (["--max-queue", "9"], "--max-queue: must not be less than --max-body."),
        (["--max-seconds", "-1"], "--max-seconds: must not be negative."),
        (["--port", "65536"], "--port: must be from 0 to 65535."),
        (["--port", "many"], "Argument --port: invalid int value: 'many'."),
        (["--api-key", "x"], "Unrecognized arguments: --api-key x."),
        (["--allow", "10.0.0.1/8"], "Argument --allow: " + NETWORK),
        (["--trusted-proxy", "localhost"], "Argument --trusted-proxy: " + NETWORK),
        (["--trusted-proxy", "10.0.0.1"], "--trusted-proxy: requires --allow or --metrics-allow."),
        (
            ["--no-authentication"],
            "--no-authentication: requires --allow.",
        ),
        (
            ["--no-authentication", "--allow", "10.0.0.0/8"],
            UNSET,
        ),
        (["--tls-key", "k.pem"], "--tls-certificate and --tls-key: give both or neither."),
        (["--tls-certificate", "c.pem", "--tls-key", "k.pem"], UNFIT),
        (["--host", "no.such.host.invalid"], None),
        (["--host", "192.0.2.1"], None),
        (["--third-party-id-hook", "json"], None),
        (["--third-party-id-hook", ":dumps"], None),
    ],
)
def test_an_option_that_is_no_use_ends_with_one_sentence(
    options: list[str],
    sentence: str | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = refused(capsys, "--directory", str(tmp_path), "--port", "0", *options)

    if sentence is not None:
        assert said == sentence
    elif "--host" in options:
        assert said.startswith(f"Port 0 of {options[-1]} cannot be used (")
    else:
        assert said == "--third-party-id-hook: must be package.module:function."
    assert list(tmp_path.iterdir()) == []


def test_a_directory_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys) == "The following arguments are required: --directory."


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("no_such_module:f", "no_such_module cannot be imported (ModuleNotFoundError)."),
        ("hook_that_fails:f", "hook_that_fails cannot be imported (RuntimeError)."),
        ("json:nothing", "json has no plain function nothing."),
        ("json:__name__", "json has no plain function __name__."),
        ("asyncio:sleep", "asyncio has no plain function sleep."),
    ],
)
def test_a_wrong_hook_ends_with_one_sentence(
    name: str,
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "hook_that_fails.py").write_text("raise RuntimeError('CANARY')", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    options = ("--directory", str(tmp_path / "live"), "--third-party-id-hook", name)

    assert refused(capsys, *options) == f"--third-party-id-hook: {sentence}"


@pytest.mark.parametrize(
    ("secrets", "sentence"),
    [
        ({}, NOBODY),
        ({"CROWDTWIST_RECEIVER_API_KEY": ""}, NOBODY),
        ({"CROWDTWIST_RECEIVER_USER": USER}, PAIR),
        ({"CROWDTWIST_RECEIVER_PASSWORD": PASSWORD, **BY_KEY}, PAIR),
        (
            {**BY_USER, "CROWDTWIST_RECEIVER_USER": f"{USER}:x"},
            "CROWDTWIST_RECEIVER_USER: must not contain a colon (Basic authentication).",
        ),
    ],
)
def test_it_does_not_start_without_secrets_that_are_some_use(
    secrets: dict[str, str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CROWDTWIST_RECEIVER_API_KEY")
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)

    assert refused(capsys, "--directory", str(tmp_path)) == sentence


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read (No such file or directory)."),
        (b"\n", "is empty."),
        (b"\xffCANARY", "is not UTF-8 text."),
    ],
)
def test_a_file_without_a_secret_ends_with_one_sentence(
    content: bytes | None, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    options = ("--directory", str(tmp_path), "--api-key-file", str(path))

    assert refused(capsys, *options) == f"--api-key-file: {sentence}"


def test_a_directory_that_cannot_be_written_ends_with_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")

    for place in ("file", "file/below"):
        said = refused(capsys, "--directory", str(tmp_path / place), "--port", "0")
        assert said.startswith("--directory: events cannot be written there (")


def test_a_busy_port_ends_with_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(capsys, "--directory", str(tmp_path), "--port", str(port))
    assert said == (
        f"Port {port} of 127.0.0.1 cannot be used (Address already in use): choose another "
        "--port or --host."
    )


def test_it_stops_by_itself_after_max_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signal.signal(signal.SIGINT, before := signal.default_int_handler)
    assert main(["--directory", str(tmp_path), "--port", "0", "--max-seconds", "0"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["live_url"] == json.loads(out)["url"] + "/live"
    assert json.loads(out)["url"].startswith("http://127.0.0.1:")
    assert err == "crowdtwist-receiver: last 0 s: no activity\n"
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGINT) is before


def test_secrets_may_stand_in_files(tmp_path: Path) -> None:
    files = {"user": USER, "password": PASSWORD, "api-key": KEY}
    options = []
    for name, value in files.items():
        (tmp_path / name).write_text(value + "\n", encoding="utf-8")
        options += [f"--{name}-file", str(tmp_path / name)]

    wrong = dict.fromkeys(NAMES, "not-asked")
    with receiving(tmp_path / "live", *options, secrets=wrong) as running:
        assert running.post("/live", {}).status_code == 200
        assert running.post("/live", {}, x_api_key="not-asked").status_code == 401
        by_user = requests.post(running.url + "/live", json={}, auth=(USER, PASSWORD), timeout=10)
        assert by_user.status_code == 200


def test_secrets_and_persons_appear_nowhere(tmp_path: Path) -> None:
    directory = tmp_path / "live"
    with receiving(directory, secrets={**BY_KEY, **BY_USER}) as running:
        arguments = running.process.args
        responses = [
            running.post("/live", {"email": "CANARY-person"}),
            running.post("/live?email=CANARY-person", {"password": "CANARY-theirs", "id": 1}),
            running.post("/live/CANARY-person", {}),
            running.post("/live", b'{"CANARY-person"'),
            running.post("/live", {}, x_api_key=KEY + "x"),
            running.post("/live", b"{CANARY", Content_Encoding="CANARY-person"),
            requests.post(running.url + "/live", json={}, auth=(USER, PASSWORD), timeout=10),
            requests.post(running.url + "/live", json={}, auth=(USER, "CANARY"), timeout=10),
            running.health(),
        ]
        code, out, err = running.end()

    assert code == 0
    assert [response.status_code for response in responses] == [
        *(200, 200, 404, 400, 401, 415, 200, 401, 200)
    ]
    for text in (out, err, str(arguments)):
        assert "CANARY" not in text
    for response in responses:
        assert "CANARY" not in response.text + str(response.headers)
        assert str(directory) not in response.text
    kept = b"".join(path.read_bytes() for path in directory.iterdir())
    assert kept.count(b"CANARY") == kept.count(b"CANARY-person") == 1
    assert "CANARY" not in repr(Credentials.from_secrets(USER, PASSWORD, KEY))
    (counts,) = err.splitlines()
    assert (
        "stored: 3 x live_users; responses: 3 x 200, 1 x 400 the body is not JSON in UTF-8,"
        " 2 x 401 unauthorized, 1 x 404 no such path, 1 x 415 content encodings are not supported;"
    ) in counts


def test_counts_are_said_every_minute(capsys: pytest.CaptureFixture[str]) -> None:
    now = 100.0
    stats = ReceiverStats(lambda: now)
    for now in (130.0, 159.9):  # noqa: B007 - the clock
        stats.count_response(200)
        stats.report_if_due()
    assert capsys.readouterr().err == ""
    now = 160.0
    stats.events["live_users"] += 3
    stats.report_if_due()
    stats.report_if_due()
    assert capsys.readouterr().err == (
        "crowdtwist-receiver: last 60 s: stored: 3 x live_users; responses: 2 x 200\n"
    )
    now = 220.0
    stats.report_if_due()
    assert capsys.readouterr().err == "crowdtwist-receiver: last 60 s: no activity\n"


def tls_options(tmp_path: Path) -> tuple[str, ...]:
    """The options of a certificate made for this test, which is at `tmp_path / "cert.pem"`."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", "/CN=made up", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        [*make.split(), *names, "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    return ("--tls-certificate", str(certificate), "--tls-key", str(key))


def test_it_serves_https_with_a_certificate(tmp_path: Path) -> None:
    options = tls_options(tmp_path)
    verify = str(tmp_path / "cert.pem")
    with receiving(tmp_path / "live", *options) as running, requests.Session() as session:
        assert running.url.startswith("https://127.0.0.1:")
        response = session.post(
            running.url + "/live", b'{"id":1}', headers=HEADERS, timeout=10, verify=verify
        )
        assert response.status_code == 200
        begun = time.monotonic()
        assert running.end()[0] == 0
        assert time.monotonic() - begun < 8  # the connection of the session is idle, and open
    assert [line.event for line in stored(tmp_path / "live")] == [{"id": 1}]


def test_a_stop_does_not_wait_for_a_client_that_keeps_a_tls_connection_open(
    tmp_path: Path,
) -> None:
    options = tls_options(tmp_path)
    context = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    head = b"POST /live HTTP/1.1\r\nHost: made-up\r\nContent-Length: 8\r\n"
    head += b"".join(f"{name}: {value}\r\n".encode() for name, value in HEADERS.items())
    with receiving(tmp_path / "live", *options) as running:
        address = ("127.0.0.1", int(running.url.rpartition(":")[2]))
        raw = socket.create_connection(address, timeout=10)
        with context.wrap_socket(raw, server_hostname="127.0.0.1") as connection:
            connection.sendall(head + b'\r\n{"id"')  # the rest of the body never comes
            time.sleep(0.5)
            begun = time.monotonic()
            assert running.end()[0] == 0
            assert time.monotonic() - begun < 8
            assert connection.recv(100).startswith(b"HTTP/1.1 503 ")


def test_plain_http_beyond_loopback_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--directory", str(tmp_path), "--port", "0", "--max-seconds", "0")

    assert main([*options, "--host", "0.0.0.0"]) == 0  # noqa: S104 - for no time at all
    warning = "serves plain http: make sure that only a TLS proxy can reach it."
    assert warning in capsys.readouterr().err
    assert main([*options, "--host", "::1"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["url"].startswith("http://[::1]:")
    assert warning not in err


def test_help_knows_every_option_and_where_secrets_go() -> None:
    result: Any = subprocess.run(
        [sys.executable, "-m", "crowdtwist_receiver", "--help"],
        env=environment({}),
        capture_output=True,
        text=True,
        check=True,
    )
    for field in fields(ReceiverOptions):
        assert f"--{field.name.replace('_', '-')} " in result.stdout
    for name in NAMES:
        assert name in result.stdout
