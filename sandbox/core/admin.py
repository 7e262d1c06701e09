"""The sandbox's own port: books for tests, faults, clock, health, save. No vendor has it.

Tests read the books only here (``GET /ledger/<system>``); the product never does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.core import SandboxApp
from sandbox.core.clock import Clock
from sandbox.core.faults import Faults, parse_points, parse_rates

__all__ = ["Hosted", "create_admin"]


@dataclass(frozen=True, slots=True)
class Hosted:
    """One running system with its faults."""

    system_id: str
    kind: str
    app: SandboxApp
    faults: Faults


def _json(tree: object, status: int = 200) -> Response:
    """Exact JSON: money as text, dates in ISO form."""
    return Response(
        orjson.dumps(tree, default=str, option=orjson.OPT_NON_STR_KEYS),
        status,
        media_type="application/json",
    )


def _refusal(message: str, status: int = 400) -> Response:
    return _json({"error": message}, status)


class _Admin:
    def __init__(
        self, hosted: Mapping[str, Hosted], clock: Clock, save: Callable[[], str] | None
    ) -> None:
        self._hosted = hosted
        self._clock = clock
        self._save = save

    def _unknown(self, system_id: object) -> Response:
        return _refusal(f"no system {system_id!r}; there are {sorted(self._hosted)}", 404)

    async def health(self, _: Request) -> Response:
        systems = {name: hosted.kind for name, hosted in self._hosted.items()}
        return _json({"status": "ok", "systems": systems, "now": self._clock.now()})

    async def ledger(self, request: Request) -> Response:
        system_id = request.path_params["system"]
        hosted = self._hosted.get(system_id)
        return _json(hosted.app.ledger()) if hosted else self._unknown(system_id)

    async def show_faults(self, _: Request) -> Response:
        return _json({name: hosted.faults.describe() for name, hosted in self._hosted.items()})

    async def set_faults(self, request: Request) -> Response:
        """Replace the faults of one system; ``{"system": …}`` alone clears them."""
        try:
            tree = orjson.loads(await request.body())
            hosted = self._hosted.get(tree.get("system", ""))
            if hosted is None:
                return self._unknown(tree.get("system"))
            rates = parse_rates(tree.get("rates") or {})
            points = parse_points(tree.get("points") or [])
            seed = int(tree.get("seed", 0))
        except (AttributeError, TypeError, ValueError) as error:
            return _refusal(str(error))
        hosted.faults.configure(seed, rates=rates, points=points)
        return _json(hosted.faults.describe())

    async def set_clock(self, request: Request) -> Response:
        """Move every system to an instant. Text without a zone is refused, not guessed."""
        try:
            self._clock.set(datetime.fromisoformat(orjson.loads(await request.body())["instant"]))
        except (KeyError, TypeError, ValueError) as error:
            return _refusal(f'expected {{"instant": "2026-01-31T08:00:00Z"}}: {error}')
        return _json({"now": self._clock.now()})

    async def save(self, _: Request) -> Response:
        if self._save is None:
            return _refusal("started without --state, so there is nowhere to save", 409)
        return _json({"saved": self._save()})


def create_admin(
    hosted: Mapping[str, Hosted], clock: Clock, save: Callable[[], str] | None
) -> Starlette:
    """The admin app.

    Args:
        hosted: running systems by id.
        clock: the one clock of all of them.
        save: writes all state and returns where; None when no place was given.
    """
    admin = _Admin(hosted, clock, save)
    return Starlette(
        routes=[
            Route("/health", admin.health),
            Route("/ledger/{system}", admin.ledger),
            Route("/faults", admin.show_faults),
            Route("/faults", admin.set_faults, methods=["POST"]),
            Route("/clock", admin.health),
            Route("/clock", admin.set_clock, methods=["POST"]),
            Route("/save", admin.save, methods=["POST"]),
        ]
    )
