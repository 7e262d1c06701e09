"""Repeating a read: bounded in count and in time, with the vendor's own wish first.

For reads only. A read may be asked again whatever became of the last one; a write never may, so no
write goes through here.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from ingestion.common.errors import (
    LedgerloopError,
    OutcomeUnknown,
    Reauthenticate,
    RetryLater,
    VendorAnswerInvalid,
)

__all__ = ["ReadRetries"]

_Answer = TypeVar("_Answer")
_FIRST_WAIT_SECONDS = 1.0
_WAIT_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True)
class ReadRetries:
    """How often and how long a read is repeated.

    Attributes:
        sleep: lets time pass, in seconds.
        jitter: a number from 0 to 1, so that many readers do not come back at once.
        retries_max: repetitions after the first try.
        seconds_max: time waited in all.
    """

    sleep: Callable[[float], Awaitable[None]]
    jitter: Callable[[], float]
    retries_max: int
    seconds_max: float

    async def run(
        self,
        read: Callable[[], Awaitable[_Answer]],
        sign_in_again: Callable[[], Awaitable[None]] | None = None,
    ) -> _Answer:
        """The first answer that is one.

        Args:
            read: one try.
            sign_in_again: called once when the session ended; that try counts as none.

        Raises:
            LedgerloopError: what the last try raised: a refusal at once, all else after the bounds.
        """
        waited, attempt, has_signed_in = 0.0, 0, False
        while True:
            wait: float | None = None
            try:
                return await read()
            except Reauthenticate:
                if has_signed_in:
                    raise
                has_signed_in = True
                if sign_in_again is not None:
                    await sign_in_again()
                continue
            except RetryLater as error:
                failure: LedgerloopError = error
                wait = error.after_seconds
            except (OutcomeUnknown, VendorAnswerInvalid) as error:
                failure = error
            if wait is None:
                longest = min(_WAIT_SECONDS_MAX, _FIRST_WAIT_SECONDS * 2**attempt)
                wait = longest * (0.5 + self.jitter() / 2)
            attempt += 1
            waited += wait
            if attempt > self.retries_max or waited > self.seconds_max:
                raise failure
            await self.sleep(wait)
