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


def test_the_check_sees_one_wrong_cent(stage: Stage) -> None:
    """A check that cannot fail proves nothing."""
    scene = stage.scene(stage.of(demo).home, "one-wrong-cent")
    with independent_check.salesforce(scene.endpoints["systems"]["crm"]) as client:
        (row, *_) = client.query("SELECT Id, AR_Net__c FROM AR_Balance__c")["records"]
        net = Decimal(row["AR_Net__c"]) + Decimal("0.01")
        client.AR_Balance__c.update(row["Id"], {"AR_Net__c": str(net)})
    (difference,) = checked(scene).differences
    assert "AR_Net__c" in difference
