"""Ctrl-C and SIGTERM around work that must not be cut in two.

A library that catches signals itself may forget one: dlt forgets what comes after its last check,
and the run would go on as if nobody had asked it to end. It must not decide what a signal means.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["signals_afterwards"]

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def signals_afterwards() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM act once the block has ended; a second one acts at once.

    Outside the main thread, which alone gets signals, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _NUMBERS}
    held: list[int] = []

    def restore() -> None:
        for number, handler in before.items():
            # None: whoever set it is no Python code, and nothing was put in its place.
            if handler is not None:
                signal.signal(number, handler)

    def hold(number: int, _frame: FrameType | None) -> None:
        held.append(number)
        if len(held) > 1:
            restore()
            signal.raise_signal(held.pop())

    for number, handler in before.items():
        if handler is not None:
            signal.signal(number, hold)
    try:
        yield
    finally:
        restore()
        if held:
            signal.raise_signal(held[0])
