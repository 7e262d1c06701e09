"""The ledger: debits equal credits always, and it refuses what an ERP refuses."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sandbox.core.ledger import (
    Account,
    Application,
    Company,
    Header,
    Journal,
    Ledger,
    Line,
    LineKey,
    PostingRefused,
    Refusal,
)
from sandbox.core.periods import PostingPeriods

AR, BANK, REVENUE, UNIDENTIFIED, DIFFERENCE = "12100000", "11001000", "41000000", "216", "710"
TODAY = date(2020, 3, 15)


def make_ledger() -> Ledger:
    return Ledger(
        [Company("U001", "USD"), Company("CA02", "CAD")],
        [
            Account(AR, is_open_item_managed=True, is_reconciliation=True),
            Account(BANK),
            Account(REVENUE),
            Account(UNIDENTIFIED, is_open_item_managed=True),
            Account(DIFFERENCE),
        ],
        periods=PostingPeriods(date(2020, 1, 1)),
        rates={("CAD", "USD"): Decimal("0.75"), ("EUR", "USD"): Decimal("1.1")},
        difference_account=DIFFERENCE,
    )


def header(
    company: str = "U001",
    day: date = date(2020, 2, 1),
    currency: str = "USD",
    kind: str = "RV",
) -> Header:
    return Header(company, kind, day, day, currency, "1800000000")


def invoice(ledger: Ledger, amount: str, customer: str = "C1", **options: str) -> Journal:
    value = Decimal(amount)
    lines = [Line(AR, value, customer), Line(REVENUE, -value)]
    return ledger.post(header(**options), lines, today=TODAY)  # type: ignore[arg-type]


def receipt(ledger: Ledger, amount: str, customer: str = "C1", **options: str) -> Journal:
    value = Decimal(amount)
    lines = [Line(BANK, value), Line(AR, -value, customer)]
    return ledger.post(header(**options), lines, today=TODAY)  # type: ignore[arg-type]


def item(journal: Journal, position: int = 1) -> LineKey:
    return (*journal.key, position)


def refusal_of(call: object) -> Refusal:
    with pytest.raises(PostingRefused) as caught:
        call()  # type: ignore[operator]
    return caught.value.refusal


def test_a_journal_gets_the_next_number_of_its_company_year_and_range() -> None:
    ledger = make_ledger()
    assert invoice(ledger, "1.00").key == ("U001", 2020, "1800000000")
    assert invoice(ledger, "1.00").key == ("U001", 2020, "1800000001")
    assert invoice(ledger, "1.00", company="CA02", currency="CAD").key[2] == "1800000000"


@pytest.mark.parametrize(
    ("lines", "options", "expected"),
    [
        ([Line(AR, Decimal(1), "C1")], {}, Refusal.UNBALANCED),
        ([], {}, Refusal.NO_LINES),
        ([Line("99", Decimal(1)), Line(BANK, Decimal(-1))], {}, Refusal.UNKNOWN_ACCOUNT),
        ([Line(AR, Decimal(1)), Line(BANK, Decimal(-1))], {}, Refusal.PARTY_MISSING),
        (
            [Line(BANK, Decimal("0.001")), Line(REVENUE, Decimal("-0.001"))],
            {},
            Refusal.TOO_MANY_DECIMALS,
        ),
        (
            [Line(BANK, Decimal(1)), Line(REVENUE, Decimal(-1))],
            {"company": "X"},
            Refusal.UNKNOWN_COMPANY,
        ),
        (
            [Line(BANK, Decimal(1)), Line(REVENUE, Decimal(-1))],
            {"currency": "ABC"},
            Refusal.UNKNOWN_CURRENCY,
        ),
        (
            [Line(BANK, Decimal(1)), Line(REVENUE, Decimal(-1))],
            {"day": date(2019, 12, 31)},
            Refusal.PERIOD_CLOSED,
        ),
        (
            [Line(BANK, Decimal(1)), Line(REVENUE, Decimal(-1))],
            {"day": date(2020, 4, 1)},
            Refusal.PERIOD_CLOSED,
        ),
    ],
)
def test_a_wrong_journal_is_refused_and_leaves_no_trace(lines, options, expected) -> None:
    ledger = make_ledger()
    assert refusal_of(lambda: ledger.post(header(**options), lines, today=TODAY)) is expected
    assert ledger.journals == {}
    assert ledger.totals() == {}


def test_a_day_later_in_the_current_month_is_open() -> None:
    ledger = make_ledger()
    lines = [Line(BANK, Decimal(1)), Line(REVENUE, Decimal(-1))]
    assert ledger.post(header(day=date(2020, 3, 31)), lines, today=TODAY).key[1] == 2020


def test_closing_a_month_refuses_what_was_open() -> None:
    ledger = make_ledger()
    ledger.periods.open_company_from("U001", date(2020, 3, 5))
    assert refusal_of(lambda: invoice(ledger, "1.00")) is Refusal.PERIOD_CLOSED
    assert invoice(ledger, "1.00", company="CA02", currency="CAD").key[0] == "CA02"


def test_items_that_net_to_zero_close_each_other() -> None:
    ledger = make_ledger()
    first, second = invoice(ledger, "60.00"), invoice(ledger, "40.00")
    paid = receipt(ledger, "100.00")
    applications = [Application(item(first)), Application(item(second)), Application(item(paid, 2))]
    journal = ledger.clear(header(kind="AB"), applications, today=TODAY)
    assert journal.lines == []
    for line in (first.lines[0], second.lines[0], paid.lines[1]):
        assert (line.amount_open, line.clearing, line.clearing_date) == (
            0,
            journal.key,
            date(2020, 2, 1),
        )


def test_a_clearing_that_does_not_net_to_zero_changes_nothing() -> None:
    ledger = make_ledger()
    owed, paid = invoice(ledger, "100.00"), receipt(ledger, "99.99")
    applications = [Application(item(owed)), Application(item(paid, 2))]
    call = lambda: ledger.clear(header(), applications, today=TODAY)  # noqa: E731
    assert refusal_of(call) is Refusal.NOT_NET_ZERO
    assert owed.lines[0].amount_open == Decimal("100.00")
    assert paid.lines[1].amount_open == Decimal("-99.99")


def test_more_than_is_open_is_never_applied() -> None:
    ledger = make_ledger()
    owed, paid = invoice(ledger, "100.00"), receipt(ledger, "150.00")
    applications = [
        Application(item(owed), Decimal("150.00")),
        Application(item(paid, 2)),
    ]
    call = lambda: ledger.clear(header(), applications, today=TODAY)  # noqa: E731
    assert refusal_of(call) is Refusal.OVER_APPLIED


def test_a_part_can_be_applied_and_the_rest_stays_open() -> None:
    ledger = make_ledger()
    owed, paid = invoice(ledger, "100.00"), receipt(ledger, "30.00")
    applications = [Application(item(owed), Decimal("30.00")), Application(item(paid, 2))]
    ledger.clear(header(), applications, today=TODAY)
    assert owed.lines[0].amount_open == Decimal("70.00")
    assert owed.lines[0].clearing is None
    assert paid.lines[1].amount_open == 0


def test_a_part_is_exact_however_the_amount_of_its_item_was_spelled() -> None:
    ledger = make_ledger()
    owed, paid = invoice(ledger, "33.35"), receipt(ledger, "99.9")
    applications = [Application(item(owed)), Application(item(paid, 2), Decimal("-33.35"))]
    ledger.clear(header(), applications, today=TODAY)
    assert ledger.balances["U001", AR] == Decimal("-66.55")
    assert ledger.balances.get(("U001", DIFFERENCE), 0) == 0


def test_closed_items_items_named_twice_and_foreign_items_are_refused() -> None:
    ledger = make_ledger()
    owed, paid = invoice(ledger, "10.00"), receipt(ledger, "10.00")
    both = [Application(item(owed)), Application(item(paid, 2))]
    other = invoice(ledger, "10.00", company="CA02", currency="CAD")

    def clear(applications: list[Application]) -> object:
        return lambda: ledger.clear(header(), applications, today=TODAY)

    assert refusal_of(clear([*both, Application(item(owed))])) is Refusal.TWICE
    assert refusal_of(clear([Application(item(other)), both[1]])) is Refusal.OTHER_COMPANY
    missing = Application(("U001", 2020, "1899999999", 1))
    assert refusal_of(clear([missing, both[1]])) is Refusal.UNKNOWN_ITEM
    bank = Application(item(paid, 1))
    assert refusal_of(clear([bank, both[1]])) is Refusal.NOT_OPEN_ITEM_MANAGED
    ledger.clear(header(), both, today=TODAY)
    assert refusal_of(clear(both)) is Refusal.NOT_OPEN


def test_a_residual_closes_the_item_and_opens_the_rest() -> None:
    ledger = make_ledger()
    owed, paid = invoice(ledger, "100.00"), receipt(ledger, "90.00")
    rest = Line(AR, Decimal("10.00"), "C1")
    applications = [Application(item(owed)), Application(item(paid, 2))]
    journal = ledger.clear(header(), applications, today=TODAY, residuals=[rest])
    assert sum(line.amount for line in journal.lines) == 0
    assert rest.amount_open == Decimal("10.00")
    assert owed.lines[0].amount_open == 0
    assert ledger.party_balances["U001", "C1", "USD"] == Decimal("10.00")


def test_clearing_between_accounts_moves_the_balance() -> None:
    ledger = make_ledger()
    owed = invoice(ledger, "10.00")
    value = Decimal("10.00")
    lines = [Line(BANK, value), Line(UNIDENTIFIED, -value)]
    unknown = ledger.post(header(kind="DZ"), lines, today=TODAY)
    applications = [Application(item(owed)), Application(item(unknown, 2))]
    ledger.clear(header(), applications, today=TODAY)
    assert ledger.balances["U001", UNIDENTIFIED] == 0
    assert ledger.party_balances["U001", "C1", "USD"] == 0


def test_another_rate_at_payment_posts_the_exchange_difference() -> None:
    ledger = make_ledger()
    owed = invoice(ledger, "100.00", currency="EUR")
    ledger.rates["EUR", "USD"] = Decimal("1.2")
    paid = receipt(ledger, "100.00", currency="EUR")
    applications = [Application(item(owed)), Application(item(paid, 2))]
    journal = ledger.clear(header(currency="EUR"), applications, today=TODAY)
    assert ledger.balances["U001", AR] == 0
    assert ledger.balances["U001", DIFFERENCE] == Decimal("-10.00")
    assert sum(line.amount_company or 0 for line in journal.lines) == 0


def test_a_reversal_mirrors_the_journal_and_happens_once() -> None:
    ledger = make_ledger()
    owed = invoice(ledger, "10.00")
    mirror = ledger.reverse(owed.key, header(), today=TODAY)
    assert ledger.balances["U001", AR] == 0
    assert owed.lines[0].clearing == mirror.key
    again = lambda: ledger.reverse(owed.key, header(), today=TODAY)  # noqa: E731
    assert refusal_of(again) is Refusal.ALREADY_REVERSED


def test_a_journal_with_cleared_items_is_not_reversed() -> None:
    ledger = make_ledger()
    owed, paid = invoice(ledger, "10.00"), receipt(ledger, "10.00")
    applications = [Application(item(owed)), Application(item(paid, 2))]
    ledger.clear(header(), applications, today=TODAY)
    call = lambda: ledger.reverse(paid.key, header(), today=TODAY)  # noqa: E731
    assert refusal_of(call) is Refusal.HAS_CLEARED_ITEMS


CENTS = st.integers(1, 10**9).map(lambda n: Decimal(n) / 100)


@given(
    st.lists(CENTS, min_size=1, max_size=30),
    st.decimals(Decimal("0.0001"), Decimal(200), places=4),
)
def test_company_amounts_balance_at_every_rate(amounts: list[Decimal], rate: Decimal) -> None:
    ledger = make_ledger()
    ledger.rates["CAD", "USD"] = rate
    lines = [Line(AR, amount, "C1") for amount in amounts]
    lines.append(Line(REVENUE, -sum(amounts)))
    journal = ledger.post(header(currency="CAD"), lines, today=TODAY)
    assert sum(line.amount_company or 0 for line in journal.lines) == 0


@given(st.lists(CENTS, min_size=1, max_size=5), CENTS)
def test_whatever_does_not_balance_is_refused(amounts: list[Decimal], extra: Decimal) -> None:
    ledger = make_ledger()
    lines = [Line(AR, amount, "C1") for amount in amounts]
    lines.append(Line(REVENUE, -sum(amounts) - extra))
    call = lambda: ledger.post(header(), lines, today=TODAY)  # noqa: E731
    assert refusal_of(call) is Refusal.UNBALANCED


class Books(RuleBasedStateMachine):
    """Random posting, clearing and reversing, right and wrong; the books always tie."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = make_ledger()
        self.journals: list[Journal] = []

    @rule(
        amount=CENTS,
        customer=st.sampled_from(["C1", "C2"]),
        currency=st.sampled_from(["USD", "EUR"]),
        is_receipt=st.booleans(),
    )
    def post(self, amount: Decimal, customer: str, currency: str, is_receipt: bool) -> None:
        make = receipt if is_receipt else invoice
        self.journals.append(make(self.ledger, str(amount), customer, currency=currency))

    @rule(data=st.data())
    def clear(self, data: st.DataObject) -> None:
        """Two random items against each other, in full or in part, with or without a residual."""
        if len(self.journals) < 2:
            return
        chosen = data.draw(st.lists(st.sampled_from(self.journals), min_size=2, max_size=3))
        keys = [item(j, data.draw(st.sampled_from([1, 2]))) for j in chosen]
        parts = [data.draw(st.none() | CENTS.map(lambda a: -a) | CENTS) for _ in keys]
        applications = [Application(k, p) for k, p in zip(keys, parts, strict=True)]
        taken = [
            self.ledger.line(a.item).amount_open if a.amount is None else a.amount
            for a in applications
        ]
        residuals = []
        if data.draw(st.booleans()) and sum(taken):
            residuals = [Line(AR, Decimal(sum(taken)), "C1")]
        currency = chosen[0].header.currency_code
        try:
            self.ledger.clear(
                header(currency=currency), applications, today=TODAY, residuals=residuals
            )
        except PostingRefused:
            return

    @rule(data=st.data())
    def reverse(self, data: st.DataObject) -> None:
        if not self.journals:
            return
        journal = data.draw(st.sampled_from(self.journals))
        try:
            self.ledger.reverse(
                journal.key, header(currency=journal.header.currency_code), today=TODAY
            )
        except PostingRefused:
            return

    @invariant()
    def debits_equal_credits(self) -> None:
        for currencies in self.ledger.totals().values():
            for sums in currencies.values():
                assert sums["debit"] == sums["credit"]
        for journal in self.ledger.journals.values():
            assert sum(line.amount for line in journal.lines) == 0
            assert sum(line.amount_company or 0 for line in journal.lines) == 0

    @invariant()
    def the_open_items_are_the_account(self) -> None:
        lines = [line for j in self.ledger.journals.values() for line in j.lines]
        open_company = sum((x.amount_company_open for x in lines if x.account == AR), Decimal(0))
        assert open_company == self.ledger.balances.get(("U001", AR), Decimal(0))
        for (company, party, currency), balance in self.ledger.party_balances.items():
            found = sum(
                line.amount_open
                for j in self.ledger.journals.values()
                if j.key[0] == company and j.header.currency_code == currency
                for line in j.lines
                if line.party == party
            )
            assert found == balance

    @invariant()
    def nothing_is_open_beyond_itself(self) -> None:
        for journal in self.ledger.journals.values():
            for line in journal.lines:
                assert abs(line.amount_open) <= abs(line.amount)
                assert line.amount_open * line.amount >= 0


TestBooks = Books.TestCase
