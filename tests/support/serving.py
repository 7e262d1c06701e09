"""Real servers for tests: an ASGI app on a loopback port in a thread, or without any socket."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, TypeVar

import uvloop

from ingestion.common.transport import AsgiTransport
from sandbox.core.serve import Listener, Options, Sandbox
from sandbox.core.tls import Certificate

__all__ = ["asgi_transport", "serve_app", "serve_sandbox"]

T = TypeVar("T")


@contextmanager
def serve_app(app: Any, *, certificate: Certificate | None = None) -> Iterator[str]:
    """Serve an app on a free loopback port in its own thread and loop; yields the base URL."""

    @asynccontextmanager
    async def listening() -> AsyncIterator[str]:
        listener = Listener(app, certificate=certificate)
        await listener.start()
        try:
            yield listener.base_url
        finally:
            await listener.stop()

    with _in_thread(listening) as base_url:
        yield base_url


@contextmanager
def serve_sandbox(options: Options) -> Iterator[dict[str, Any]]:
    """Run sandbox systems in a thread, seeded and announced; yields the endpoints."""

    @asynccontextmanager
    async def running() -> AsyncIterator[dict[str, Any]]:
        async with Sandbox(options) as sandbox:
            await sandbox.seed()
            sandbox.announce()
            yield sandbox.endpoints

    with _in_thread(running) as endpoints:
        yield endpoints


@contextmanager
def _in_thread(opened: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[T]:
    """Hold an async context open in another thread's loop; its value, until the block ends."""
    ready: Future[tuple[T, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def hold() -> None:
        async with opened() as value:
            stop = asyncio.Event()
            ready.set_result((value, asyncio.get_running_loop(), stop))
            await stop.wait()

    def main() -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(hold())
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    thread = threading.Thread(target=main, name="serving", daemon=True)
    thread.start()
    value, loop, stop = ready.result()
    try:
        yield value
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def asgi_transport(apps: Mapping[str, Any]) -> tuple[AsgiTransport, dict[str, str]]:
    """A transport that calls apps directly, and each system's base URL on it.

    Args:
        apps: system id to app; the id becomes the host name.
    """
    by_netloc = {f"{name.replace('_', '-')}.sandbox:80": app for name, app in apps.items()}
    urls = {name: f"http://{name.replace('_', '-')}.sandbox:80" for name in apps}
    return AsgiTransport(by_netloc), urls
