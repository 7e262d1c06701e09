"""State to disk and back: the same books, the same answers, the same waiting clearings."""

import json
from collections.abc import Callable

import pytest

from sandbox.core.state import load_state, save_state
from sandbox.sap_s4hana import SapState, create_app
from tests.sandbox.sap_s4hana.system import SapSystem, clearing, invoice, receipt


@pytest.fixture
def busy(system: SapSystem) -> SapSystem:
    """Items open and cleared, an order blocked, a clearing still waiting."""
    system.make_credit_account(CreditLimitAmount="1.00")
    system.make_order("5.00")
    system.post_entries(invoice("E1", "100.00"), receipt("E2", "100.00", "KEY" * 5, "BANK-1"))
    system.post_entries(invoice("E3", "7.00"), receipt("E4", "7.00"), message_id="M2")
    system.clear(clearing("R1", ("1800000000", "001"), ("1400000000", "001")))
    system.wait()
    system.clear(clearing("R2", ("1800000001", "001"), ("1400000001", "001")), message_id="C2")
    return system


def test_a_saved_state_is_the_same_when_it_is_read(busy: SapSystem, tmp_path) -> None:
    save_state(tmp_path, "sap_emea", busy.app.snapshot())
    saved = load_state(tmp_path, "sap_emea")
    restored = create_app(
        "sap_emea", clock=busy.clock, faults=busy.faults, settings=busy.settings, state=saved
    )
    before = json.dumps(busy.app.snapshot(), sort_keys=True)
    assert json.dumps(restored.snapshot(), sort_keys=True) == before
    assert restored.ledger() == busy.app.ledger()


def test_a_restored_system_goes_on_where_it_stopped(
    busy: SapSystem, serve_app: Callable[..., str]
) -> None:
    again = SapSystem(serve_app)
    again.app = create_app(
        "sap_emea",
        clock=again.clock,
        faults=again.faults,
        settings=again.settings,
        state=json.loads(json.dumps(busy.app.snapshot())),
    )
    again.odata = again.odata.replace(again.url, serve_app(again.app))
    again.url = again.odata.removesuffix("/sap/opu/odata/sap")
    again.clock.set(busy.clock.now())
    again.fetch_token()
    again.wait()
    assert again.item("1800000001")["IsCleared"] is True
    again.post_entries(invoice("E3", "7.00"), invoice("E9", "1.00"), message_id="M3")
    assert again.ledger()["effects"]["E3"] == ["U001/2020/1800000001"]
    assert again.ledger()["effects"]["E9"] == ["U001/2020/1800000002"]
    assert again.make_order("1.00")["SalesOrder"] == "0000000002"
    again.close()


def test_a_state_of_another_version_is_refused(busy: SapSystem) -> None:
    with pytest.raises(ValueError, match="version 99"):
        SapState.restored({**busy.app.snapshot(), "version": 99}, busy.settings)


def test_the_books_name_what_made_them(busy: SapSystem) -> None:
    ledger = busy.ledger()
    assert ledger["journals"]["U001"]["USD"] == {
        "debit": "214.00",
        "credit": "214.00",
        "documents": 5,
    }
    assert ledger["bookings_by_bank_reference"]["U001|BANK-1"] == ["U001/2020/1400000000"]
    assert ledger["effects"]["KEY" * 5] == ["U001/2020/1400000000"]
    assert ledger["waiting_clearings"] == 1
