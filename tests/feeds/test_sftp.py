"""SFTP, against a real OpenSSH server: files are read from known hosts, and from no others."""

from __future__ import annotations

import getpass
import json
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import fsspec
import paramiko
import pytest
from fsspec.implementations.sftp import SFTPFileSystem
from fsspec.registry import register_implementation
from hypothesis import given, settings
from hypothesis import strategies as st
from support.harness import Result, run_cli, run_tap
from support.pages import block
from support.processes import HOST
from support.push_files import (
    BATCH,
    check_failure,
    ids,
    name_of,
    profiles,
    put,
    put_days,
    read,
    run_without,
)
from support.sftp_server import KEY_TYPES, SftpServer, make_key

from tap_crowdtwist.errors import SettingError
from tap_crowdtwist.files import filesystems, sftp
from tap_crowdtwist.files.sftp import KnownHostsFileSystem
from tap_crowdtwist.files.sftp_known_hosts import KnownHosts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from crowdtwist_sandbox import Sandbox

pytest_plugins = ["support.sftp_fixtures"]

SETTING = "Setting `sftp_known_hosts`: "
HOST_KEY = f"{SETTING}the key of the SFTP host '[{HOST}]:"
UNKNOWN = "is not known: it is neither in ~/.ssh/known_hosts nor in a file that this setting names"
CHANGED = "is not the known one, which may mean an attack or a new server"
REVOKED_KEY = "is marked @revoked"
CANARY = "canary-7391"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with something for whoever reads it."""
    put_days(tmp_path / "in", 1, 2)
    put(tmp_path / "in", "members.txt", b"1200001\n")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr(name_of("PROFILE", 3, "csv"), profiles(3))
        archive.writestr("members.txt", "1200001\n")
    return tmp_path


@pytest.fixture(scope="module")
def other_key(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A key that no server has."""
    return make_key(tmp_path_factory.mktemp("keys") / "other", "ed25519")


def refused(result: Result, *said: str) -> None:
    """Not a row was read, and one sentence says why."""
    check_failure(result, SETTING, *said)
    assert not result.records
    assert CANARY not in result.stderr


READERS: dict[str, Callable[[Sandbox, str], Result]] = {
    "user_ids_path": lambda world, url: run_tap(
        world, "users", user_ids=None, user_ids_path=url, code=1
    ),
    "data_push_path": lambda _, url: read(url, code=1),
    "live_push_path": lambda _, url: read(url, "live_users", setting="live_push_path", code=1),
    "batch_activity_path": lambda _, url: read(url, BATCH, setting="batch_activity_path", code=1),
    "sweep_members": lambda world, url: run_tap(
        world, "users", user_ids=None, data_push_path=url, sweep_members="changed", code=1
    ),
}
URLS = {
    "sftp": "sftp://{at}{folder}/in",
    "ssh": "ssh://{at}{folder}/in",
    "user": f"sftp://{CANARY}:{CANARY}@{{at}}{{folder}}/in",
    "glob": "sftp://{at}{folder}/in/*",
    "zip": "zip://*::sftp://{at}{folder}/all.zip",
    "zip by ssh": "zip://*::ssh://{at}{folder}/all.zip",
    "filecache": "filecache::sftp://{at}{folder}/in",
    "simplecache": "simplecache::ssh://{at}{folder}/in/*",
    "blockcache": "blockcache::sftp://{at}{folder}/in",
    "cached zip": "zip://*::simplecache::sftp://{at}{folder}/all.zip",
}


# Unknown hosts


@pytest.mark.parametrize("form", URLS)
@pytest.mark.parametrize("reader", READERS)
def test_no_url_of_any_setting_is_read_from_an_unknown_host(
    world: Sandbox, server: SftpServer, home: Path, folder: Path, reader: str, form: str
) -> None:
    url = URLS[form].format(at=f"{HOST}:{server.port}", folder=folder)
    result = READERS[reader](world, url)
    refused(result, f"{HOST_KEY}{server.port}' (ssh-ed25519 SHA256:", UNKNOWN)
    assert not (home / "known_hosts").exists()


def test_the_command_that_a_refusal_names_makes_the_host_known(
    server: SftpServer, home: Path, folder: Path
) -> None:
    url = server.url(folder / "in")
    command = read(url, code=1).last_line.rpartition(", run: ")[2]
    subprocess.run(command, shell=True, check=True, capture_output=True, timeout=30)  # noqa: S602 - as a user would
    assert HOST not in (home / "known_hosts").read_text(encoding="ascii")  # it is hashed
    assert ids(read(url)) == [1, 101, 1, 102]


