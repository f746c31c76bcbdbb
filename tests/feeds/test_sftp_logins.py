"""Logins on SFTP hosts, by URL, settings, `~/.ssh/config` and agent; secrets are not shown."""

from __future__ import annotations

import getpass
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.canaries import PASSPHRASE, PASSWORD
from support.harness import run_process, select
from support.processes import HOST
from support.push_files import ANYWHERE, check_failure, ids, put_days, read
from support.sftp_password_server import SftpPasswordServer
from support.sftp_server import KEY_TYPES, SftpServer, binary, forget_connections, make_key

from tap_crowdtwist.files.sftp import KnownHostsFileSystem
from tap_crowdtwist.files.sftp_login import read_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.harness import Result

pytest_plugins = ["support.sftp_fixtures"]

USER = "reader"
ROWS = [1, 101, 1, 102]


@pytest.fixture(autouse=True)
def _debug(monkeypatch: pytest.MonkeyPatch) -> None:
    """Log what all libraries log."""
    monkeypatch.setenv("LOGLEVEL", "DEBUG")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two files."""
    put_days(tmp_path / "in", 1, 2)
    return tmp_path / "in"


@pytest.fixture
def nothing(known: Path) -> Path:
    """The `.ssh` of a user who knows the server, and has no key."""
    known.with_name("id_ed25519").unlink()
    return known.parent


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys of several kinds, each with a passphrase and without."""
    made = tmp_path_factory.mktemp("keys")
    for kind in KEY_TYPES:
        make_key(made / kind, kind)
        copy_key(made / kind, made / f"{kind} locked", PASSPHRASE)
    copy_key(made / "rsa", made / "old rsa", "", "-m", "PEM")
    copy_key(made / "rsa", made / "old rsa locked", PASSPHRASE, "-m", "PEM")
    return made


def copy_key(source: Path, target: Path, passphrase: str, *options: str) -> None:
    """Copy a private key without a passphrase to a file with one, or in another format."""
    shutil.copy(source, target)
    command = [binary("ssh-keygen"), "-q", "-p", "-P", "", "-N", passphrase, *options]
    subprocess.run([*command, "-f", target], check=True, capture_output=True, timeout=30)


@pytest.fixture(scope="module")
def server(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpServer]:
    """A server that lets in whoever has one of the keys, or its own."""
    make_key(keys / "authority", "ed25519")
    options = ("MaxAuthTries 4", f"TrustedUserCAKeys {keys / 'authority.pub'}")
    with SftpServer(tmp_path_factory.mktemp("sshd"), "internal-sftp", *options) as running:
        accepted = [(keys / f"{kind}.pub").read_text() for kind in KEY_TYPES]
        with running.user_key.with_suffix(".pub").open("a") as authorized:
            authorized.writelines(accepted)
        yield running


def rejected(result: Result, *said: str) -> None:
    """Nothing was read, one sentence says why, and no secret is shown, not even in debug lines."""
    check_failure(result, *said)
    assert result.exit_code == 1
    assert not result.records
    shows_no_secret(result)


def shows_no_secret(result: Result) -> None:
    assert "cAn4ry" not in result.stdout
    assert "cAn4ry" not in result.stderr
    assert "| DEBUG " in result.stderr


# Keys


@pytest.mark.parametrize("name", [*KEY_TYPES, "old rsa"])
@pytest.mark.usefixtures("nothing")
def test_the_key_file_of_the_setting_is_used(
    keys: Path, server: SftpServer, folder: Path, name: str
) -> None:
    url = server.url(folder)
    assert ids(read(url, sftp_key_file=str(keys / name))) == ROWS
    locked: dict[str, Any] = {"sftp_key_file": str(keys / f"{name} locked")}
    result = read(url, **locked, sftp_key_passphrase=PASSPHRASE)
    assert ids(result) == ROWS
    shows_no_secret(result)
    rejected(
        read(url, **locked, code=1),
        "Setting `sftp_key_passphrase`: is missing, although the key in `sftp_key_file` has a",
    )
    rejected(
        read(url, **locked, sftp_key_passphrase="cAn4ry of another", code=1),
        "Setting `sftp_key_passphrase`: is not the passphrase of the key in `sftp_key_file`",
    )


