"""Bulk extracts of an ERP: customer master, open items, years of paid history, from files.

Files come over SFTP or into a folder; each is a fact and stays where it is. Forms and columns are
data in settings.py. It must not decide which of two sources is right: dbt does.
"""

import time
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.common.config import System
from ingestion.common.errors import LedgerloopError

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
    """Pull what the ERP put on its SFTP server, then take the inbox's new files.

    Args:
        system: ``base_url`` is ``file://`` and the inbox; options ``erp_system`` and ``sftp_…``.
        warehouse_path: the working warehouse; nobody else may have it open.
        run_started_at: the instant stored as ``_loaded_at``.
        only_objects: an empty choice reads nothing.

    Raises:
        ConfigError: a wrong folder or option.
        RetryLater: the SFTP server cannot be reached.
    """
    from ingestion.common.file_exchange import exchange_files
    from ingestion.common.report import ReadReport
    from ingestion.erp_files.intake import inbox_of, take_files

    started, cpu_started = time.perf_counter(), time.process_time()
    pulled = exchange_files(system, inbox_of(system))
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
    """What is wrong with inbox or server, in plain words; empty when both can be read."""
    import asyncio

    from ingestion.common.sftp import SftpClient
    from ingestion.common.sftp_settings import sftp_of
    from ingestion.erp_files.intake import inbox_of

    async def look() -> None:
        settings = sftp_of(system)
        if settings is not None and settings.pull_folder:
            async with SftpClient(settings) as client:
                await client.files_in(settings.pull_folder)

    try:
        inbox_of(system)
        asyncio.run(look())
    except LedgerloopError as error:
        return [error.message]
    return []
