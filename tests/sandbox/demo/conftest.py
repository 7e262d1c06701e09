"""One small seeded sandbox over real sockets, shared by the tests of seeding and measuring."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import uvloop

from ingestion.common.config import Config, load_config
from sandbox.core.serve import Options, Sandbox
from sandbox.demo import load_dataset


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


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeded]:
    home = tmp_path_factory.mktemp("home")
    ready, stop = threading.Event(), threading.Event()
    box: dict[str, Any] = {}

    async def run() -> None:
        async with Sandbox(Options(home=home, is_seeded=False)) as sandbox:
            sandbox.announce()
            box["endpoints"] = sandbox.endpoints
            ready.set()
            await asyncio.to_thread(stop.wait)

    def main() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())

    thread = threading.Thread(target=main, daemon=True)
    thread.start()
    assert ready.wait(30)
    sizes = {"customers": 25, "open_items": 160, "closed_items": 240}
    asyncio.run(load_dataset(None, box["endpoints"], home, seed=11, **sizes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEDGERLOOP_HOME", str(home))
        config = load_config(home / "sandbox" / "ledgerloop.toml")
    truth = json.loads((home / "demo" / "truth.json").read_text())
    yield Seeded(home, box["endpoints"], config, truth, date.fromisoformat(truth["as_of"]))
    stop.set()
    thread.join(30)
