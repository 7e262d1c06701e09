"""A double-entry ledger with the rules that every ERP of the sandbox shares.

It knows companies, accounts, posting periods, document numbers, journals with signed lines (debit
positive, credit negative) in transaction and company currency, and open items that are cleared
against each other. It holds no vendor's words and speaks no protocol. It refuses what an ERP
refuses: a journal that does not balance, a closed period, an unknown account, an item that is not
open, more applied than is open, a clearing that does not net to zero.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal

from sandbox.core.currencies import minor_digits
from sandbox.core.journals import (
    Account,
    Application,
    Company,
    Header,
    Journal,
    JournalKey,
    Line,
    LineKey,
    PostingRefused,
    Refusal,
)
from sandbox.core.periods import PostingPeriods

__all__ = [
    "Account",
    "Application",
    "Company",
    "Header",
    "Journal",
    "JournalKey",
    "Ledger",
    "Line",
    "LineKey",
    "PostingRefused",
    "Refusal",
]

ZERO = Decimal(0)


@dataclass(slots=True)
class _Totals:
    debit: Decimal = ZERO
    credit: Decimal = ZERO
    journals: int = 0


class Ledger:
    """The books of all companies of one system.

    Args:
        companies: the legal entities.
        accounts: the chart of accounts, one for all companies.
        periods: which months are open.
        rates: units of another currency per unit, by (from, to); a missing pair counts as 1.
        difference_account: takes realised exchange differences of a clearing.
    """

    def __init__(
        self,
        companies: Iterable[Company],
        accounts: Iterable[Account],
        *,
        periods: PostingPeriods,
        rates: dict[tuple[str, str], Decimal] | None = None,
        difference_account: str = "",
    ) -> None:
        self.companies = {company.code: company for company in companies}
        self.accounts = {account.number: account for account in accounts}
        self.periods = periods
        self.rates = dict(rates or {})
        self.difference_account = difference_account
        self.journals: dict[JournalKey, Journal] = {}
        self.balances: dict[tuple[str, str], Decimal] = {}
        """Company-currency balance by (company, account)."""
        self.party_balances: dict[tuple[str, str, str], Decimal] = {}
        """Sub-ledger balance in transaction currency by (company, party, currency)."""
        self._totals: dict[tuple[str, str], _Totals] = {}
        self._next_numbers: dict[tuple[str, int, str], int] = {}

    # -- posting ----------------------------------------------------------------------------

    def post(self, header: Header, lines: Sequence[Line], *, today: date) -> Journal:
        """Post a journal and return it with its number.

        Raises:
            PostingRefused: unknown company, account or currency, closed period, no lines, a party
                missing on a reconciliation account, too many decimals, debits unequal to credits.
        """
        if not lines:
            raise PostingRefused(Refusal.NO_LINES, "a journal needs lines")
        self._check_header(header, today)
        self._check_lines(header, lines)
        return self._book(header, list(lines))

    def _check_header(self, header: Header, today: date) -> None:
        if header.company_code not in self.companies:
            raise PostingRefused(
                Refusal.UNKNOWN_COMPANY,
                f"company {header.company_code} does not exist",
                subject=header.company_code,
            )
        if minor_digits(header.currency_code) is None:
            raise PostingRefused(
                Refusal.UNKNOWN_CURRENCY,
                f"currency {header.currency_code} does not exist",
                subject=header.currency_code,
            )
        if not self.periods.is_open(header.company_code, header.posting_date, today):
            raise PostingRefused(
                Refusal.PERIOD_CLOSED,
                f"period {header.posting_date:%m/%Y} of {header.company_code} is not open",
                subject=f"{header.posting_date:%m/%Y}",
            )

    def _check_lines(self, header: Header, lines: Sequence[Line]) -> None:
        company_currency = self.companies[header.company_code].currency_code
        digits = minor_digits(header.currency_code) or 0
        total = total_company = ZERO
        for line in lines:
            account = self.accounts.get(line.account)
            if account is None:
                raise PostingRefused(
                    Refusal.UNKNOWN_ACCOUNT,
                    f"account {line.account} is not in the chart of accounts",
                    subject=line.account,
                )
            if account.is_reconciliation and not line.party:
                raise PostingRefused(
                    Refusal.PARTY_MISSING,
                    f"account {line.account} is posted to through customers only",
                    subject=line.account,
                )
            _check_decimals(line.amount, digits, header.currency_code)
            total += line.amount
        if total:
            raise PostingRefused(
                Refusal.UNBALANCED,
                f"debits and credits differ by {total} {header.currency_code}",
                subject=str(total),
            )
        self._value_in_company_currency(header.currency_code, company_currency, lines)
        for line in lines:
            assert line.amount_company is not None
            _check_decimals(line.amount_company, minor_digits(company_currency) or 0, "")
            total_company += line.amount_company
        if total_company:
            raise PostingRefused(
                Refusal.UNBALANCED,
                f"debits and credits differ by {total_company} {company_currency}",
                subject=str(total_company),
            )

    def _value_in_company_currency(
        self, currency: str, company_currency: str, lines: Sequence[Line]
    ) -> None:
        """Fill missing company amounts; the rounding rest goes to the largest filled line."""
        filled = []
        for line in lines:
            if line.amount_company is None:
                line.amount_company = self.convert(line.amount, currency, company_currency)
                filled.append(line)
        if filled and currency != company_currency:
            rest = sum((line.amount_company or ZERO for line in lines), ZERO)
            largest = max(filled, key=lambda line: abs(line.amount))
            assert largest.amount_company is not None
            largest.amount_company -= rest

    def convert(self, amount: Decimal, source: str, target: str) -> Decimal:
        """An amount in another currency at the stored rate, rounded to its minor unit."""
        if source == target:
            return amount
        rate = self.rates.get((source, target))
        if rate is None:
            inverse = self.rates.get((target, source))
            rate = Decimal(1) / inverse if inverse else Decimal(1)
        digits = minor_digits(target) or 0
        return (amount * rate).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)

    def _book(
        self,
        header: Header,
        lines: list[Line],
        applications: tuple[tuple[LineKey, Decimal, Decimal], ...] = (),
    ) -> Journal:
        """Give the number, open the items, add to the balances. Everything is checked before."""
        journal = Journal(self._next_key(header), header, lines, applications)
        for line in lines:
            assert line.amount_company is not None
            if line.clearing is None and self.accounts[line.account].is_open_item_managed:
                line.amount_open = line.amount
                line.amount_company_open = line.amount_company
        self._enter(journal)
        return journal

    def _enter(self, journal: Journal) -> None:
        """Add a numbered journal to the books' sums."""
        header = journal.header
        company = header.company_code
        totals = self._totals.setdefault((company, header.currency_code), _Totals())
        totals.journals += 1
        for line in journal.lines:
            account = self.accounts[line.account]
            assert line.amount_company is not None
            if line.amount > 0:
                totals.debit += line.amount
            else:
                totals.credit -= line.amount
            place = (company, line.account)
            self.balances[place] = self.balances.get(place, ZERO) + line.amount_company
            if account.is_reconciliation:
                owner = (company, line.party, header.currency_code)
                self.party_balances[owner] = self.party_balances.get(owner, ZERO) + line.amount
        self.journals[journal.key] = journal

    def restore(self, journals: Iterable[Journal]) -> None:
        """Fill empty books with saved journals; sums and numbers follow from them."""
        assert not self.journals, "only empty books are restored"
        for journal in journals:
            self._enter(journal)
            header = journal.header
            place = (header.company_code, journal.key[1], header.number_range)
            following = int(journal.key[2]) + 1
            self._next_numbers[place] = max(self._next_numbers.get(place, 0), following)

    def _next_key(self, header: Header) -> JournalKey:
        year = header.posting_date.year
        place = (header.company_code, year, header.number_range)
        number = self._next_numbers.get(place, int(header.number_range))
        self._next_numbers[place] = number + 1
        return (header.company_code, year, str(number).zfill(len(header.number_range)))

    # -- open items -------------------------------------------------------------------------

    def line(self, key: LineKey) -> Line:
        """One line of a journal. Raises PostingRefused (``unknown_item``)."""
        journal = self.journals.get(key[:3])
        if journal is None or not 1 <= key[3] <= len(journal.lines):
            raise PostingRefused(
                Refusal.UNKNOWN_ITEM, f"item {_text(key)} does not exist", subject=_text(key)
            )
        return journal.lines[key[3] - 1]

    def clear(
        self,
        header: Header,
        applications: Sequence[Application],
        *,
        today: date,
        residuals: Sequence[Line] = (),
    ) -> Journal:
        """Apply open items against each other, leaving ``residuals`` as new open items.

        The clearing journal carries lines only where they are needed: what an account (or a
        party on it) gives to another one, the residuals, and a realised exchange difference. It
        balances like every journal. An item whose open amount reaches zero is closed by it.

        Raises:
            PostingRefused: an item that does not exist, is not open, stands in another company or
                currency, is named twice or is over-applied; a sum that is not zero.
        """
        self._check_header(header, today)
        taken = [(a.item, *self._take(header, a)) for a in applications]
        if len({item for item, _, _ in taken}) != len(taken):
            raise PostingRefused(Refusal.TWICE, "an item is named twice in one clearing")
        lines = self._settling_lines(header, taken, residuals)
        journal = self._book(header, lines, tuple(taken))
        for line in lines:
            if line.clearing is not None:
                line.clearing = journal.key
        for item, amount, amount_company in taken:
            line = self.line(item)
            line.amount_open -= amount
            line.amount_company_open -= amount_company
            if not line.amount_open:
                line.clearing, line.clearing_date = journal.key, header.posting_date
        return journal

    def _take(self, header: Header, application: Application) -> tuple[Decimal, Decimal]:
        """Check one application; its amount in transaction and company currency."""
        key = application.item
        line = self.line(key)
        owner = self.journals[key[:3]].header
        if key[0] != header.company_code:
            raise PostingRefused(
                Refusal.OTHER_COMPANY, f"item {_text(key)} is in another company", subject=key[0]
            )
        if owner.currency_code != header.currency_code:
            raise PostingRefused(
                Refusal.OTHER_CURRENCY,
                f"item {_text(key)} is in {owner.currency_code}, not {header.currency_code}",
                subject=owner.currency_code,
            )
        if not self.accounts[line.account].is_open_item_managed:
            raise PostingRefused(
                Refusal.NOT_OPEN_ITEM_MANAGED,
                f"account {line.account} has no open items",
                subject=line.account,
            )
        if not line.amount_open:
            raise PostingRefused(
                Refusal.NOT_OPEN, f"item {_text(key)} is not open", subject=_text(key)
            )
        amount = line.amount_open if application.amount is None else application.amount
        if not amount or (amount > 0) != (line.amount_open > 0):
            raise PostingRefused(
                Refusal.OVER_APPLIED,
                f"{amount} does not reduce item {_text(key)} with {line.amount_open} open",
                subject=_text(key),
            )
        if abs(amount) > abs(line.amount_open):
            raise PostingRefused(
                Refusal.OVER_APPLIED,
                f"{amount} is more than the {line.amount_open} open of item {_text(key)}",
                subject=_text(key),
            )
        _check_decimals(amount, minor_digits(header.currency_code) or 0, header.currency_code)
        if amount == line.amount_open:
            return amount, line.amount_company_open
        # An amount may come without its zeros ("9844.3"): the currency says how far it is rounded.
        digits = minor_digits(self.companies[header.company_code].currency_code) or 0
        share = (line.amount_company_open * amount / line.amount_open).quantize(
            Decimal(1).scaleb(-digits), ROUND_HALF_EVEN
        )
        return amount, share

    def _settling_lines(
        self,
        header: Header,
        taken: Sequence[tuple[LineKey, Decimal, Decimal]],
        residuals: Sequence[Line],
    ) -> list[Line]:
        """The clearing journal's own lines, balanced in both currencies.

        Raises:
            PostingRefused: ``not_net_zero``, or what posting the residuals would be refused for.
        """
        nets: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
        for item, amount, amount_company in taken:
            line = self.line(item)
            net, net_company = nets.get((line.account, line.party), (ZERO, ZERO))
            nets[line.account, line.party] = (net + amount, net_company + amount_company)
        total = sum((net for net, _ in nets.values()), ZERO)
        left = sum((line.amount for line in residuals), ZERO)
        if total != left:
            raise PostingRefused(
                Refusal.NOT_NET_ZERO,
                f"the items do not net to zero: {total - left} {header.currency_code} remain",
                subject=str(total - left),
            )
        here = (header.company_code, header.posting_date.year, "")
        lines = [
            Line(account, -net, party, -net_company, clearing=here)
            for (account, party), (net, net_company) in nets.items()
            if net or net_company
        ]
        for line in lines:
            line.clearing_date = header.posting_date
        currency = self.companies[header.company_code].currency_code
        for line in residuals:
            if line.amount_company is None:
                line.amount_company = self.convert(line.amount, header.currency_code, currency)
        lines += residuals
        difference = sum((line.amount_company or ZERO for line in lines), ZERO)
        if difference:
            lines.append(Line(self.difference_account, ZERO, "", -difference))
        if lines:
            self._check_lines(header, lines)
        return lines

    # -- undoing ----------------------------------------------------------------------------

    def reverse(self, key: JournalKey, header: Header, *, today: date) -> Journal:
        """Post the mirror image of a journal and clear both against each other.

        Raises:
            PostingRefused: no such journal, reversed before, or one of its items is applied.
        """
        original = self.journals.get(key)
        if original is None:
            raise PostingRefused(
                Refusal.UNKNOWN_ITEM, f"journal {_text(key)} does not exist", subject=_text(key)
            )
        if original.reversed_by is not None or original.reverses is not None:
            raise PostingRefused(
                Refusal.ALREADY_REVERSED, f"journal {_text(key)} is reversed", subject=_text(key)
            )
        for line in original.lines:
            managed = self.accounts[line.account].is_open_item_managed
            if managed and line.amount_open != line.amount:
                raise PostingRefused(
                    Refusal.HAS_CLEARED_ITEMS,
                    f"journal {_text(key)} has cleared items: reset the clearing first",
                    subject=_text(key),
                )
        self._check_header(header, today)
        mirror = [
            Line(line.account, -line.amount, line.party, -(line.amount_company or ZERO))
            for line in original.lines
        ]
        journal = self._book(header, mirror)
        journal.reverses, original.reversed_by = key, journal.key
        for line in [*original.lines, *mirror]:
            if self.accounts[line.account].is_open_item_managed:
                line.amount_open = line.amount_company_open = ZERO
                line.clearing, line.clearing_date = journal.key, header.posting_date
        return journal

    # -- figures ----------------------------------------------------------------------------

    def totals(self) -> dict[str, dict[str, dict[str, str | int]]]:
        """Debit and credit sums and number of journals, by company and currency, as text."""
        found: dict[str, dict[str, dict[str, str | int]]] = {}
        for (company, currency), totals in sorted(self._totals.items()):
            found.setdefault(company, {})[currency] = {
                "debit": format(totals.debit, "f"),
                "credit": format(totals.credit, "f"),
                "documents": totals.journals,
            }
        return found


def _check_decimals(amount: Decimal, digits: int, currency_code: str) -> None:
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or (
        -exponent > digits and amount != amount.quantize(Decimal(1).scaleb(-digits))
    ):
        raise PostingRefused(
            Refusal.TOO_MANY_DECIMALS,
            f"{amount} {currency_code} has more than {digits} decimals",
            subject=str(amount),
        )


def _text(key: tuple[str | int, ...]) -> str:
    return "/".join(str(part) for part in key)
