"""The demo's data: a receivables extract, what it lacks, seeding through the vendors' protocols.

The heavy parts are imported where they are used: the sandbox's server imports this package only to
start the seeding in a process of its own.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["load_dataset"]


async def load_dataset(
    dataset: Path | None, endpoints: Mapping[str, Any], home: Path, **sizes: int | None
) -> None:
    """See ``sandbox.demo.seeding.load_dataset``."""
    from sandbox.demo.seeding import load_dataset as load

    await load(dataset, endpoints, home, **sizes)
