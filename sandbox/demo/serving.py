"""Which systems the sandbox runs for a demo, and each one's settings: companies, segments, rates.

The server knows no plan: it is told system ids, kinds and settings. A kind that can have other
companies than its own offers ``settings_for`` (``sandbox.core.companies``). Saved books come back
into the systems that they were saved from, whatever is asked for then.
"""

import importlib
import json
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from sandbox.core.serve import DEFAULT_SYSTEMS
from sandbox.core.state import has_state, write_atomically
from sandbox.demo.settings import load_settings
from sandbox.demo.systems import (
    BANK_SYSTEM,
    CRM_SYSTEM,
    GROUP_CURRENCY,
    WORLD_PLANS,
    company_facts,
    world_plans,
)

__all__ = ["systems_and_settings"]


_FILE = "world.json"


def systems_and_settings(
    is_extract: bool, companies: int | None, state: Path | None = None
) -> tuple[Mapping[str, str], Mapping[str, Any]]:
    """System id to kind, and system id to settings.

    Args:
        is_extract: one SAP system as extracts have it, instead of a world of several ERPs.
        companies: legal entities of that world together; None takes the plans' own.
        state: directory of saved books: what they were begun with counts.
    """
    if state is not None and has_state(state) and (state / _FILE).exists():
        kept = json.loads((state / _FILE).read_text(encoding="utf-8"))
        is_extract, companies = bool(kept["is_extract"]), kept["companies"]
    elif state is not None:
        asked = {"is_extract": is_extract, "companies": companies}
        write_atomically(state / _FILE, json.dumps(asked))
    if is_extract:
        return DEFAULT_SYSTEMS, {}
    rates = {**load_settings().rates, GROUP_CURRENCY: Decimal(1)}
    systems, settings = {}, {}
    for plan in world_plans(_running(), companies):
        systems[plan.system_id] = plan.kind
        offered = importlib.import_module(f"sandbox.{plan.kind}")
        if hasattr(offered, "settings_for"):
            settings[plan.system_id] = offered.settings_for(company_facts(plan), rates)
    for system_id in (CRM_SYSTEM, BANK_SYSTEM):
        systems[system_id] = DEFAULT_SYSTEMS[system_id]
    return systems, settings


def _running() -> list[str]:
    """The ERPs that can run here; one that cannot says why."""
    found = []
    for plan in WORLD_PLANS:
        offered = importlib.import_module(f"sandbox.{plan.kind}")
        missing = offered.absence() if hasattr(offered, "absence") else ""
        if missing:
            print(missing, file=sys.stderr, flush=True)
        else:
            found.append(plan.system_id)
    return found