@pytest.mark.usefixtures("nothing")
def test_a_key_file_that_paramiko_itself_cannot_read(
    keys: Path, server: SftpServer, folder: Path, tmp_path: Path
) -> None:
    """It fails at most of these ECDSA keys without a comment, and at PKCS #8."""
    for number in range(4):
        path = tmp_path / f"{number}"
        command = [binary("ssh-keygen"), "-q", "-t", "ecdsa", "-N", "", "-C", "", "-f", str(path)]
        subprocess.run(command, check=True, timeout=30)
        for passphrase in (None, PASSPHRASE):
            assert read_key(str(path), passphrase).get_name() == "ecdsa-sha2-nistp256"
    copy_key(keys / "rsa", tmp_path / "key", PASSPHRASE, "-m", "PKCS8")
    settings: dict[str, Any] = {"sftp_key_file": str(tmp_path / "key")}
    settings["sftp_key_passphrase"] = PASSPHRASE
    assert ids(read(server.url(folder), **settings)) == ROWS


def test_a_certificate_beside_the_key_file_is_used(
    nothing: Path, keys: Path, server: SftpServer, folder: Path
) -> None:
    path = nothing / "key"
    make_key(path, "ed25519")
    settings: dict[str, Any] = {"sftp_key_file": str(path)}
    rejected(read(server.url(folder), code=1, **settings), "rejected the login")
    command = [binary("ssh-keygen"), "-q", "-s", str(keys / "authority"), "-I", "test"]
    command += ["-n", getpass.getuser(), f"{path}.pub"]
    subprocess.run(command, check=True, timeout=30)
    assert ids(read(server.url(folder), **settings)) == ROWS


def test_a_passphrase_that_is_not_needed_does_no_harm(
    nothing: Path, keys: Path, server: SftpServer, folder: Path
) -> None:
    (nothing / "key").write_bytes((keys / "rsa").read_bytes())
    settings: dict[str, Any] = {"sftp_key_file": "~/.ssh/key", "sftp_key_passphrase": PASSPHRASE}
    assert ids(read(server.url(folder), **settings)) == ROWS


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no file 'key'"),
        ("directory", "cannot read 'key': Is a directory"),
        (b"", "key that can be used: an RSA, ECDSA or Ed25519 key"),
        (b"PuTTY-User-Key-File-3: ssh-ed25519\n\xff\x00", "no .ppk file of PuTTY"),
        (b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA comment", "(not the .pub file"),
    ],
)
@pytest.mark.usefixtures("known")
def test_a_key_file_that_is_of_no_use(
    tmp_path: Path, server: SftpServer, folder: Path, content: Any, said: str
) -> None:
    path = tmp_path / "key"
    if content == "directory":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    for passphrase in (None, PASSPHRASE):
        settings: dict[str, Any] = {"sftp_key_file": str(path), "sftp_key_passphrase": passphrase}
        result = read(server.url(folder), code=1, **settings)
        rejected(result, "Setting `sftp_key_file`: ", said)


def test_a_key_that_the_host_does_not_accept(
    known: Path, server: SftpServer, folder: Path, tmp_path: Path
) -> None:
    """The usual keys are not tried in its place."""
    make_key(tmp_path / "other", "ed25519")
    result = read(server.url(folder), sftp_key_file=str(tmp_path / "other"), code=1)
    said = "the SFTP host rejected the login: check `sftp_user` and `sftp_key_file`"
    rejected(result, f"Setting `data_push_path`: cannot open '{server.url(folder)}': {said}")
    assert known.with_name("id_ed25519").exists()


@pytest.mark.usefixtures("nothing")
def test_without_any_key_the_settings_are_named(server: SftpServer, folder: Path) -> None:
    result = read(server.url(folder), code=1)
    rejected(result, "no key of the SSH agent or in ~/.ssh is accepted", "`sftp_key_file`")
    assert result.stderr.count("Traceback") == 0


def test_a_usual_key_file_with_a_passphrase(
    nothing: Path, keys: Path, server: SftpServer, folder: Path
) -> None:
    (nothing / "id_ed25519").write_bytes((keys / "ed25519 locked").read_bytes())
    rejected(read(server.url(folder), code=1), "with `sftp_key_passphrase` if the key has one")
    assert ids(read(server.url(folder), sftp_key_passphrase=PASSPHRASE)) == ROWS


# The agent


