"""One PostgreSQL and one installation of the loaders, for all tests of warehouses.

Installing a loader takes longer than a test does, so whoever of the session's workers needs them
first installs them for all. Each test has a project of its own: its state, its settings.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from support.packages import meltano_with_uv
from support.postgres_server import PostgresServer
from support.warehouses import Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that all workers of the session share."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    path = shared / "warehouses"
    path.mkdir(exist_ok=True)
    return path


@pytest.fixture(scope="session")
def loaders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a project in which all loaders are installed."""
    shared = _shared(tmp_path_factory)
    root, done = shared / "installation", shared / "installed"
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(root, ignore_errors=True)
            home = shared / "home"
            home.mkdir(exist_ok=True)
            Project(root, home)("install", **meltano_with_uv(shared / "uv"))
            done.touch()
    return root


@pytest.fixture
def pipeline(loaders: Path, tmp_path: Path) -> Project:
    """A project without state."""
    return Project(tmp_path / "project", loaders.parent / "home", loaders)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server."""
    with PostgresServer() as server:
        yield server
