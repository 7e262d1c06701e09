"""What every sandbox kind shares: clock, seeded faults, state on disk, the server, the ledger.

A kind is a folder ``sandbox/<kind>/`` that offers::

    class Settings: ...                                  # frozen dataclass, every field defaulted
    def create_app(system_id, *, clock, faults, settings, state=None) -> SandboxApp
    def settings_for(companies, rates) -> Settings       # an ERP with other companies than its own

``SandboxApp`` below is all that the server asks of it. No kind is listed anywhere.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol

__all__ = ["Receive", "SandboxApp", "Scope", "Send"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class SandboxApp(Protocol):
    """One connected system: an ASGI app that can also show its books and save them."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...

    def credentials(self) -> Mapping[str, str]:
        """What a client needs to sign in, for the endpoints file."""
        ...

    def ledger(self) -> Mapping[str, Any]:
        """The books as the oracle of tests: ``journals`` and ``effects`` per external key."""
        ...

    def snapshot(self) -> Mapping[str, Any]:
        """All state, in the types ``sandbox.core.state`` can write; ``state=`` takes it back."""
        ...
