"""The cases of a receivables desk, each from the bank to the ERP's books and the CRM.

One scene that nobody looped yet, four loops. In the first payments come in that are short, late,
too large, double or of nobody; people decide, assign and agree; the next loops post what follows,
and the bank takes one payment back. The last loop must find nothing to do.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from tests.flow import independent_check
from tests.flow.camt import Movement
from tests.flow.desk import Advice, Bill, Desk
from tests.flow.independent_check import (
    RETURNED_TYPE,
    UNIDENTIFIED,
    Item,
    read_crm,
    read_items,
)
from tests.flow.picture import doubled_effects
from tests.flow.scene import CRM, ERP, Finished, Scene
from tests.flow.stage import Stage, story
from tests.flow.test_approvals import commands

U1, U2, U13, CA = "U001", "U002", "U013", "CA02"
BIG, MIDDLE, SMALL = "0200000209", "0200033105", "0200856991"
THIRTEEN, CANADA = "0200579823", "0200470761"
LONE, PREPAYER, STRANGER = "0200121127", "0200261910", "0200168357"
BANK_LINE = "11001000"
LONES_DEBT = Decimal("34123.45")
STRANGERS_ACCOUNT = "DE89370400440532013000"

BILLS = (
    Bill("1988417301", BIG, U1, "10000.00"),
    Bill("1988417302", MIDDLE, U1, "5000.00", age_days=40),
    Bill("1988417303", SMALL, U2, "1003.50"),
    Bill("1988417304", THIRTEEN, U13, "4150.00"),
    Bill("1988417305", THIRTEEN, U13, "3250.00"),
    Bill("1988417306", CANADA, CA, "2019.00", currency="CAD"),
    Bill("1988417307", MIDDLE, U1, "8800.00", age_days=3, discount=("2", 10)),
    Bill("1988417308", SMALL, U2, "6600.00", age_days=40, discount=("2", 10)),
    Bill("1988417309", BIG, U1, "7777.70"),
    Bill("1988417310", BIG, U1, "9321.15"),
    Bill("1988417311", SMALL, U2, "4444.40"),
    Bill("1988417312", BIG, U1, "12345.00", age_days=35),
)


#: What one customer means by a code, which stands for something else elsewhere.
OWN_CODES = f"""
[deductions.customer_codes."SAP-{BIG}"]
Z9 = "DAMAGE"
"""


@dataclass
class Told:
    """What every loop said, and what the books held after it."""

    scene: Scene
    desk: Desk
    runs: list[tuple[Finished, dict[str, Any]]] = field(default_factory=list)
    items: list[list[Item]] = field(default_factory=list)
    disputes: list[list[dict[str, Any]]] = field(default_factory=list)
    received: list[dict[str, Decimal]] = field(default_factory=list)
    said: dict[str, Finished] = field(default_factory=dict)

    def loop(self, *arguments: str) -> None:
        """One loop, and a look at all books after it."""
        self.runs.append(self.scene.sync(*arguments))
        self.received.append(dict(self.desk.received))
        self.items.append(read_items(self.scene.endpoints["systems"][ERP]))
        listed = self.scene.ledgerloop("disputes", "list", "--all", "--json")
        self.disputes.append(listed.json())

    def say(self, name: str, *arguments: str) -> None:
        """A person's word on the command line, under that person's own account."""
        self.said[name] = self.scene.ledgerloop(*arguments, LOGNAME=arguments[-1])

    def dispute(self, loop: int, customer: str, reason: str) -> dict[str, Any]:
        (found,) = (
            one
            for one in self.disputes[loop]
            if (one["customer"], one["reason_code"]) == (customer, reason)
        )
        return found


@story
def receivables_cases(stage: Stage) -> Told:
    return tell(stage.scene(stage.seeded_home, "receivables-cases"))


def tell(scene: Scene) -> Told:
    told = Told(scene, Desk(scene))
    desk = told.desk
    desk.write_policy(OWN_CODES)
    desk.bill(BILLS)
    first_payments(desk)
    told.loop("--initial")
    people_decide(told)
    desk.pay(U1, Movement("CASERETBCK", "9321.15", "returned: no funds", returns="CASERETURN"))
    desk.bill([Bill("1988417390", STRANGER, U1, "3131.31")])
    desk.pay(U1, Movement("CASESTRAN2", "3131.31", "", "Quite Another Ltd", STRANGERS_ACCOUNT))
    told.loop()
    people_agree(told)
    told.loop()
    told.loop()
    return told


def people_decide(told: Told) -> None:
    """After the first loop: what is right, what is not, and who the stranger is."""
    for customer, code, name, verdict in (
        (BIG, "DAMAGE", "valid", ("valid",)),
        (MIDDLE, "PRICE", "invalid", ("invalid",)),
        (THIRTEEN, "PROMO", "partly", ("partly", "--amount", "300.00")),
    ):
        found = told.dispute(0, customer, code)["dispute_id"]
        told.say(name, "disputes", "decide", found, *verdict, "--reason", name, "--as", "anna")
    partly = told.dispute(0, THIRTEEN, "PROMO")["dispute_id"]
    agree = ("disputes", "approve", partly, "1", "--reason", "agreed", "--as")
    told.say("agreed by the same", *agree, "anna")
    told.say("agreed by another", *agree, "berta")
    stranger, twice = (receipt_of(told.scene, one) for one in ("CASESTRANG", "CASETWICE2"))
    told.say("assigned", "assign", stranger, "--customer", f"SAP-{STRANGER}", "--as", "anna")
    told.say("given back", "refund", twice, "--reason", "paid twice", "--as", "anna")
    paid = receipt_of(told.scene, "CASETWICE1")
    told.say("applied already", "refund", paid, "--reason", "paid twice", "--as", "anna")


def people_agree(told: Told) -> None:
    """After the second loop: the credit memo waits, and another person approves it."""
    for name in ("credit_memos", "refunds"):
        (command,) = waiting(told.scene, name)
        agree = ("approve", command[:12], "--reason", "seen", "--as")
        if name == "refunds":
            told.say("refunds by who asked", *agree, "anna")
        told.say(f"{name} by another", *agree, "maria")
        if name == "refunds":  # so large that two must agree
            told.say("refunds by a second", *agree, "piet")


def receipt_of(scene: Scene, bank_reference: str) -> str:
    """The hub's id of a receipt, as anybody finds it in the published warehouse."""
    query = "select receipt_id from marts.fct_receipts where bank_reference = ?"
    ((receipt_id,),) = published(scene, query, bank_reference)
    return str(receipt_id)


