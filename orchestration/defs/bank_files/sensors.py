"""Starts the loop when a bank has dropped files that were not there at the last look."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import dagster as dg

from ingestion.bank_files.settings import IGNORED_SUFFIXES, RETRY_MARKER
from ingestion.common.config import System, load_config

__all__ = ["new_bank_files"]

#: A person's retry marker starts a run; half-written files and answers do not.
_UNFINISHED = IGNORED_SUFFIXES - {RETRY_MARKER}


def _files(system: System) -> Iterator[Path]:
    """Statement files in a system's folder; unfinished ones and markers are not counted."""
    folder = Path(unquote(urlsplit(system.base_url).path))
    if folder.is_dir():
        yield from (p for p in folder.iterdir() if p.is_file() and p.suffix not in _UNFINISHED)


def _fingerprint(files: list[Path]) -> str:
    """Changes when a file appears, vanishes or changes."""
    seen = sorted(f"{p.name}:{p.stat().st_size}:{p.stat().st_mtime_ns}" for p in files)
    return hashlib.sha256("\n".join(seen).encode()).hexdigest()


@dg.sensor(job_name="loop", minimum_interval_seconds=30)
def new_bank_files(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """One run request per new state of the bank folders."""
    files = [path for system in load_config().of_kind("bank_files") for path in _files(system)]
    if not files:
        return dg.SkipReason("no bank files")
    fingerprint = _fingerprint(files)
    if fingerprint == context.cursor:
        return dg.SkipReason(f"{len(files):,} files, nothing new")
    context.update_cursor(fingerprint)
    return dg.RunRequest(run_key=fingerprint, tags={"bank_files": str(len(files))})