def test_the_commands_of_the_page_make_the_host_known(
    server: SftpServer, home: Path, folder: Path
) -> None:
    commands = block("Known SFTP hosts", "console")
    assert commands.count("ssh-keyscan -H host ") == 1
    commands = commands.replace("-H host ", f"-H -p {server.port} {HOST} ")
    done = subprocess.run(
        ["sh", "-eu", "-c", commands], cwd=folder, check=True, capture_output=True, timeout=30
    )
    assert b"SHA256:" in done.stdout
    assert (home / "known_hosts").exists()
    assert ids(read(server.url(folder / "in"))) == [1, 101, 1, 102]


@pytest.mark.usefixtures("home")
def test_a_check_tells_of_an_unknown_host(
    world: Sandbox, server: SftpServer, folder: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    content = {
        "api_key": world.api_key,
        "api_url": world.api_url,
        "pos_url": world.pos_url,
        "user_ids_path": server.url(folder / "in" / "members.txt"),
        "data_push_path": server.url(folder / "in"),
    }
    config.write_text(json.dumps(content), encoding="utf-8")
    result = run_cli("--config", config, "--test")
    assert result.exit_code == 1
    lines = {line.split()[1]: line for line in result.stdout.splitlines()}
    for name in ("roster", "push_users"):
        assert f"FAIL  {name}" in lines[name]
        assert UNKNOWN in lines[name]


# Known hosts


@pytest.mark.parametrize(
    "form", ["sftp", "ssh", "zip", "zip by ssh", "filecache", "simplecache", "cached zip"]
)
@pytest.mark.usefixtures("known")
def test_files_of_a_known_host_are_read(server: SftpServer, folder: Path, form: str) -> None:
    url = URLS[form].format(at=f"{HOST}:{server.port}", folder=folder).replace("://*::", "::")
    assert ids(read(url)) == ([3] if "zip" in form else [1, 101, 1, 102])


@pytest.mark.usefixtures("known")
def test_a_roster_of_a_known_host_is_read(world: Sandbox, server: SftpServer, folder: Path) -> None:
    member = world.roster()[0]
    put(folder, "one.txt", f"{member}\n".encode())
    for url in (server.url(folder / "one.txt"), server.url(folder / "on*.txt", "ssh")):
        result = run_tap(world, "users", user_ids=None, user_ids_path=url)
        assert ids(result, "users") == [int(member)]


@pytest.mark.parametrize("kind", KEY_TYPES)
def test_a_host_with_keys_of_several_types_is_known_by_any_of_them(
    server: SftpServer, known: Path, folder: Path, kind: str
) -> None:
    known.write_text(server.known(kind), encoding="ascii")
    assert ids(read(server.url(folder / "in"))) == [1, 101, 1, 102]


def test_an_old_key_may_stand_beside_the_new_one(
    server: SftpServer, known: Path, folder: Path, other_key: str
) -> None:
    known.write_text(f"{server.name} {other_key}\n{server.known()}", encoding="ascii")
    assert ids(read(server.url(folder / "in"))) == [1, 101, 1, 102]


def test_a_key_for_another_port_does_not_count(
    server: SftpServer, known: Path, folder: Path
) -> None:
    key = server.host_keys["ed25519"]
    known.write_text(f"{HOST} {key}\n[{HOST}]:{server.port + 1} {key}\n", encoding="ascii")
    refused(read(server.url(folder / "in"), code=1), UNKNOWN)


# Changed and revoked keys


@pytest.mark.parametrize("form", ["sftp", "glob", "zip by ssh", "simplecache"])
@pytest.mark.parametrize("reader", READERS)
def test_no_url_of_any_setting_is_read_from_a_host_with_another_key(
    world: Sandbox,
    server: SftpServer,
    known: Path,
    folder: Path,
    other_key: str,
    reader: str,
    form: str,
) -> None:
    known.write_text(f"{server.name} {other_key}\n", encoding="ascii")
    url = URLS[form].format(at=f"{HOST}:{server.port}", folder=folder)
    result = READERS[reader](world, url)
    refused(result, f"{HOST_KEY}{server.port}' (ssh-ed25519 SHA256:", CHANGED)


def test_a_host_without_a_key_of_the_known_type_is_refused(
    server: SftpServer, known: Path, folder: Path, tmp_path: Path
) -> None:
    key = make_key(tmp_path / "ecdsa", "ecdsa")
    known.write_text(f"{server.name} {key}\n", encoding="ascii")
    refused(read(server.url(folder / "in"), code=1), CHANGED)


@pytest.mark.parametrize("who", [HOST, "*", f"[{HOST}]:*"])
def test_a_revoked_key_is_refused_although_the_host_is_known_by_it(
    server: SftpServer, known: Path, folder: Path, who: str
) -> None:
    revoked = f"@revoked {who} {server.host_keys['ed25519']}\n"
    for text in (server.known() + revoked, revoked + server.known(), revoked):
        known.write_text(text, encoding="ascii")
        refused(read(server.url(folder / "in"), code=1), REVOKED_KEY)


def test_a_host_with_one_revoked_key_is_known_by_its_other(
    server: SftpServer, known: Path, folder: Path
) -> None:
    revoked = f"@revoked * {server.host_keys['ed25519']}\n"
    known.write_text(revoked + server.known("rsa"), encoding="ascii")
    assert ids(read(server.url(folder / "in"))) == [1, 101, 1, 102]


def test_an_authority_for_certificates_vouches_for_no_host(
    server: SftpServer, known: Path, folder: Path
) -> None:
    known.write_text(f"@cert-authority {server.known()}", encoding="ascii")
    refused(read(server.url(folder / "in"), code=1), UNKNOWN)


# The setting


def test_the_file_of_the_setting_counts_beside_the_users_own(
    server: SftpServer, known: Path, folder: Path, tmp_path: Path, other_key: str
) -> None:
    url = server.url(folder / "in")
    path = tmp_path / "hosts"
    path.write_text(f"[other.test]:1 {other_key}\n", encoding="ascii")
    assert ids(read(url, sftp_known_hosts=str(path))) == [1, 101, 1, 102]
    known.write_text(f"{server.name} {other_key}\n", encoding="ascii")
    path.write_text(server.known(), encoding="ascii")
    KnownHostsFileSystem.clear_instance_cache()
    assert ids(read(url, sftp_known_hosts=str(path))) == [1, 101, 1, 102]
    assert ids(read(url, sftp_known_hosts="~/hosts")) == [1, 101, 1, 102]


@pytest.mark.parametrize("form", ["sftp", "filecache", "zip"])
def test_what_one_setting_allows_no_other_setting_gets(
    server: SftpServer, home: Path, folder: Path, form: str
) -> None:
    path = home / "hosts"
    path.write_text(server.known(), encoding="ascii")
    url = URLS[form].format(at=f"{HOST}:{server.port}", folder=folder).replace("://*::", "::")
    assert ids(read(url, sftp_known_hosts=str(path)))
    refused(read(url, code=1), UNKNOWN)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no file 'hosts'"),
        ("directory", "cannot read 'hosts': Is a directory"),
        (b"", "'hosts' contains no host key; it needs lines such as `ssh-keyscan -H host` prints"),
        (
            b"\x00\xff AAAA\n-----BEGIN KEY-----\n# h ssh-rsa AAAA1\n",
            "'hosts' contains no host key",
        ),
    ],
)
@pytest.mark.usefixtures("known")
def test_a_file_of_the_setting_that_is_of_no_use(
    server: SftpServer, folder: Path, tmp_path: Path, content: Any, said: str
) -> None:
    path = tmp_path / "hosts"
    if content == "directory":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    refused(read(server.url(folder / "in"), code=1, sftp_known_hosts=str(path)), said)
    assert ids(read(folder / "in", sftp_known_hosts=str(path)))  # no host, no question of keys