def published(scene: Scene, query: str, *values: str) -> list[tuple[Any, ...]]:
    """Rows of a query on the published warehouse."""
    file = (scene.home / "published" / "warehouse.duckdb").resolve()
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(query, list(values)).fetchall()


def waiting(scene: Scene, object_name: str) -> list[str]:
    """Ids of the commands of an object that wait for a person."""
    return [
        row["command_id"]
        for row in commands(scene, "awaiting_approval")
        if row["object_name"] == object_name
    ]


def first_payments(desk: Desk) -> None:
    mine = desk.account_of(BIG)
    (over,) = (
        item.reference
        for item in read_items(desk.scene.endpoints["systems"][ERP])
        if item.customer == LONE and item.amount == LONES_DEBT and item.is_open(desk.day)
    )
    desk.pay(
        U1,
        Movement("CASESHORT1", "9400.00", "see advice"),
        Movement("CASESHORT2", "4800.00", "see advice"),
        Movement("CASEEARNED", "8624.00", "1988417307"),
        Movement("CASETWICE1", "7777.70", "1988417309", account=mine),
        Movement("CASETWICE2", "7777.70", "1988417309", account=mine),
        Movement("CASERETURN", "9321.15", "1988417310"),
        Movement("CASEONACCT", "2500.00", f"{PREPAYER} prepayment for June"),
        Movement("CASESTRANG", "7604.83", "thank you", "Quite Another Ltd", STRANGERS_ACCOUNT),
        Movement("CASEFEEBIG", "12270.00", "1988417312"),
        Movement("CASEOVERPD", "34223.45", over),
    )
    desk.pay(
        U2,
        Movement("CASESMALL1", "1000.00", "see advice"),
        Movement("CASEUNEARN", "6468.00", "see advice"),
    )
    desk.pay(U13, Movement("CASEBOTH01", "7000.00", "see advice"))
    desk.pay(CA, Movement("CASEFEE001", "2004.00", "1988417306"), currency="CAD")
    desk.advise(
        "advice-1",
        [
            Advice("CASESHORT1", "1988417301", "9400.00", "600.00", "Z9", "two pallets broken"),
        ],
    )
    desk.advise(
        "advice-2",
        [
            Advice("CASESHORT2", "1988417302", "4800.00", "200.00", "01", "agreed price"),
        ],
    )
    desk.advise(
        "advice-3",
        [
            Advice("CASESMALL1", "1988417303", "1000.00", "3.50", "FREIGHT", "parcel"),
        ],
    )
    desk.advise(
        "advice-4",
        [
            Advice("CASEBOTH01", "1988417304", "4000.00", "150.00", "PROMO", "spring"),
            Advice("CASEBOTH01", "1988417305", "3000.00", "250.00", "PROMO", "spring"),
        ],
    )
    desk.advise(
        "advice-5",
        [
            Advice("CASEUNEARN", "1988417308", "6468.00", discount="132.00"),
        ],
    )


