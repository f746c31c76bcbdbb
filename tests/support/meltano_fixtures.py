"""One Meltano project for a whole session, since its plugins take a while to install."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crowdtwist_sandbox.demo_project import MeltanoProject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLUGINS = ("tap-crowdtwist", "target-duckdb", "target-jsonl", "dbt-duckdb")


@pytest.fixture(scope="session")
def meltano_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home directory without caches, credentials or settings."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def installation(meltano_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's directory with all plugins installed."""
    project = MeltanoProject(tmp_path_factory.mktemp("project"), PLUGINS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(meltano_home))
        project.create()
        project.install()
    return project.root


@pytest.fixture
def project(
    installation: Path, meltano_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MeltanoProject]:
    """The project without state, run with the empty home."""
    monkeypatch.setenv("HOME", str(meltano_home))
    project = MeltanoProject(installation, PLUGINS)
    project.create()
    yield project
    for database in installation.glob("*.duckdb*"):
        database.unlink()
