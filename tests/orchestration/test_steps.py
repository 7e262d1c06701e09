"""What a run knows of sources that it did not read itself."""

from datetime import timedelta
from pathlib import Path

from ingestion.common.config import Config, System
from ingestion.common.warehouse import LastRead, remember_read
from orchestration import steps
from orchestration.loop import Loop


def test_a_run_of_one_system_still_knows_how_old_the_others_are(tmp_path: Path) -> None:
    systems = {
        name: System(system_id=name, kind=kind, base_url="file:///nowhere")
        for name, kind in (("erp", "sap_s4hana"), ("crm", "salesforce"), ("bank", "bank_files"))
    }
    with Loop(Config(systems=systems), tmp_path, only=["crm"]) as loop:
        now = loop.report.settings.started_at
        old = now - timedelta(days=9)
        remember_read(loop.warehouse, LastRead("erp", "sap_s4hana", old, ""))
        remember_read(loop.warehouse, LastRead("crm", "salesforce", now, "a column vanished"))
        steps.prepare(loop)
        known = {one.system_id: (one.read_at, one.problem) for one in loop.sources}
    assert known == {
        "erp": (old, ""),
        "crm": (now, "a column vanished"),
        "bank": (None, "it was never read"),
    }
