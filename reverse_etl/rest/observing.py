"""What a REST target holds now: every row of an object, page by page, in canonical text.

Only for comparing (``push``); proofs and look-ups ask by key in writer.py. It writes nothing.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from ingestion.common.config import System
from ingestion.common.errors import OutcomeUnknown, RetryLater, VendorAnswerInvalid
from ingestion.common.transport import Transport
from ingestion.rest.client import RestClient, filled, found_at
from ingestion.rest.settings import FieldSettings, ReadAll, RestObject, rest_objects
from reverse_etl.ledger.clock import Clock
from reverse_etl.rest.rows import RowForm
from reverse_etl.rest.writer import check_read

__all__ = ["observe_all"]

#: A read may be tried again; after this many bad answers in a row the run gives up.
_TRIES_MAX = 8
_WAIT_SECONDS_MAX = 60.0

TextRow = tuple[str, tuple[str | None, ...]]


async def observe_all(
    system: System,
    object_name: str,
    fields: Mapping[str, FieldSettings],
    transport: Transport,
    clock: Clock,
) -> AsyncIterator[list[TextRow]]:
    """Pages of (key, values in the order of ``fields``).

    Args:
        system: the target.
        object_name: an object with ``read_all``.
        fields: settings by column, with the format of each.
        transport: what carries the requests; it is closed at the end.
        clock: lets the time between tries pass.

    Raises:
        LedgerloopError: the target could not be read whole; nothing may be compared then.
    """
    settings = rest_objects(system)[object_name]
    endpoint = settings.read_all
    assert endpoint is not None, "asked only for objects with read_all"
    form = RowForm(settings, fields)
    client = RestClient(system, transport)
    try:
        async for page in _pages(client, settings, endpoint, clock):
            yield [
                (key, tuple(form.text(column, row) for column in fields))
                for row in page
                if (key := form.key_of(row))
            ]
    finally:
        await client.close()


async def _pages(
    client: RestClient, settings: RestObject, endpoint: ReadAll, clock: Clock
) -> AsyncIterator[list[Any]]:
    path = endpoint.path
    if endpoint.page_parameter:
        path = _with(endpoint.path, endpoint.page_parameter, str(endpoint.page_first))
    for number in range(endpoint.pages_max):
        tree = await _read(client, settings, path, clock)
        rows = found_at(tree, endpoint.rows_at)
        if not isinstance(rows, list):
            raise VendorAnswerInvalid(
                f"{client.system_id}: {endpoint.path}: no list of rows at {endpoint.rows_at}",
                code="no_rows",
            )
        yield rows
        following = _following(client, endpoint, tree, rows, number)
        if following is None:
            return
        path = following
    raise VendorAnswerInvalid(
        f"{client.system_id}: {endpoint.path}: more than {endpoint.pages_max} pages",
        code="endless_paging",
    )


def _following(
    client: RestClient, endpoint: ReadAll, tree: Any, rows: list[Any], number: int
) -> str | None:
    """The next page's path, None after the last page."""
    if endpoint.page_parameter:
        if not rows:
            return None
        return _with(endpoint.path, endpoint.page_parameter, str(endpoint.page_first + number + 1))
    named = found_at(tree, endpoint.next_at) if endpoint.next_at else None
    if named is None or named == "" or named is False:
        return None
    if endpoint.cursor_parameter:
        return _with(endpoint.path, endpoint.cursor_parameter, str(named))
    return client.path_of(str(named), beside=endpoint.path)


def _with(path: str, parameter: str, value: str) -> str:
    """A path with one more query parameter."""
    return f"{path}{'&' if '?' in path else '?'}{parameter}={filled('{value}', value=value)}"


async def _read(client: RestClient, settings: RestObject, path: str, clock: Clock) -> Any:
    """One page as JSON; a read that failed is tried again within bounds."""
    for attempt in range(1, _TRIES_MAX + 1):
        try:
            answer = await client.call(
                "GET",
                path,
                headers=settings.headers,
                timeout_seconds=settings.request_timeout_seconds,
            )
            check_read(answer, client.system_id)
            return answer.tree()
        except (RetryLater, OutcomeUnknown) as error:
            if attempt == _TRIES_MAX or error.code == "not_sent":
                raise
            asked = error.after_seconds if isinstance(error, RetryLater) else None
            wait = 0.5 * 2.0 ** (attempt - 1) if asked is None else asked
            await clock.sleep(min(_WAIT_SECONDS_MAX, wait))
    raise AssertionError("the last try answers or raises")
