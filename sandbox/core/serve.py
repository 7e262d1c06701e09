"""Runs all sandbox systems in one process, each on its own loopback port, and the admin port.

It writes the endpoints file when everything listens and is seeded, and saves state when it is told
to stop. It binds to 127.0.0.1 only and knows no vendor: a kind is found by its folder's name.
"""

import asyncio
import gc
import importlib
import inspect
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox.core import SandboxApp
from sandbox.core.admin import Hosted, create_admin
from sandbox.core.clock import Clock
from sandbox.core.faults import ABORT_EXTENSION, Faults, faulty
from sandbox.core.state import has_state, load_state, save_state, write_atomically
from sandbox.core.tls import Certificate, make_certificate

__all__ = ["DEFAULT_SYSTEMS", "Listener", "Options", "Sandbox", "serve"]

#: The systems that run for an extract, and wherever nobody says which: id to kind.
DEFAULT_SYSTEMS: Mapping[str, str] = {
    "sap_emea": "sap_s4hana",
    "crm": "salesforce",
    "bank": "bank_files",
}
_CLOCK = "clock"
_GRACE_SECONDS = 1.0


class _AbortableProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with a way for an app to cut the connection without an answer."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {ABORT_EXTENSION: {"abort": self.transport.abort}}


class _Server(uvicorn.Server):
    """uvicorn's server for several in one loop: no signal handlers, no polling, a quick stop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stopping = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        await self.stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        running = set(self.server_state.tasks)
        if running:
            _, late = await asyncio.wait(running, timeout=_GRACE_SECONDS)
            for task in late:
                task.cancel()
        for server in self.servers:
            await server.wait_closed()


class Listener:
    """One ASGI app on a loopback port.

    Args:
        app: the app.
        port: 0 takes a free one.
        certificate: serve https with it.
    """

    def __init__(self, app: Any, *, port: int = 0, certificate: Certificate | None = None) -> None:
        self._socket = socket.create_server(("127.0.0.1", port), backlog=512)
        scheme = "https" if certificate else "http"
        self.base_url = f"{scheme}://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = _Server(
            uvicorn.Config(
                app,
                http=_AbortableProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                timeout_keep_alive=300,
                ssl_certfile=certificate.ca_path if certificate else None,
                ssl_keyfile=certificate.key_path if certificate else None,
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Accept connections from now on."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started:
            if self._task.done():
                await self._task
                raise RuntimeError(f"the server at {self.base_url} did not start")
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Finish running requests, close."""
        self._server.stopping.set()
        if self._task is not None:
            await self._task
        self._socket.close()


@dataclass(frozen=True, slots=True)
class Options:
    """What ``serve`` is asked to run.

    Attributes:
        home: where all state of a run lies (``LEDGERLOOP_HOME``).
        endpoints: the endpoints file, written beside the one in ``home``; None for that one only.
        dataset: extract to seed from; None lets the demo's generator make one.
        state: directory to load from and save to; with saved state nothing is seeded.
        is_seeded: False starts empty systems.
        ports: system id (or ``admin``) to a fixed port; all others are free ones.
        settings: system id to its kind's settings, for switches that differ from the default.
        start: where the clock begins; None is now.
        load_dataset: seeds the systems from (dataset, endpoints, home); None is the demo's.
        seeding: keyword arguments of ``load_dataset`` (seed, sizes).
    """

    home: Path
    endpoints: Path | None = None
    dataset: Path | None = None
    state: Path | None = None
    is_tls: bool = False
    is_seeded: bool = True
    systems: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_SYSTEMS))
    ports: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    start: datetime | None = None
    load_dataset: Callable[..., Any] | None = None
    seeding: Mapping[str, Any] = field(default_factory=dict)