@pytest.fixture(scope="module")
def told(stage: Stage) -> Told:
    return stage.of(receivables_cases)


# ---------------------------------------------------------------------- looking at the books


def open_items(told: Told, loop: int, customer: str) -> dict[str, Decimal]:
    """What is open of a customer after a loop: the reference, and the amount with its sign."""
    found: dict[str, Decimal] = {}
    for item in told.items[loop]:
        if item.customer == customer and item.account_type == "D" and item.is_open(told.desk.day):
            found[item.reference] = found.get(item.reference, Decimal(0)) + item.amount
    return found


def places(told: Told, loop: int, currency: str) -> dict[str, Decimal]:
    """Where the money of the story's receipts stands in the ERP after a loop."""
    items = [item for item in told.items[loop] if item.currency == currency]
    receipts = {
        item.document
        for item in items
        if item.gl_account == BANK_LINE and item.reference.startswith("CASE")
    }
    moves = {item.document for item in items if item.gl_account == UNIDENTIFIED and item.amount > 0}
    found: dict[str, Decimal] = defaultdict(Decimal)
    for item in items:
        if item.gl_account == BANK_LINE and item.document in receipts:
            found["bank"] += item.amount
        if item.document not in receipts | moves:
            continue
        if item.gl_account == UNIDENTIFIED and item.amount < 0 and item.cleared_on is None:
            found["unidentified"] -= item.amount
        elif item.account_type == "D" and item.document_type == RETURNED_TYPE:
            found["taken back"] -= item.amount
        elif item.account_type == "D":
            found["applied" if item.cleared_on else "on account"] -= item.amount
    return found


def invoices(told: Told) -> dict[str, list[tuple[str, Decimal]]]:
    """Status and open amount of the CRM's invoices by number, after the last loop."""
    found: dict[str, list[tuple[str, Decimal]]] = {}
    for row in read_crm(told.scene.endpoints["systems"][CRM])["invoices"]:
        shown = (str(row["Status__c"]), Decimal(str(row["Open_Amount__c"])))
        found.setdefault(row["Invoice_Number__c"], []).append(shown)
    return found


# ---------------------------------------------------------------------- short payments


