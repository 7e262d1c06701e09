"""A deliverer as a process of its own, which a test may let die at a chosen moment.

``python -m tests.reverse_etl.tryton.deliverer TASK``: JSON with the operations database, the
connected system and the commands as a planner of its own warehouse would record them, and
``die_after``: the number of the write request after whose effect the process kills itself
(``kill -9``) before it learns of it; 0 for never.
"""

import asyncio
import json
import os
import signal
import sys
from typing import Any

from ingestion.common.clock import SystemClock
from ingestion.common.config import System
from ingestion.common.transport import AiohttpTransport, Request, Response
from reverse_etl.delivery.engine import deliver
from reverse_etl.ledger.store import Store
from reverse_etl.planning.governance import load_governance
from reverse_etl.writers import create_writer
from tests.reverse_etl.tryton.orders import order_of

_ROUNDS_MAX = 40
_READS = ("search_read", ".read", "get_preferences", "login")


class _Mortal:
    """A transport that ends its own process after the n-th write has had its effect."""

    def __init__(self, die_after: int) -> None:
        self._inner = AiohttpTransport()
        self._left = die_after

    async def send(self, request: Request) -> Response:
        answer = await self._inner.send(request)
        if not request.url.endswith(_READS):
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return answer

    async def close(self) -> None:
        await self._inner.close()


async def main(task: dict[str, Any]) -> None:
    """Record the plan, deliver until nothing is left."""
    system = System.model_validate(task["system"])
    commands = [order_of(one).command for one in task["orders"]]
    clock = SystemClock()
    writer = create_writer(system, _Mortal(task["die_after"]), load_governance())
    try:
        with Store.open(task["operations"], now=clock.now) as store:
            store.record_plan(commands)
            for _ in range(_ROUNDS_MAX):
                report = await deliver(store, {system.system_id: writer}, clock=clock)
                states = {str(store.command(one.command_id).state) for one in commands}
                if report.is_complete and states == {"verified"}:
                    return
                await asyncio.sleep(0.25)
            sys.exit(f"not done: {states}")
    finally:
        await writer.close()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
