"""Fixtures of every test folder."""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sandbox.core.serve import Options
from sandbox.core.tls import Certificate, make_certificate
from tests.support import serving
from tests.support.rooms import Rooms, in_order


def pytest_sessionstart() -> None:
    """A shell that starts the suite in the background lets it, and all it starts, ignore Ctrl-C."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Rooms:
    """What shares an expensive fixture runs in one worker."""
    return Rooms(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where workers share the suite, the longest rooms begin first."""
    if hasattr(config, "workerinput"):
        items[:] = in_order(items)


@pytest.fixture
def serve_app() -> Iterator[Callable[..., str]]:
    """``serve_app(app, certificate=None)`` serves an app on a real port until the test ends."""
    with ExitStack() as stack:

        def start(app: Any, *, certificate: Certificate | None = None) -> str:
            return stack.enter_context(serving.serve_app(app, certificate=certificate))

        yield start


@pytest.fixture
def serve_sandbox() -> Iterator[Callable[[Options], dict[str, Any]]]:
    """``serve_sandbox(Options(...))`` runs sandbox systems until the test ends."""
    with ExitStack() as stack:
        yield lambda options: stack.enter_context(serving.serve_sandbox(options))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty ``LEDGERLOOP_HOME`` for this test alone."""
    path = tmp_path / "home"
    path.mkdir()
    monkeypatch.setenv("LEDGERLOOP_HOME", str(path))
    return path


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """One self-signed certificate for loopback."""
    return make_certificate(tmp_path_factory.mktemp("tls"))
