"""After the loop the CRM says what the ERP says: asked with pyodata and simple-salesforce alone."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests.flow import independent_check
from tests.flow.independent_check import Findings
from tests.flow.scene import Scene
from tests.flow.stage import Stage
from tests.flow.test_the_loop_closes import demo
from tests.sandbox.sap_s4hana import system


@pytest.fixture(scope="module")
def scene(stage: Stage) -> Scene:
    return stage.scene(stage.of(demo).home, "books-agree")


def checked(scene: Scene) -> Findings:
    return independent_check.check(scene.endpoints, date.fromisoformat(scene.as_of), scene.inbox)


@pytest.fixture(scope="module")
def findings(scene: Scene) -> Findings:
    return checked(scene)


def test_the_check_imports_nothing_of_the_product() -> None:
    lines = Path(str(independent_check.__file__)).read_text(encoding="utf-8").splitlines()
    imported = [line for line in lines if line.startswith(("import ", "from "))]
    product = ("ingestion", "reverse_etl", "orchestration", "sandbox", "tests")
    assert not [line for line in imported if line.split()[1].startswith(product)]


def test_balances_and_invoices_of_every_linked_account_equal_the_items_in_sap(
    findings: Findings,
) -> None:
    assert findings.differences == []
    for name in ("linked accounts", "balances", "invoices Open", "invoices Paid"):
        assert findings.counted[name] > 0


def test_every_bank_receipt_has_one_posting_whoever_booked_it(
    scene: Scene, findings: Findings
) -> None:
    assert findings.counted["receipts"] == len(scene.truth["receipts"])
    assert findings.counted["postings by the hub"] > 0
    assert findings.counted["receipt items by the ERP"] > 0
    assert findings.agree


def test_debits_equal_credits_in_every_company(findings: Findings) -> None:
    assert findings.counted["companies"] == 5
    assert findings.agree


def test_the_check_sees_a_receipt_that_a_clerk_booked_again(stage: Stage) -> None:
    """A check that cannot fail proves nothing."""
    scene = stage.scene(stage.of(demo).home, "booked-again")
    receipt = next(one for one in scene.truth["receipts"] if one["company_code"] == "U001")
    amount = receipt["amount"]
    again = system.entry(
        "AGAIN-1",
        system.debtor(f"-{amount}", receipt["customer"]),
        system.general("11001000", amount),
        kind="DZ",
        posting_date=date.fromisoformat(receipt["value_date"]),
        reference=receipt["bank_reference"],
    )
    with scene.clerk() as clerk:
        answer = clerk.post(
            f"{scene.endpoints['systems']['sap_emea']['base_url']}"
            "/sap/bc/srt/scs_ext/sap/journalentrycreaterequestconfi",
            data=system.create_message("AGAIN", again).encode(),
            headers={"content-type": "text/xml; charset=utf-8"},
        )
    assert answer.status_code == 200, answer.text
    doubled = [text for text in checked(scene).differences if text.startswith("receipt ")]
    assert len(doubled) == 1
    assert f"{receipt['bank_reference']}" in doubled[0]
    assert "has 2 postings" in doubled[0]


def test_the_check_sees_one_wrong_cent(stage: Stage) -> None:
    scene = stage.scene(stage.of(demo).home, "one-wrong-cent")
    with independent_check.salesforce(scene.endpoints["systems"]["crm"]) as client:
        (row, *_) = client.query("SELECT Id, AR_Net__c FROM AR_Balance__c")["records"]
        net = Decimal(row["AR_Net__c"]) + Decimal("0.01")
        client.AR_Balance__c.update(row["Id"], {"AR_Net__c": str(net)})
    (difference,) = checked(scene).differences
    assert "AR_Net__c" in difference
