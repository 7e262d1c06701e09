"""Dagster's entry point: loads every folder of ``orchestration/defs``; lists nothing itself.

An autoloaded file may not hold a ``@dg.definitions`` function beside other assets: Dagster drops
the others in silence (STACK.md).
"""

from pathlib import Path

import dagster as dg

__all__ = ["defs"]

defs: dg.Definitions = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
