"""Bank statements, notices and remittance advices: from the inbox folder into ``bank_files_raw``.

Formats: formats/ (one module each). There is no API and nothing is deleted: a file is a fact. A
file that is refused or a duplicate is kept as a row with its reason, is answered in the outbox, and
the others go on. It must not move or change files in the inbox.
"""

import time
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.common.config import System
from ingestion.common.errors import ConfigError

if TYPE_CHECKING:
    from ingestion.common.report import ReadReport

__all__ = ["check", "read"]


def read(
    system: System,
    warehouse_path: Path,
    *,
    run_started_at: datetime,
    only_objects: Collection[str] | None = None,
) -> "ReadReport":
    """Take the inbox's new files into the warehouse.

    Args:
        system: the bank; ``base_url`` is ``file://`` and the inbox folder.
        warehouse_path: the working warehouse; nobody else may have it open.
        run_started_at: the instant stored as ``_loaded_at``.
        only_objects: all tables come from the same files; an empty choice reads nothing.

    Raises:
        ConfigError: no such folder, or an outbox that cannot be written.
    """
    from ingestion.bank_files.acknowledgements import Outbox
    from ingestion.bank_files.inbox import inbox_of
    from ingestion.bank_files.intake import take_files
    from ingestion.common.file_exchange import exchange_files
    from ingestion.common.report import ReadReport

    started, cpu_started = time.perf_counter(), time.process_time()
    inbox = inbox_of(system)
    pulled = exchange_files(system, inbox, Outbox(system, inbox).folder)
    taken = take_files(system, warehouse_path, run_started_at, only_objects)
    return ReadReport(
        system.system_id,
        system.kind,
        seconds=time.perf_counter() - started,
        cpu_seconds=time.process_time() - cpu_started,
        objects=tuple(taken.objects),
        refused=(*pulled.refused, *taken.refused),
        warnings=(*pulled.warnings, *taken.warnings),
    )


def check(system: System) -> list[str]:
    """What is wrong with the inbox, in plain words; empty when it can be read."""
    from ingestion.bank_files.inbox import inbox_of

    try:
        inbox_of(system)
    except ConfigError as error:
        return [error.message]
    return []