def test_every_loop_ends_well_and_the_last_one_finds_nothing_to_do(told: Told) -> None:
    for finished, _ in told.runs:
        assert finished.code == 0, finished.err + finished.out
    assert told.runs[-1][1]["writes"] == 0


def test_a_short_payment_with_line_evidence_is_applied_and_leaves_its_rest_in_dispute(
    told: Told,
) -> None:
    booked = told.scene.ledger(ERP)["bookings_by_bank_reference"]
    assert [len(found) for key, found in booked.items() if "CASESHORT1" in key] == [1]
    assert open_items(told, 0, BIG)["1988417301"] == Decimal("600.00")
    found = told.dispute(0, BIG, "DAMAGE")
    assert (found["status"], found["external_code"]) == ("new", "Z9")
    assert Decimal(found["amount"]) == Decimal(600)


def test_two_deductions_of_one_payment_for_one_reason_are_one_dispute(told: Told) -> None:
    found = told.dispute(0, THIRTEEN, "PROMO")
    assert Decimal(found["amount"]) == Decimal(400)
    assert len(found["lines"]) == 2


def test_a_discount_is_granted_by_the_invoices_own_terms_else_it_is_a_deduction(told: Told) -> None:
    assert "1988417307" not in open_items(told, 0, MIDDLE)
    assert open_items(told, 0, SMALL)["1988417308"] == Decimal("132.00")
    assert Decimal(told.dispute(0, SMALL, "UNEARNED-DISC")["amount"]) == Decimal(132)


def test_who_decided_a_dispute_does_not_approve_it(told: Told) -> None:
    assert told.said["agreed by the same"].code == 1
    assert told.said["agreed by another"].code == 0


def test_a_credit_memo_waits_for_a_person_and_is_then_posted_and_cleared_once(told: Told) -> None:
    assert open_items(told, 1, BIG)["1988417301"] == Decimal("600.00")
    assert told.said["credit_memos by another"].code == 0
    memos = [
        (item.amount, item.cleared_on is not None)
        for item in told.items[-1]
        if (item.customer, item.document_type, item.reference) == (BIG, "RG", "1988417301")
    ]
    assert memos == [(Decimal("-600.00"), True)]
    assert "1988417301" not in open_items(told, 2, BIG)


def test_a_dispute_is_closed_when_nothing_is_open_of_it_any_more(told: Told) -> None:
    assert told.dispute(-1, BIG, "DAMAGE")["status"] == "closed"
    assert told.dispute(-1, THIRTEEN, "PROMO")["status"] == "closed"


def test_what_was_found_invalid_stays_open_with_its_due_date_and_is_shown_overdue(
    told: Told,
) -> None:
    assert told.dispute(-1, MIDDLE, "PRICE")["status"] == "denied"
    assert open_items(told, -1, MIDDLE)["1988417302"] == Decimal("200.00")
    assert ("Overdue", Decimal(200)) in invoices(told)["1988417302"]


def test_of_a_deduction_found_valid_in_part_only_the_rest_stays_open(told: Told) -> None:
    left = open_items(told, -1, THIRTEEN)
    assert left.get("1988417304", Decimal(0)) + left.get("1988417305", Decimal(0)) == Decimal(100)


def test_a_trifle_is_written_off_by_the_policy_without_asking(told: Told) -> None:
    assert open_items(told, 0, SMALL)["1988417303"] == Decimal("3.50")
    assert "1988417303" not in open_items(told, 1, SMALL)
    assert told.dispute(-1, SMALL, "FREIGHT")["status"] == "written_off"


# ---------------------------------------------------------------------- all other receipts


def test_a_bank_fee_within_its_currencys_tolerance_is_charged_off_and_a_larger_one_is_not(
    told: Told,
) -> None:
    assert "1988417306" not in open_items(told, 0, CANADA)
    assert open_items(told, 0, BIG)["1988417312"] == Decimal("12345.00")
    assert open_items(told, -1, BIG)["CASEFEEBIG"] == Decimal("-12270.00")


