"""A REST target with books of its own, over real sockets: the oracle counts effects per key.

``/<collection>/{key}`` is upserted by PUT and PATCHed, ``POST /<collection>`` creates a record
every time it is called (unless the idempotency header is honoured), ``/<collection>/batch`` and
``/<collection>/create_batch`` take many. It misbehaves from a seed and knows nothing of us.
"""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any
from urllib.parse import parse_qs, unquote

from sandbox.core.faults import ABORT_EXTENSION

PAGE_ROWS = 1_000


@dataclass
class Faults:
    """Rates from 0 to 1 per write request, times in seconds."""

    seed: int = 0
    error_500: float = 0.0
    throttled: float = 0.0
    retry_after: str = "0.05"
    lost_answer: float = 0.0
    """Applied, and the connection is cut without an answer."""
    lost_request: float = 0.0
    """Cut before anything is applied."""
    does_nothing: bool = False
    drops: str = ""
    """A field that is accepted and never stored."""
    latency_seconds: float = 0.0
    refuses_whole_batches: bool = False
    honours_idempotency: bool = False
    wanted_header: tuple[str, str] = ("", "")


@dataclass
class Books:
    """An ASGI app and its books."""

    faults: Faults = field(default_factory=Faults)
    poison: set[str] = field(default_factory=set)
    key: str = "id"

    def __post_init__(self) -> None:
        self.random = Random(self.faults.seed)
        self.records: dict[str, list[dict[str, Any]]] = {}
        """Key -> the records that stand under it: two are a duplicate."""
        self.effects: Counter[str] = Counter()
        self.bodies: list[Any] = []
        """What every write request carried."""
        self.requests: Counter[str] = Counter()
        self.rows_sent: Counter[str] = Counter()
        self.answered: dict[str, Any] = {}
        self.headers: list[dict[str, str]] = []
        self.numbers: Counter[str] = Counter()

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """The first record of every key."""
        return {key: found[0] for key, found in self.records.items()}

    @property
    def writes(self) -> int:
        """Write requests that arrived, whatever became of them."""
        return self.requests["write"]

    async def __call__(self, scope, receive, send) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {k.decode().lower(): v.decode() for k, v in scope["headers"]}
        self.headers.append(headers)
        if self.faults.latency_seconds:
            await asyncio.sleep(self.faults.latency_seconds)
        name, value = self.faults.wanted_header
        if name and headers.get(name) != value:
            await _answer(send, 401, {"error": {"code": "no_access", "message": "who are you?"}})
            return
        tree = json.loads(body, parse_float=Decimal) if body else None
        if scope["method"] == "GET" or scope["path"].endswith("/search"):
            await self._read(scope, send, tree)
        else:
            await self._write(scope, receive, send, tree, headers)

    # -- writing ---------------------------------------------------------------------------------

    async def _write(self, scope, receive, send, tree, headers) -> None:
        self.requests["write"] += 1
        self.bodies.append(tree)
        faults = self.faults
        if self._happens(faults.lost_request):
            await _cut(scope, receive)
            return
        if self._happens(faults.throttled):
            await _answer(send, 429, {"error": "slow down"}, {"retry-after": faults.retry_after})
            return
        fails = self._happens(faults.error_500)
        if fails and self.random.random() < 0.5:
            await _answer(send, 500, {"error": "broke before it began"})
            return
        status, answer = self._apply(scope["method"], unquote(scope["path"]), tree, headers)
        if fails:
            await _answer(send, 500, {"error": "broke after it was done"})
        elif self._happens(faults.lost_answer):
            await _cut(scope, receive)
        else:
            await _answer(send, status, answer)

    def _apply(self, method: str, path: str, tree: Any, headers) -> tuple[int, Any]:
        parts = path.strip("/").split("/")
        if parts[-1] in {"batch", "create_batch"}:
            return self._apply_batch(tree, creates=parts[-1] == "create_batch")
        if method == "POST" and len(parts) > 1:
            return 405, {"error": "no such method here"}
        row = tree.get("row", tree) if isinstance(tree, dict) else tree
        if method in {"PUT", "PATCH"}:
            key = "/".join(parts[1:])
            if method == "PATCH" and key not in self.records:
                return 404, {"error": {"code": "NO_ROW", "message": f"no row {key}"}}
            status, answer = self._one({self.key: key, **row}, creates=False)
            return status, answer
        known = headers.get("idempotency-key", "")
        if self.faults.honours_idempotency and known in self.answered:
            return self.answered[known]
        answer = self._one(row, creates=True)
        if known and answer[0] < 300:
            self.answered[known] = answer
        return answer

    def _apply_batch(self, tree: Any, *, creates: bool) -> tuple[int, Any]:
        rows = tree["rows"] if isinstance(tree, dict) else tree
        if self.faults.refuses_whole_batches and any(str(r[self.key]) in self.poison for r in rows):
            return 422, {"error": {"code": "BAD_BATCH", "message": "a row is wrong"}}
        results = []
        for row in rows:
            status, answer = self._one(row, creates=creates)
            result = {"key": row[self.key], "status": status, "ok": status < 300}
            results.append({**result, **answer})
        results.append({"key": "somebody else's", "status": 200, "ok": True})
        self.random.shuffle(results)
        return 200, {"results": results}

    def _one(self, row: dict[str, Any], *, creates: bool) -> tuple[int, dict[str, Any]]:
        key = str(row[self.key])
        self.rows_sent[key] += 1
        if key in self.poison:
            return 422, {
                "error": {"code": "BAD_ROW", "message": "amount is wrong", "field": "amount"}
            }
        if self.faults.does_nothing:
            return 200, {"native": "ghost"}
        stored = {name: value for name, value in row.items() if name != self.faults.drops}
        self.effects[key] += 1
        self.numbers["native"] += 1
        native = f"N{self.numbers['native']}"
        if creates:
            self.records.setdefault(key, []).append({"native": native, **stored})
            return 201, {"native": native}
        if key in self.records:
            self.records[key][0].update(stored)
        else:
            self.records[key] = [{"native": native, **stored}]
        return 200, {"native": self.records[key][0]["native"]}

    # -- reading ---------------------------------------------------------------------------------

    async def _read(self, scope, send, tree) -> None:
        self.requests["read"] += 1
        parts = unquote(scope["path"]).strip("/").split("/")
        query = parse_qs(scope["query_string"].decode())
        if parts[-1] == "all":
            number = int(query.get("page", ["1"])[0])
            rows = list(self.rows.values())[(number - 1) * PAGE_ROWS : number * PAGE_ROWS]
            await _answer(send, 200, {"items": rows})
        elif parts[-1] == "search":
            await _answer(send, 200, {"items": self._of(tree["keys"])})
        elif "keys" in query:
            await _answer(send, 200, {"items": self._of(query["keys"][0].split(","))})
        else:
            found = self.records.get("/".join(parts[1:]))
            await _answer(send, 200 if found else 404, found[0] if found else {"error": "none"})

    def _of(self, keys: list[str]) -> list[dict[str, Any]]:
        found = [row for key in keys for row in self.records.get(key, [])]
        self.random.shuffle(found)
        return found

    def _happens(self, rate: float) -> bool:
        return rate > 0 and self.random.random() < rate

    # -- the oracle ------------------------------------------------------------------------------

    def duplicates(self) -> list[str]:
        """Keys under which more than one record stands."""
        return sorted(key for key, found in self.records.items() if len(found) > 1)


async def _cut(scope, receive) -> None:
    """End the connection without an answer."""
    scope["extensions"][ABORT_EXTENSION]["abort"]()
    # The server answers 500 for an app that ends in silence: wait until it knows of the cut.
    while (await receive())["type"] != "http.disconnect":
        continue


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_text(v) for v in value) + "]"
    return json.dumps(value)


async def _answer(send, status: int, tree: Any, headers: dict[str, str] | None = None) -> None:
    named = {"content-type": "application/json", **(headers or {})}
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(k.encode(), v.encode()) for k, v in named.items()],
        }
    )
    await send({"type": "http.response.body", "body": _text(tree).encode()})
