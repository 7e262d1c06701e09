"""Around a delivery: a loop of its own where there is none, signals, garbage, writers closed."""

import asyncio
import gc
import signal
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress

from reverse_etl.delivery.bounds import Bounds
from reverse_etl.delivery.engine import Engine, deliver
from reverse_etl.delivery.report import DeliveryReport, Progress
from reverse_etl.delivery.writer import Writer
from reverse_etl.ledger.clock import Clock
from reverse_etl.ledger.modes import Modes
from reverse_etl.ledger.store import Store

__all__ = ["deliver_now", "old_objects_aside", "sigterm_like_ctrl_c"]

#: New objects between two looks for garbage: a delivery makes many and hardly a cycle.
_GARBAGE_THRESHOLD = 10_000


@contextmanager
def old_objects_aside() -> Iterator[None]:
    """Within it the garbage collector leaves alone what is there now: libraries and plans.

    Looking through all of that again and again took a fifth of a delivery's CPU.
    """
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


@contextmanager
def sigterm_like_ctrl_c() -> Iterator[None]:
    """Within it SIGTERM ends the running task as Ctrl-C does under ``asyncio.run``.

    The first one lets a delivery end cleanly, the second ends it at once; then KeyboardInterrupt
    is raised, for whoever tells the user. Outside the main thread it does nothing.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "used within a task"
    terminated: list[bool] = []

    def end() -> None:
        terminated.append(True)
        task.cancel()

    before = signal.getsignal(signal.SIGTERM)
    try:
        loop.add_signal_handler(signal.SIGTERM, end)
    except (ValueError, RuntimeError):
        yield
        return
    try:
        yield
    except asyncio.CancelledError:
        if terminated:
            raise KeyboardInterrupt from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, before)


def deliver_now(
    store: Store,
    writers: Mapping[str, Writer],
    *,
    clock: Clock,
    modes: Modes | None = None,
    bounds: Bounds | None = None,
    seed: int | None = None,
    object_names: Collection[str] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> DeliveryReport:
    """``deliver`` in an event loop of its own; Ctrl-C and SIGTERM end it cleanly.

    The first signal takes no new work and waits ``Bounds.stop_seconds`` for what is on its way; the
    writers are closed.
    """

    async def main() -> DeliveryReport:
        loop = asyncio.get_running_loop()

        def listen(engine: Engine) -> None:
            for number in (signal.SIGINT, signal.SIGTERM):
                # Only the main thread may listen to signals; elsewhere the caller stops the run.
                with suppress(ValueError, RuntimeError):
                    loop.add_signal_handler(number, engine.stop)

        try:
            with old_objects_aside():
                return await deliver(
                    store,
                    writers,
                    clock=clock,
                    modes=modes,
                    bounds=bounds,
                    seed=seed,
                    object_names=object_names,
                    on_progress=on_progress,
                    on_engine=listen,
                )
        finally:
            for writer in writers.values():
                await writer.close()

    return asyncio.run(main())