def test_what_was_paid_too_much_or_in_advance_stays_on_account(told: Told) -> None:
    assert sum(open_items(told, 0, LONE).values()) == Decimal("-100.00")
    assert open_items(told, -1, PREPAYER)["CASEONACCT"] == Decimal("-2500.00")


def test_a_second_payment_of_one_debt_is_never_applied_and_goes_back_by_approval(
    told: Told,
) -> None:
    assert open_items(told, 1, BIG)["CASETWICE2"] == Decimal("-7777.70")
    assert told.said["applied already"].code == 1
    assert told.said["refunds by who asked"].code == 1
    assert "needs_second" in told.said["refunds by another"].out
    assert "granted" in told.said["refunds by a second"].out
    paid_out = [
        item.amount
        for item in told.items[-1]
        if item.reference == "R-CASETWICE2" and item.gl_account == BANK_LINE
    ]
    assert paid_out == [Decimal("-7777.70")]
    assert not {"CASETWICE1", "CASETWICE2", "R-CASETWICE2"} & open_items(told, -1, BIG).keys()


def test_an_assigned_receipt_moves_to_its_customer_once_and_pays_what_it_is_for(
    told: Told,
) -> None:
    assert places(told, 0, "USD")["unidentified"] == Decimal("7604.83")
    assert places(told, 1, "USD")["unidentified"] == 0
    lines = [item for item in told.items[-1] if item.gl_account == UNIDENTIFIED]
    assert [item.cleared_on is not None for item in lines] == [True, True]
    moved = [
        item.cleared_on is not None
        for item in told.items[-1]
        if (item.customer, item.amount) == (STRANGER, Decimal("-7604.83"))
    ]
    assert moved == [True]


def test_the_next_payment_from_an_assigned_account_is_applied_without_a_person(
    told: Told,
) -> None:
    assert "1988417390" not in open_items(told, 1, STRANGER)
    customer = f"SAP-{STRANGER}"
    query = "select source from marts.dim_payer_accounts where customer_id = ? order by 1"
    assert ("person",) in published(told.scene, query, customer)
    query = "select payer_name from marts.dim_payer_aliases where customer_id = ?"
    assert published(told.scene, query, customer) == [("Quite Another Ltd",)]


def test_a_returned_payment_opens_again_what_it_had_paid_and_takes_the_cash_back_once(
    told: Told,
) -> None:
    assert "1988417310" not in open_items(told, 0, BIG)
    assert open_items(told, 1, BIG)["1988417310"] == Decimal("9321.15")
    taken = [
        item.amount
        for item in told.items[-1]
        if item.document_type == RETURNED_TYPE and item.gl_account == BANK_LINE
    ]
    assert taken == [Decimal("-9321.15")]
    assert ("Open", Decimal("9321.15")) in invoices(told)["1988417310"]
    assert [one for one in told.scene.exceptions() if one["state"] == "open"] == []


# ---------------------------------------------------------------------- all of it


@pytest.mark.parametrize("loop", [0, 1, 2, 3])
def test_every_cent_of_the_bank_is_in_the_erp_applied_on_account_or_unidentified(
    told: Told, loop: int
) -> None:
    for currency, received in told.received[loop].items():
        found = places(told, loop, currency)
        assert found.pop("bank") == received
        assert sum(found.values()) == received


def test_every_key_of_the_hub_has_one_effect(told: Told) -> None:
    # The text of a memo names its dispute: two lines of one dispute are two memos.
    found = {key: one for key, one in doubled_effects(told.scene).items() if "DSP-" not in key}
    assert found == {}


def test_the_crms_books_equal_the_erps(told: Told) -> None:
    findings = independent_check.check(told.scene.endpoints, told.desk.day, told.scene.inbox)
    assert findings.differences == []
