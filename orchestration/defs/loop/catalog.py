"""Which assets each step of the loop makes: derived from folders and the dbt manifest.

Nothing is listed by hand: raw objects come from the kinds' declarations, models from dbt's
manifest, delivery targets from the writers' folders.
"""

import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import dagster as dg
from dagster_dbt import build_dbt_asset_specs

from ingestion.common.config import home_path
from ingestion.common.objects import declared_kinds, objects_of
from orchestration.dbt_process import PROJECT_PATH, dbt_environment
from orchestration.loop import Step

__all__ = ["dbt_specs", "specs_of"]

_PARSE = """
import sys
from dbt.cli.main import dbtRunner
sys.exit(not dbtRunner().invoke(["parse", "--quiet"]).success)
"""
OWNER = "team:finance-systems"


@cache
def _manifest() -> Path:
    """Dbt's manifest of this project; parsed when it is absent or older than a model."""
    manifest = home_path() / "dbt" / "target" / "manifest.json"
    newest = max(p.stat().st_mtime for p in (PROJECT_PATH / "models").rglob("*") if p.is_file())
    if not manifest.exists() or manifest.stat().st_mtime < newest:
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _PARSE],
            env=dbt_environment(home_path() / "warehouse.duckdb", home_path()),
            check=True,
            cwd=PROJECT_PATH.parent,
        )
    return manifest


@cache
def dbt_specs() -> tuple[dg.AssetSpec, ...]:
    """Every dbt model as an asset, with dbt's own lineage, groups and descriptions."""
    found = build_dbt_asset_specs(manifest=_manifest(), select="resource_type:model")
    return tuple(spec.replace_attributes(owners=[OWNER]) for spec in found)


def _truth_specs() -> list[dg.AssetSpec]:
    """Models up to the marts: they never read decisions or plans."""
    return [s for s in dbt_specs() if not _reads_decisions(s)]


@cache
def _decided_keys() -> frozenset[dg.AssetKey]:
    """Models that read decisions or plans, directly or through another model."""
    by_key = {s.key: s for s in dbt_specs()}
    found: set[dg.AssetKey] = set()
    while True:
        more = {
            key
            for key, spec in by_key.items()
            if key not in found
            and any(
                d.asset_key in found or d.asset_key.path[0] in {"decisions", "plan"}
                for d in spec.deps
            )
        }
        if not more:
            return frozenset(found)
        found |= more


def _reads_decisions(spec: dg.AssetSpec) -> bool:
    return spec.key in _decided_keys()


def _raw_specs() -> list[dg.AssetSpec]:
    """Every declared raw object of every kind."""
    return [
        dg.AssetSpec(
            [f"{kind}_raw", one.name],
            description=f"{one.path or one.name} of {kind}, unchanged",
            group_name=f"ingest_{kind}",
            owners=[OWNER],
            kinds={"dlt", "duckdb"},
        )
        for kind in declared_kinds()
        for one in objects_of(kind)
    ]


def specs_of(step: Step) -> Sequence[dg.AssetSpec]:
    """The assets that a step makes."""
    if step.name == "read":
        return _raw_specs()
    if step.name == "truth":
        return _truth_specs()
    own = dg.AssetSpec(
        list(step.key),
        description=step.plain,
        group_name=step.key[0],
        owners=[OWNER],
        kinds={"python"},
    )
    if step.key == ("plan", "differences"):
        return [own, *(s for s in dbt_specs() if _reads_decisions(s))]
    return [own]
