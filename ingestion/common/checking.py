"""``doctor``'s question to a system: does every declared object answer with its declared fields?

Asks for the first page of each object and stores nothing. Knows no vendor: each kind hands in how
to get pages.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from ingestion.common.errors import LedgerloopError
from ingestion.common.objects import ObjectSpec

__all__ = ["first_page_problems"]


def first_page_problems(
    objects: Sequence[ObjectSpec],
    pages: Callable[[ObjectSpec], AsyncIterator[bytes]],
    close: Callable[[], Awaitable[None]],
) -> list[str]:
    """What is wrong, one line per object that does not answer as declared; empty when all do."""

    async def one(spec: ObjectSpec) -> str:
        try:
            async for _ in pages(spec):
                return ""
        except LedgerloopError as error:
            return f"{spec.name}: {error.message}"
        return ""

    async def ask() -> list[str]:
        try:
            return [problem for spec in objects if (problem := await one(spec))]
        finally:
            await close()

    return asyncio.run(ask())
