"""The working folder of every case."""

from pathlib import Path

import pytest

from tests.hostile.kit import furnish, lend


@pytest.fixture(scope="session")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that cases get copies of."""
    return furnish(tmp_path_factory.mktemp("kit"))


@pytest.fixture
def place(kit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh working folder."""
    monkeypatch.chdir(lend(kit, tmp_path / "place"))
    return tmp_path / "place"