class Sandbox:
    """All systems of one process. ``async with`` starts and stops them."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.clock = Clock(options.start)
        self.hosted: dict[str, Hosted] = {}
        self.endpoints: dict[str, Any] = {}
        self._beside: list[Any] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        options = self._options
        certificate = make_certificate(options.home / "sandbox") if options.is_tls else None
        self._restore_clock()
        systems: dict[str, Any] = {}
        try:
            for system_id, kind in options.systems.items():
                systems[system_id] = await self._start_system(system_id, kind, certificate)
            await self._start_files(systems)
            save = self.save if options.state else None
            admin = await self._listen("admin", create_admin(self.hosted, self.clock, save), None)
        except BaseException:
            await self._stack.aclose()
            raise
        self.endpoints = {"systems": systems, "admin": {"base_url": admin.base_url}}
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start_system(
        self, system_id: str, kind: str, certificate: Certificate | None
    ) -> dict[str, Any]:
        """Start one system and return its entry of the endpoints file."""
        module = importlib.import_module(f"sandbox.{kind}")
        if hasattr(module, "run_beside"):  # a kind that is a real server, in a process of its own
            beside = module.run_beside(system_id, self._options.home, self._options.state)
            self._beside.append(await self._stack.enter_async_context(beside))
            return dict(self._beside[-1].entry)
        if not hasattr(module, "create_app"):  # a kind that is a place, not a server
            return {"kind": kind, **module.endpoint(self._options.home)}
        state = self._options.state
        faults = Faults()
        app: SandboxApp = module.create_app(
            system_id,
            clock=self.clock,
            faults=faults,
            settings=self._options.settings.get(system_id) or module.Settings(),
            state=load_state(state, system_id) if state else None,
        )
        self.hosted[system_id] = Hosted(system_id, kind, app, faults)
        listener = await self._listen(system_id, faulty(app, faults, system_id), certificate)
        entry = {
            "kind": kind,
            "base_url": listener.base_url,
            "credentials": dict(app.credentials()),
        }
        if certificate:
            entry["ca_bundle"] = str(certificate.ca_path.resolve())
        return entry

    async def _start_files(self, systems: dict[str, Any]) -> None:
        """Start the file exchange for the systems that have one, and tell their clients of it."""
        if "bank_files" not in self._options.systems.values():
            return
        from sandbox.sftp.exchange import FileExchange  # it costs 0.13 s to import

        apps = {name: one.app for name, one in self.hosted.items()}
        exchange = FileExchange(
            self._options.home,
            self._options.systems,
            apps,
            self.clock,
            port=self._options.ports.get("sftp", 0),
        )
        await self._stack.enter_async_context(exchange)
        for name, entry in systems.items():
            entry["credentials"] = {**entry["credentials"], **exchange.credentials_of(name)}

    async def _listen(self, name: str, app: Any, certificate: Certificate | None) -> Listener:
        port = self._options.ports.get(name, 0)
        listener = Listener(app, port=port, certificate=certificate)
        await listener.start()
        self._stack.push_async_callback(listener.stop)
        return listener

    def _restore_clock(self) -> None:
        saved = load_state(self._options.state, _CLOCK) if self._options.state else None
        if saved and saved["instant"] and self._options.start is None:
            self.clock.set(saved["instant"])

    def save(self) -> str:
        """Write every system's state and return where. Raises ValueError without a place."""
        directory = self._options.state
        if directory is None:
            raise ValueError("started without a state directory")
        for system_id, hosted in self.hosted.items():
            save_state(directory, system_id, hosted.app.snapshot())
        for beside in self._beside:
            beside.save(directory)
        instant = self.clock.now() if self.clock.is_set else None
        save_state(directory, _CLOCK, {"instant": instant})
        return str(directory)

    async def seed(self) -> None:
        """Fill the systems through their protocols, unless saved state already did."""
        options = self._options
        if not options.is_seeded or (options.state and has_state(options.state)):
            return
        load = options.load_dataset or importlib.import_module("sandbox.demo").load_dataset
        work = load(options.dataset, self.endpoints, options.home, **options.seeding)
        if inspect.isawaitable(work):
            await work
        # What was seeded lives until the end: the collector need not look at it again.
        gc.collect()
        gc.freeze()

    def announce(self) -> None:
        """Write the endpoints file where readers look for it."""
        text = json.dumps(self.endpoints, indent=2)
        for path in self.endpoint_paths():
            write_atomically(path, text)

    def endpoint_paths(self) -> list[Path]:
        """The endpoints file in ``home`` and the one that was asked for."""
        at_home = self._options.home / "sandbox" / "endpoints.json"
        asked = self._options.endpoints
        return [at_home] if asked is None or asked == at_home else [at_home, asked]


def serve(
    dataset: Path | None = None,
    state: Path | None = None,
    endpoints: Path | None = None,
    tls: bool = False,
    *,
    home: Path | None = None,
    is_seeded: bool = True,
    systems: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
    ports: Mapping[str, int] | None = None,
    seeding: Mapping[str, Any] | None = None,
    on_ready: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    """Run sandbox systems until SIGINT or SIGTERM, then save state and return.

    Args:
        dataset: extract to seed from; None uses the generator.
        state: directory to load from and save to; with saved state nothing is seeded.
        endpoints: where to write the endpoints file, besides ``$LEDGERLOOP_HOME/sandbox/``.
        tls: serve the systems over https with a fresh self-signed certificate.
        home: ``LEDGERLOOP_HOME`` when None.
        is_seeded: False starts empty systems.
        systems: id to kind; None runs the default ones.
        settings: system id to its kind's settings, where they are not the kind's own.
        ports: fixed ports by system id.
        seeding: keyword arguments of the demo's ``load_dataset`` (seed, sizes).
        on_ready: called with the endpoints once everything listens and is seeded.
    """
    options = Options(
        home=home or Path(os.environ.get("LEDGERLOOP_HOME", "data/home")),
        endpoints=endpoints,
        dataset=dataset,
        state=state,
        is_tls=tls,
        is_seeded=is_seeded,
        systems=systems or DEFAULT_SYSTEMS,
        settings=settings or {},
        ports=ports or {},
        seeding=seeding or {},
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(options, on_ready))


async def _run(options: Options, on_ready: Callable[[dict[str, Any]], None] | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    sandbox = Sandbox(options)
    for path in sandbox.endpoint_paths():  # a stale one would send readers to a dead port
        path.unlink(missing_ok=True)
    async with sandbox:
        seeding = asyncio.create_task(sandbox.seed())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({seeding, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not seeding.done():
            seeding.cancel()
            await asyncio.gather(seeding, return_exceptions=True)
            return  # half-seeded systems are not saved: the next start seeds from the beginning
        await seeding
        sandbox.announce()
        if on_ready is not None:
            on_ready(sandbox.endpoints)
        await stopping
        if options.state:
            sandbox.save()
