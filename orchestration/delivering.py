"""The sending step alone: light imports, so that a sender starts quickly and stays small."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.common.clock import SystemClock
from ingestion.common.config import Config
from reverse_etl.ledger.modes import Modes
from reverse_etl.ledger.store import Store
from reverse_etl.planning.governance import Governance
from reverse_etl.planning.policy import Policy, flow_modes

if TYPE_CHECKING:
    from reverse_etl.delivery.report import DeliveryReport

__all__ = ["deliver_ready", "modes_of", "open_store"]


def open_store(home: Path) -> Store:
    """The operations database: ``LEDGERLOOP_OPS_URL``, else ``<home>/ops.sqlite``."""
    return Store.open(
        os.environ.get("LEDGERLOOP_OPS_URL") or home / "ops.sqlite", now=SystemClock().now
    )


def modes_of(config: Config, policy: Policy) -> Modes:
    """The mode of every flow: loopback is automatic, all else starts in shadow; policy tightens."""
    by_system = {s.system_id: s.effective_mode for s in config.systems.values()}
    return flow_modes(Modes(by_system=by_system), config, policy)


async def deliver_ready(
    config: Config,
    store: Store,
    governance: Governance,
    modes: Modes,
    objects: Collection[str] | None = None,
) -> "DeliveryReport":
    """Send what is ready (of these objects, or all), look up what is unknown, and prove it.

    Ctrl-C and SIGTERM stop taking new work, wait a few seconds for what is in flight and leave a
    state to continue from.
    """
    # Here, not above: most commands only open the operations database.
    from ingestion.common.transport import transport_of
    from reverse_etl.delivery.engine import deliver
    from reverse_etl.delivery.running import old_objects_aside, sigterm_like_ctrl_c
    from reverse_etl.writers import create_writer, writable_kinds

    writers = {
        system.system_id: create_writer(system, transport_of(system), governance)
        for system in config.systems.values()
        if system.kind in writable_kinds()
    }
    try:
        with sigterm_like_ctrl_c(), old_objects_aside():
            return await deliver(
                store, writers, clock=SystemClock(), modes=modes, object_names=objects
            )
    finally:
        for writer in writers.values():
            await writer.close()
