"""REST targets: a system by configuration alone, for the product that has no folder yet.

Nothing is copied into the warehouse: a target's objects are written by ``ledgerloop push`` and read
only to compare and to prove (reverse_etl/rest/README.md).
"""

import asyncio
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from ingestion.common.config import System
from ingestion.common.errors import LedgerloopError
from ingestion.common.report import ReadReport
from ingestion.common.transport import Transport, transport_of
from ingestion.rest.client import RestClient, enveloped, filled
from ingestion.rest.settings import RestObject, rest_objects

__all__ = ["check", "read"]


def read(
    system: System,
    warehouse_path: Path,  # noqa: ARG001 (every kind's read is called alike)
    *,
    run_started_at: datetime,  # noqa: ARG001
    only_objects: Collection[str] | None = None,  # noqa: ARG001
) -> ReadReport:
    """Nothing to read: a REST target has no raw tables."""
    return ReadReport(system.system_id, system.kind, seconds=0.0, cpu_seconds=0.0)


def check(system: System, *, transport: Transport | None = None) -> list[str]:
    """What is wrong with a target, in plain words: reachable, and does it take our credentials?

    Args:
        system: the target.
        transport: replaces the network, for tests.

    Raises:
        ConfigError: options, objects or credentials are wrong or missing.
    """
    objects = rest_objects(system)
    if not objects:
        return ["no objects are configured: nothing can be pushed there"]

    async def ask() -> list[str]:
        carrier = transport or transport_of(system)
        client = RestClient(system, carrier)
        try:
            found = [await _ask(client, name, one) for name, one in objects.items()]
        finally:
            await client.close()
        return [problem for problem in found if problem]

    return asyncio.run(ask())


#: A key that no row has: the question is only whether the target answers.
_NO_KEY = "ledgerloop-doctor"


async def _ask(client: RestClient, name: str, one: RestObject) -> str:
    """Ask one object's read endpoint for a row that is not there."""
    endpoint = one.reads
    assert endpoint is not None, "checked when the configuration was loaded"
    words = {"key": _NO_KEY, "external_key": _NO_KEY, "native_id": _NO_KEY}
    path = filled(endpoint.path, **words, keys=[_NO_KEY], external_keys=[_NO_KEY])
    body = endpoint.body or None
    if endpoint.keys_at is not None:
        body = enveloped(endpoint.body, endpoint.keys_at, [_NO_KEY])
    try:
        answer = await client.call(endpoint.method, path, body=body, headers=one.headers)
    except LedgerloopError as error:
        return f"{name}: {error.message}"
    if answer.status in {401, 403}:
        return f"{name}: {answer.where} answers {answer.status}: it refuses our credentials"
    if answer.status >= 500:
        return f"{name}: {answer.where} answers {answer.status}: {answer.text}"
    return ""