@pytest.fixture
def agent(nothing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The `.ssh` of a user with an agent without keys."""
    path = tmp_path / "agent"
    with subprocess.Popen([binary("ssh-agent"), "-D", "-a", path], stdout=subprocess.PIPE) as it:
        assert it.stdout is not None
        it.stdout.readline()  # it listens
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        yield nothing
        it.terminate()


def add_keys(*paths: Path) -> None:
    subprocess.run([binary("ssh-add"), "-q", *paths], check=True, timeout=30)


def test_a_key_of_the_agent_is_used(
    agent: Path, keys: Path, server: SftpServer, folder: Path, tmp_path: Path
) -> None:
    add_keys(keys / "ecdsa")
    assert ids(read(server.url(folder))) == ROWS
    # Keys that the host does not know use up its attempts, unless the settings say which to use.
    forget_connections()
    subprocess.run([binary("ssh-add"), "-q", "-D"], check=True, timeout=30, capture_output=True)
    for number in range(5):
        make_key(tmp_path / f"wrong{number}", "ed25519")
        add_keys(tmp_path / f"wrong{number}")
    add_keys(keys / "ecdsa")
    rejected(read(server.url(folder), code=1), "no key of the SSH agent")
    assert ids(read(server.url(folder), sftp_key_file=str(keys / "rsa"))) == ROWS
    (agent / "config").write_text(f'IdentitiesOnly yes\nIdentityFile "{keys / "rsa"}"\n')
    assert ids(read(server.url(folder))) == ROWS


# ~/.ssh/config


def test_the_ssh_config_says_where_to_connect_as_whom_and_with_which_key(
    nothing: Path, keys: Path, server: SftpServer, folder: Path
) -> None:
    user = getpass.getuser()
    config = nothing / "config"
    lines = [
        "Host other",
        "  User nobody-of-the-kind",
        "Host crowd*",
        f"  HostName {HOST}",
        f"  Port {server.port}",
        f"  User {user}",
        "  IdentityFile ~/.ssh/there-is-none",
        "  IdentityFile ~/.ssh/key",
    ]
    (nothing / "key").write_bytes((keys / "ed25519").read_bytes())
    config.write_text("\n".join(lines), encoding="utf-8")
    url = f"sftp://crowdtwist{folder}"
    assert ids(read(url)) == ROWS
    # Its key is known by the name of HostName. URL and settings come first.
    others: list[tuple[str, dict[str, Any]]] = [
        (f"sftp://crowdtwist:1{folder}", {}),
        (f"sftp://x@crowdtwist{folder}", {}),
        (f"sftp://x@crowdtwist{folder}", {"sftp_user": user}),
        (url, {"sftp_user": "x"}),
        (url, {"sftp_password": PASSWORD}),
    ]
    for given, settings in others:
        rejected(read(given, code=1, **settings), "Setting `data_push_path`: cannot open ")
    named = f"sftp://{user}@crowdtwist{folder}"
    assert ids(read(named, sftp_user="x")) == ROWS


def test_the_ssh_config_may_name_a_command_that_connects(
    nothing: Path, keys: Path, server: SftpServer, folder: Path, tmp_path: Path
) -> None:
    relay = tmp_path / "relay.py"
    relay.write_text(RELAY, encoding="utf-8")
    config = nothing / "config"
    command = f"{shlex.quote(sys.executable)} {relay} %h %p"
    config.write_text(f"HostName {HOST}\nProxyCommand {command}\n", encoding="utf-8")
    settings: dict[str, Any] = {"sftp_key_file": str(keys / "ed25519")}
    url = f"sftp://crowdtwist:{server.port}{folder}"
    assert ids(read(url, **settings)) == ROWS
    for system in list(KnownHostsFileSystem._cache.values()):  # noqa: SLF001 - has no public name
        system._proxy.send_signal(signal.SIGKILL)  # noqa: SLF001 - as if it crashed
        system._proxy.wait()  # noqa: SLF001
    result = read(url, **settings)
    assert ids(result) == ROWS
    assert "it is opened again" in result.stderr


RELAY = """
import os, socket, sys, threading
host = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def send():
    while piece := os.read(0, 65536):
        host.sendall(piece)
    os._exit(0)
threading.Thread(target=send, daemon=True).start()
while piece := host.recv(65536):
    os.write(1, piece)
"""


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (b"ProxyJump jump", "ProxyJump in ~/.ssh/config is not supported; use ProxyCommand, as in"),
        (b"ProxyCommand /no/such/program", "ProxyCommand in ~/.ssh/config cannot be run: No such"),
        (b"ProxyCommand false", "the SFTP host closed the connection before the login, or "),
        (b"Match user\n", "cannot use ~/.ssh/config: "),
        (b"Port many", "cannot use ~/.ssh/config: Port is not a number, or "),
        (b"ProxyCommand 'a", "or ProxyCommand has unequal quotes"),
        (b"\xff\xfe", "cannot read ~/.ssh/config: UnicodeDecodeError"),
    ],
)
def test_an_ssh_config_that_is_of_no_use(
    known: Path, server: SftpServer, folder: Path, config: bytes, said: str
) -> None:
    known.with_name("config").write_bytes(config)
    url = f"sftp://{HOST}{folder}" if config.startswith(b"Port") else server.url(folder)
    rejected(read(url, code=1), "Setting `data_push_path`: cannot open ", said)


# Passwords


@pytest.fixture(scope="module")
def password_server() -> Iterator[SftpPasswordServer]:
    with SftpPasswordServer(USER, PASSWORD) as running:
        yield running


def test_a_password_is_used(home: Path, password_server: SftpPasswordServer, folder: Path) -> None:
    (home / "known_hosts").write_text(password_server.known(), encoding="ascii")
    url = password_server.url(folder)
    result = read(url, sftp_user=USER, sftp_password=PASSWORD)
    assert ids(result) == ROWS
    shows_no_secret(result)
    assert password_server.logins == [(USER, PASSWORD)]
    # The user of a URL comes before that of the setting, and a connection is shared by nobody else.
    result = read(url, sftp_user="x", sftp_password=PASSWORD, code=1)
    rejected(result, "rejected the login: check `sftp_user` and `sftp_password`")
    named = password_server.url(folder, f"{USER}@")
    assert ids(read(named, sftp_user="x", sftp_password=PASSWORD)) == ROWS
    # A password in the URL keeps working, and comes before that of the setting.
    password_server.password = "cAn4ry7391"
    with_password = password_server.url(folder, f"{USER}:cAn4ry7391@")
    result = read(with_password, sftp_password=PASSWORD)
    assert ids(result) == ROWS
    shows_no_secret(result)
    wrong = password_server.url(folder, f"{USER}:cAn4ry0000@")
    rejected(read(wrong, code=1), "rejected the login: check the user and the password in the URL")
    rejected(read(named, sftp_password=PASSWORD, code=1), "check `sftp_user` and `sftp_password`")


def test_a_host_may_ask_for_a_key_and_a_password(
    home: Path, keys: Path, password_server: SftpPasswordServer, folder: Path
) -> None:
    (home / "known_hosts").write_text(password_server.known(), encoding="ascii")
    password_server.password = PASSWORD
    password_server.needs_key = True
    url = password_server.url(folder, f"{USER}@")
    settings: dict[str, Any] = {"sftp_password": PASSWORD}
    rejected(read(url, code=1, **settings), "check `sftp_user` and `sftp_password`")
    settings["sftp_key_file"] = str(keys / "ecdsa")
    assert ids(read(url, **settings)) == ROWS
    password_server.password = "another"
    forget_connections()
    result = read(url, code=1, **settings)
    rejected(result, "check `sftp_user` and `sftp_key_file` and `sftp_password`")
    password_server.needs_key = False


def test_settings_may_come_from_the_environment(
    home: Path, password_server: SftpPasswordServer, folder: Path, tmp_path: Path
) -> None:
    """In a process of its own, with all that it writes."""
    (home / "known_hosts").write_text(password_server.known(), encoding="ascii")
    password_server.password = PASSWORD
    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps(select("push_users", paths=ANYWHERE)), encoding="utf-8")
    settings = {
        "DATA_PUSH_PATH": password_server.url(folder),
        "SFTP_USER": USER,
        "SFTP_PASSWORD": PASSWORD,
        "SFTP_KEY_PASSPHRASE": PASSPHRASE,
    }
    env = {f"TAP_CROWDTWIST_{name}": value for name, value in settings.items()}
    result = run_process(
        "--config=ENV", "--catalog", catalog, env={**os.environ, **env, "LOGLEVEL": "DEBUG"}
    )
    assert result.exit_code == 0, result.stderr
    assert ids(result) == ROWS
    shows_no_secret(result)
