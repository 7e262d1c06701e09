"""A target that takes and shows rows over HTTP from memory: ``python -m bench.deliver_target``.

It prints its port and serves until its input closes. ``POST /write`` takes a JSON list of rows,
``POST /read`` a list of keys; ``GET /books`` says how often each key was written and how many calls
were open at once. ``--latency-seconds`` is how long each call takes, ``--calls-per-pool`` how many
calls of one client (header ``x-pool``) may be open at once: the next gets a 429.
"""

import argparse
import asyncio
import json
import sys
from collections import Counter
from typing import Any

import orjson
import uvloop

_HEAD_END = b"\r\n\r\n"


class Books:
    """What was written, and how the target was called."""

    def __init__(self, latency_seconds: float, calls_per_pool: int) -> None:
        self.latency_seconds = latency_seconds
        self.calls_per_pool = calls_per_pool
        self.rows: dict[str, dict[str, Any]] = {}
        self.effects: Counter[str] = Counter()
        self.open: Counter[str] = Counter()
        self.open_max = 0
        self.writes = 0
        self.reads = 0
        self.refused = 0

    def write(self, body: bytes) -> bytes:
        answers = []
        self.writes += 1
        for row in orjson.loads(body):
            self.rows[row["key"]] = row["fields"]
            self.effects[row["key"]] += 1
            answers.append({"key": row["key"], "id": "N" + row["key"][:12]})
        return orjson.dumps(answers)

    def read(self, body: bytes) -> bytes:
        self.reads += 1
        return orjson.dumps({key: self.rows.get(key) for key in orjson.loads(body)})

    def told(self) -> bytes:
        return orjson.dumps(
            {
                "keys": len(self.effects),
                "effects": sum(self.effects.values()),
                "effects_max": max(self.effects.values(), default=0),
                "writes": self.writes,
                "reads": self.reads,
                "refused": self.refused,
                "open_max": self.open_max,
            }
        )


async def serve_connection(
    books: Books, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Requests of one kept connection, one after the other."""
    try:
        while True:
            head = (await reader.readuntil(_HEAD_END)).decode("latin-1")
            lines = head.split("\r\n")
            path = lines[0].split(" ")[1]
            fields = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines[1:] if line)
            }
            body = await reader.readexactly(int(fields.get("content-length", "0")))
            status, answer = await _answer(books, path, fields.get("x-pool", ""), body)
            writer.write(
                b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
                % (status, len(answer))
                + answer
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _answer(books: Books, path: str, pool: str, body: bytes) -> tuple[int, bytes]:
    if path == "/books":
        return 200, books.told()
    if books.calls_per_pool and books.open[pool] >= books.calls_per_pool:
        books.refused += 1
        return 429, b"[]"
    books.open[pool] += 1
    books.open_max = max(books.open_max, sum(books.open.values()))
    if books.latency_seconds:
        await asyncio.sleep(books.latency_seconds)
    found = books.write(body) if path == "/write" else books.read(body)
    books.open[pool] -= 1
    return 200, found


async def main(latency_seconds: float, calls_per_pool: int) -> None:
    books = Books(latency_seconds, calls_per_pool)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve_connection(books, reader, writer)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=2**24)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency-seconds", type=float, default=0.0)
    parser.add_argument("--calls-per-pool", type=int, default=0)
    chosen = parser.parse_args()
    uvloop.run(main(chosen.latency_seconds, chosen.calls_per_pool))
