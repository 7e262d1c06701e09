"""One small world of several ERPs, seeded once; each file of tests goes on from its saved state."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import requests

from ingestion.common.config import Config, load_config
from sandbox.core.serve import Options
from sandbox.demo.serving import systems_and_settings
from tests.support.serving import serve_sandbox

#: Tryton is a server of its own: what is measured there stands in tests/reverse_etl/tryton.
_LEFT_OUT = "tryton"
SIZES = {"seed": 11, "customers": 30, "open_items": 150, "closed_items": 240}


@dataclass(frozen=True)
class Seeded:
    """A seeded sandbox as a caller sees it."""

    home: Path
    endpoints: dict[str, Any]
    config: Config
    truth: dict[str, Any]
    as_of: date

    @property
    def admin_url(self) -> str:
        return self.endpoints["admin"]["base_url"]


def _options(home: Path) -> Options:
    systems, settings = systems_and_settings(is_extract=False, companies=None)
    return Options(
        home=home,
        state=home / "sandbox" / "state",
        systems={name: kind for name, kind in systems.items() if kind != _LEFT_OUT},
        settings=settings,
        seeding=SIZES,
    )


@pytest.fixture(scope="module")
def seeded_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the saved books of all systems."""
    home = tmp_path_factory.mktemp("seeded") / "home"
    with serve_sandbox(_options(home)) as endpoints:
        answer = requests.post(f"{endpoints['admin']['base_url']}/save", timeout=60)
        assert answer.status_code == 200, answer.text
    return home


@pytest.fixture(scope="module")
def seeded(seeded_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeded]:
    home = tmp_path_factory.mktemp("world") / "home"
    shutil.copytree(seeded_home, home)
    with serve_sandbox(_options(home)) as endpoints, pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEDGERLOOP_HOME", str(home))
        config = load_config(home / "sandbox" / "ledgerloop.toml")
        truth = json.loads((home / "demo" / "truth.json").read_text())
        yield Seeded(home, endpoints, config, truth, date.fromisoformat(truth["as_of"]))