# Ways around it


@pytest.mark.usefixtures("home")
def test_the_environment_cannot_ask_for_unknown_hosts(
    server: SftpServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(fsspec.config.conf, "sftp", {"host_key_policy": "auto_add"})
    refused(read(server.url(folder / "in"), code=1), UNKNOWN)


@pytest.mark.parametrize("protocol", ["sftp", "ssh"])
@pytest.mark.usefixtures("home")
def test_no_other_implementation_is_used_whoever_registered_it(
    server: SftpServer, folder: Path, protocol: str
) -> None:
    for other in ("sshfs.SSHFileSystem", SFTPFileSystem):
        register_implementation(protocol, other, clobber=True)
        refused(read(server.url(folder / "in", protocol), code=1), UNKNOWN)


def test_paramiko_is_not_imported_for_other_urls(tmp_path: Path) -> None:
    put_days(tmp_path, 1)
    code = (
        "import sys; from tap_crowdtwist import cli;"
        "from tap_crowdtwist.files import filesystems as f;"
        "files, path = f.url_to_fs(sys.argv[1]); assert files.find(path);"
        "assert f.open_files(f'file://{sys.argv[1]}/*');"
        "assert 'paramiko' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True, timeout=60)


def test_a_missing_paramiko_is_told_of(tmp_path: Path) -> None:
    result = run_without("paramiko", "sftp://host.test/in", tmp_path)
    said = "Setting `data_push_path`: cannot open 'sftp://host.test/in': it needs what the extra "
    check_failure(result, said, "tap-crowdtwist[sftp]")


# Silence


@pytest.mark.parametrize("answers", [[], [r"\0\0\0\5\2\0\0\0\3"]], ids=["none", "the version only"])
def test_a_host_that_falls_silent_ends_the_wait_with_one_sentence(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: list[str]
) -> None:
    script = tmp_path / "silent.sh"
    script.write_text("".join(f"printf '{each}'\n" for each in [*answers]) + "cat >/dev/null\n")
    monkeypatch.setattr(sftp, "TIMEOUT_SECONDS", 2.0)
    (tmp_path / "other").mkdir()
    with SftpServer(tmp_path / "other", f"/bin/sh {script}") as silent:
        (home / "id_ed25519").write_bytes(silent.user_key.read_bytes())
        (home / "known_hosts").write_text(silent.known(), encoding="ascii")
        check_failure(
            read(silent.url(tmp_path / "in"), code=1),
            "Setting `data_push_path`: cannot ",
            "no answer in time",
        )


# Files of known hosts


KEYS = [paramiko.ECDSAKey.generate() for _ in range(3)]
RIGHT, WRONG, REVOKED = KEYS


def _line(hosts: str, key: paramiko.PKey, marker: str = "") -> str:
    return f"{marker}{hosts} {key.get_name()} {key.get_base64()}"


HARMLESS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="@"), max_size=40),
    st.text("@ |1=#,*![]:\tAa\x00\x85", max_size=12),
    st.text("|1=Aa/", max_size=12).map(lambda salt: _line(f"|1|{salt}", RIGHT)),
    st.sampled_from(
        [
            _line("other.test", RIGHT),
            _line("[host.test]:23", RIGHT),
            _line("*,*.test,!host.test", RIGHT),
            _line("host.test", RIGHT, "@cert-authority "),
            _line("host.test", RIGHT, "# "),
            _line("host.test", WRONG),
            _line("*", REVOKED, "@revoked "),
            "host.test ssh-rsa",
            "host.test ssh-rsa AAAA",
        ]
    ),
)
MAKES_KNOWN = [
    _line("host.test", RIGHT),
    _line("other.test,Host.TEST", RIGHT),
    _line(paramiko.HostKeys.hash_host("host.test"), RIGHT),
    f" {_line('host.test', RIGHT)} a comment",
]


