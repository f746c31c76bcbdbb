"""The unit, the alert rules and the commands of the page work with the tools that read them."""

from __future__ import annotations

import os
import re
import resource
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import requests
import yaml
from support.pages import DOCS, block, blocks
from support.receiver import environment, receiving

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is of Linux")

ROOT = Path(__file__).resolve().parents[2]
ROOM = ROOT / "orchestrate" / "receiver"
UNIT = ROOM / "crowdtwist-receiver@.service"
PAGE = (DOCS / "receiver-operations.md").read_text(encoding="utf-8")
PROGRAM = Path(sys.executable).with_name("crowdtwist-receiver")
MAX_EXPOSURE = "15"
"""In tenths, of 100."""


def run(*command: str | Path) -> str:
    """Run a program of Debian's, which must succeed; what it says."""
    if shutil.which(command[0]) is None:
        raise FileNotFoundError(
            f"This test calls `{command[0]}`: install the packages `systemd` and `prometheus`"
        )
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def command_of_the_unit() -> list[str]:
    """The words of ExecStart."""
    text = UNIT.read_text(encoding="utf-8").replace("\\\n", " ")
    (line,) = re.findall(r"(?m)^ExecStart=(.*)$", text)
    return shlex.split(line)


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    text = UNIT.read_text(encoding="utf-8")
    assert text.count("/opt/crowdtwist/bin/crowdtwist-receiver") == 1
    installed = text.replace("/opt/crowdtwist/bin/crowdtwist-receiver", str(PROGRAM))
    unit.write_text(installed, encoding="utf-8")

    assert run("systemd-analyze", "verify", unit) == ""


def test_the_service_may_do_little() -> None:
    run(
        *("systemd-analyze", "security", "--no-pager", "--offline=true"),
        *(f"--threshold={MAX_EXPOSURE}", UNIT),
    )


def test_the_command_of_the_unit_starts_a_receiver(tmp_path: Path) -> None:
    (tmp_path / "api-key").write_text("CANARY-of-a-file\n", encoding="utf-8")
    (line,) = re.findall(r"(?m)^RECEIVER_OPTIONS=(.*)$", (ROOM / "receiver.env").read_text())
    program, *words = command_of_the_unit()
    assert Path(program).name == PROGRAM.name
    assert words.pop() == "$RECEIVER_OPTIONS"
    words += shlex.split(shlex.split(line)[0])
    place = words.index("--directory")
    assert words[place : place + 4] == ["--directory", "/var/lib/crowdtwist", "--port", "%i"]
    del words[place : place + 4]
    options = [word.replace("${CREDENTIALS_DIRECTORY}", str(tmp_path)) for word in words]

    with receiving(tmp_path / "live", *options, secrets={}) as running:
        client = {"X_Forwarded_For": "203.0.113.9"}
        # Not through nginx, which connects from elsewhere: nobody is a client.
        assert running.post("/live", {}, x_api_key="CANARY-of-a-file").status_code == 403
        assert running.post("/live", {}, x_api_key="CANARY-of-a-file", **client).status_code == 403
        assert requests.get(running.url + "/metrics", timeout=10).status_code == 200


def test_with_a_full_disk_it_ends_at_once_and_the_unit_starts_it_for_ever(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        done = subprocess.run(
            [PROGRAM, "--directory", tmp_path / "live", "--port", "0"],
            env=environment({"CROWDTWIST_RECEIVER_API_KEY": "key"}),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert (done.returncode, done.stdout) == (1, "")
    sentence = "crowdtwist-receiver: --directory: events cannot be written there ("
    assert done.stderr.startswith(sentence)
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    assert {"StartLimitIntervalSec=0", "Restart=always"} <= set(lines)


def test_prometheus_takes_the_rules_and_the_configuration(tmp_path: Path) -> None:
    assert "SUCCESS: 3 rules found" in run("promtool", "check", "rules", ROOM / "alerts.yml")
    config = tmp_path / "prometheus.yml"
    config.write_bytes((ROOM / "prometheus.yml").read_bytes())
    (rules,) = yaml.safe_load(config.read_text(encoding="utf-8"))["rule_files"]
    (tmp_path / rules).write_bytes((ROOM / "alerts.yml").read_bytes())

    assert "1 rule files found" in run("promtool", "check", "config", config)


@pytest.mark.parametrize("span", ["minutes", "days"])
def test_the_alerts_fire_when_they_should_and_only_then(span: str) -> None:
    run("promtool", "test", "rules", Path(__file__).with_name(f"alerts_{span}_test.yml"))


def test_the_alerts_name_metrics_of_the_receiver_and_its_limit(tmp_path: Path) -> None:
    text = (ROOM / "alerts.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"crowdtwist_receiver_\w+", text))
    with receiving(tmp_path / "live", "--metrics-allow", "127.0.0.1/32") as running:
        assert running.post("/live", {"id": 1}).status_code == 200
        assert running.post("/live", b"{").status_code == 400
        metrics = requests.get(running.url + "/metrics", timeout=10).text

    assert len(named) == 6
    assert named <= set(re.findall(r"(?m)^\w+", metrics))


def test_the_page_has_each_file() -> None:
    included = re.findall(r"(?m)^```\{literalinclude\} \.\./(.*)$", PAGE)

    assert {ROOT / path for path in included} == set(ROOM.iterdir())


def test_the_page_installs_a_service(tmp_path: Path) -> None:
    commands = block("Install it", "console")
    for folder in ("etc/systemd/system", "opt", "stubs"):
        (tmp_path / folder).mkdir(parents=True)
    for old in ("/etc/", "/opt/"):
        commands = commands.replace(old, f"{tmp_path}{old}")
    # What would change this machine, or takes long, is only noted.
    venv = 'mkdir -p "$3/bin"; printf "#!/bin/sh\\necho pip" >"$3/bin/pip"; chmod +x "$3/bin/pip"'
    stubs = {"useradd": "echo useradd", "systemctl": "echo systemctl", "python3": f"{venv}; echo"}
    for name, text in stubs.items():
        stub = tmp_path / "stubs" / name
        stub.write_text(f'#!/bin/sh\n{text} "$@"\n', encoding="utf-8")
        stub.chmod(0o755)
    done = subprocess.run(
        ["sh", "-eu", "-c", commands],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{tmp_path / 'stubs'}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert "systemctl enable --now crowdtwist-receiver@8700" in done.stdout
    settings = tmp_path / "etc" / "crowdtwist"
    assert stat.S_IMODE(settings.stat().st_mode) == 0o700
    for name in ("api-key", "receiver.env"):
        assert stat.S_IMODE((settings / name).stat().st_mode) == 0o600
    assert re.fullmatch("[0-9a-f]{64}\n", (settings / "api-key").read_text(encoding="utf-8"))
    unit = UNIT.read_text(encoding="utf-8")
    assert (tmp_path / "etc/systemd/system" / UNIT.name).read_text(encoding="utf-8") == unit
    named = set(re.findall(r"[=:](/etc/crowdtwist/[\w.-]+)$", unit, re.MULTILINE))
    assert named == {f"/etc/crowdtwist/{path.name}" for path in settings.iterdir()}


def test_the_page_adds_a_receiver_of_the_same_unit() -> None:
    (line,) = blocks("Several receivers", "console")[0].splitlines()
    port = line.rpartition("@")[2]

    assert f"server 127.0.0.1:{port} max_fails=0;" in PAGE