@settings(max_examples=200, deadline=None)
@given(before=st.lists(HARMLESS, max_size=5), after=st.lists(HARMLESS, max_size=5), data=st.data())
def test_only_a_line_with_host_and_key_makes_it_known(
    tmp_path_factory: pytest.TempPathFactory,
    before: list[str],
    after: list[str],
    data: st.DataObject,
) -> None:
    """Whatever else a file holds, it neither makes a key known nor hides one that is."""
    path = tmp_path_factory.getbasetemp() / "any_hosts"
    line = data.draw(st.sampled_from(MAKES_KNOWN))
    for lines, right in (([*before, *after], False), ([*before, line, *after], True)):
        text = "\n".join([*lines, _line("somebody.test", WRONG)])
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        hosts = KnownHosts(str(path))
        for key in KEYS:
            if key is WRONG:
                continue
            if right and key is RIGHT:
                hosts.check("host.test", key)
                continue
            with pytest.raises(SettingError):
                hosts.check("host.test", key)


@pytest.mark.usefixtures("home")
def test_files_that_cannot_be_opened_are_told_of_without_what_their_urls_hold() -> None:
    """Of a URL that is no good, or of a host that is not there, neither user nor password."""
    for url in (
        f"sftp://{getpass.getuser()}:{CANARY}@{HOST}:1/in",
        f"sftp://user:{CANARY}/x@{HOST}/in",
        f"zip://*::sftp://user:{CANARY}@{HOST}:1/in",
    ):
        result = read(url, code=1)
        check_failure(result, "Setting `data_push_path`: cannot open ")
        assert CANARY not in result.last_line
    assert filesystems.url_to_fs("sftp")[1].endswith("/sftp")  # a folder of that name
