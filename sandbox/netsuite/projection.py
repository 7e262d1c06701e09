"""The account's records as rows of SuiteQL's tables, named and typed as the contract sheet says.

Column names that no source confirmed (``discount`` of a link, ``entityaddress``) are from memory.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from sandbox.core.ledger import Line
from sandbox.netsuite.schema import TRANSACTION_TYPES
from sandbox.netsuite.state import NetSuiteState, Record

__all__ = ["TABLES", "changing_rows", "master_rows"]

Row = tuple[Any, ...]
ZERO = Decimal(0)
_MONEY = "DECIMAL(28,6)"


def _columns(notation: str) -> dict[str, str]:
    """Column types from ``"id:i name trandate:d amount:m at:t"``; without a mark it is text."""
    kinds = {"i": "BIGINT", "d": "DATE", "m": _MONEY, "t": "TIMESTAMP", "": "VARCHAR"}
    found = {}
    for word in notation.split():
        name, _, kind = word.partition(":")
        found[name] = kinds[kind]
    return found


TABLES: dict[str, dict[str, str]] = {
    "transaction": _columns(
        """id:i tranid type recordtype entity:i trandate:d duedate:d shipdate:d currency:i
        exchangerate:m foreigntotal:m foreignamountpaid:m foreignamountunpaid:m status posting
        voided memo otherrefnum externalid createddate:t lastmodifieddate:t"""
    ),
    "transactionline": _columns(
        """transaction:i id:i linesequencenumber:i mainline entity:i subsidiary foreignamount:m
        memo item:i createdfrom:i"""
    ),
    "transactionaccountingline": _columns(
        """transaction:i transactionline:i accountingbook:i account:i amount:m debit:m credit:m
        posting"""
    ),
    "nexttransactionlinelink": _columns(
        """previousdoc:i previousline:i previoustype previousdate:d nextdoc:i nextline:i nexttype
        nextdate:d linktype foreignamount:m discount:m lastmodifieddate:t"""
    ),
    "customer": _columns(
        """id:i entityid altname companyname parent:i isinactive isperson creditlimit:m
        creditholdoverride terms currency:i email phone externalid defaultbillingaddress:i
        vatregnumber datecreated:t lastmodifieddate:t"""
    ),
    "entityaddress": _columns("nkey:i addr1 addr2 city state zip country"),
    "customersubsidiaryrelationship": _columns("id:i entity:i subsidiary isprimarysub"),
    "account": _columns("id:i acctnumber fullname accttype isinactive"),
    "currency": _columns("id:i name symbol"),
    "subsidiary": _columns("id name currency:i"),
    "term": _columns("id name"),
    "item": _columns("id:i itemid"),
    "deletedrecord": _columns("recordid:i type name deleteddate:t"),
    "customrecord_2663_entity_bank_details": _columns(
        """id:i name isinactive custrecord_2663_parent_customer:i custrecord_2663_entity_iban
        custrecord_2663_entity_acct_no"""
    ),
}


def _flag(value: Any) -> str:
    return "T" if value else "F"


def master_rows(state: NetSuiteState) -> dict[str, list[Row]]:
    """All rows of the tables that are no transactions."""
    settings = state.settings
    customers = list(state.of_kind("customer").values())
    terms = {r.values["terms"]: r.values["terms"] for r in customers if r.values.get("terms")}
    return {
        "customer": [_customer(one) for one in customers],
        "entityaddress": [row for one in customers for row in _address(one)],
        "customersubsidiaryrelationship": [
            *((one.id, one.id, one.values["subsidiary"], "T") for one in customers),
            *(
                (one.id, one.values["entity"], one.values["subsidiary"], "F")
                for one in state.of_kind("customerSubsidiaryRelationship").values()
            ),
        ],
        "account": [
            (number, one.number, one.name, one.kind, "F")
            for number, one in settings.accounts.items()
        ],
        "currency": [(number, code, code) for number, code in settings.currencies.items()],
        "subsidiary": [
            (code, one.name, state.currency_ids[one.currency_code])
            for code, one in settings.subsidiaries.items()
        ],
        "term": [(number, f"Net {name}") for number, name in terms.items()],
        "item": [(number, name) for number, (name, _) in settings.items.items()],
        "deletedrecord": [(one.id, one.kind, one.name, one.at) for one in state.deleted],
        "customrecord_2663_entity_bank_details": [
            (
                one.id,
                one.values.get("name"),
                _flag(one.values.get("isInactive")),
                one.values.get("custrecord_2663_parent_customer"),
                one.values.get("custrecord_2663_entity_iban"),
                one.values.get("custrecord_2663_entity_acct_no"),
            )
            for one in state.of_kind("customrecord_2663_entity_bank_details").values()
        ],
    }


def _customer(record: Record) -> Row:
    values = record.values
    return (
        record.id,
        values["entityId"],
        values.get("companyName"),
        values.get("companyName"),
        values.get("parent"),
        _flag(values.get("isInactive")),
        _flag(values.get("isPerson")),
        values.get("creditLimit"),
        values.get("creditHoldOverride", "AUTO"),
        values.get("terms"),
        values["currency"],
        values.get("email"),
        values.get("phone"),
        values.get("externalId"),
        record.id if values.get("addressBook") else None,
        values.get("vatRegNumber"),
        record.created_at,
        record.changed_at,
    )


def _address(record: Record) -> Iterator[Row]:
    for entry in (record.values.get("addressBook") or [])[:1]:
        address = entry.get("addressBookAddress") or {}
        country = address.get("country")
        if isinstance(country, dict):
            country = country.get("id")
        yield (
            record.id, address.get("addr1"), address.get("addr2"), address.get("city"),
            address.get("state"), address.get("zip"), country,
        )  # fmt: skip


def changing_rows(state: NetSuiteState, ids: Iterable[str]) -> dict[str, list[Row]]:
    """Rows of the given transactions; a deleted one has none."""
    found: dict[str, list[Row]] = {
        name: []
        for name in (
            "transaction", "transactionline", "transactionaccountingline",
            "nexttransactionlinelink",
        )
    }  # fmt: skip
    for number in ids:
        kind = state.kind_of.get(number)
        if kind is None:
            continue
        record = state.of_kind(kind)[number]
        found["transaction"].append(_transaction(state, record))
        for place, line in enumerate(_lines(state, record)):
            _add_line(state, record, place, line, found)
    wanted = set(ids)
    for link in state.links.values():
        is_refund = state.kind_of[link.invoice] == "customerRefund"
        if (link.invoice if is_refund else link.credit) in wanted:
            found["nexttransactionlinelink"].append(_link(state, link.credit, link.invoice))
    return found


def _transaction(state: NetSuiteState, record: Record) -> Row:
    values = record.values
    total = values.get("total") or values.get("payment") or ZERO
    unpaid = state.open_amount(record)
    posts = record.kind != "salesOrder"
    return (
        record.id,
        values.get("tranId"),
        TRANSACTION_TYPES[record.kind],
        record.kind.lower(),
        values.get("customer") or values.get("entity"),
        values["tranDate"],
        values.get("dueDate"),
        values.get("shipDate"),
        values["currency"],
        values.get("exchangeRate") or 1,
        total,
        total - unpaid if posts else None,
        unpaid if posts else None,
        values.get("orderStatus") or ("A" if unpaid else "B"),
        _flag(posts),
        "F",
        values.get("memo"),
        values.get("otherRefNum") or values.get("checkNumber"),
        values.get("externalId"),
        record.created_at,
        record.changed_at,
    )


def _lines(state: NetSuiteState, record: Record) -> list[Line]:
    """Every line a transaction posted, a discount's and an exchange difference's included."""
    if record.kind == "salesOrder":
        return [Line("", record.values["total"])]
    return [line for key in record.journals for line in state.ledger.journals[key].lines]


def _add_line(
    state: NetSuiteState, record: Record, place: int, line: Line, found: dict[str, list[Row]]
) -> None:
    values = record.values
    texts = [one.get("memo") for one in values.get("line") or []]
    memo = texts[place] if place < len(texts) else values.get("memo")
    party = line.party or ("" if record.kind == "journalEntry" else values.get("entity"))
    found["transactionline"].append(
        (
            record.id, place, place, _flag(place == 0), party or None, values["subsidiary"],
            line.amount, memo, None, values.get("createdFrom"),
        )
    )  # fmt: skip
    if line.account:
        amount = line.amount_company or ZERO
        found["transactionaccountingline"].append(
            (
                record.id, place, 1, state.account_ids[line.account], amount,
                amount if amount > 0 else None, -amount if amount < 0 else None, "T",
            )
        )  # fmt: skip


def _link(state: NetSuiteState, credit: str, invoice: str) -> Row:
    """A credit comes after the invoice that it pays, and before the refund that gives it back."""
    link = state.links[credit, invoice]
    later = state.of_kind(state.kind_of[credit])[credit]
    earlier = state.of_kind(state.kind_of[invoice])[invoice]
    if earlier.kind == "customerRefund":
        earlier, later = later, earlier
    line = earlier.item[3] - 1 if earlier.item else 0
    return (
        earlier.id, line, TRANSACTION_TYPES[earlier.kind], earlier.values["tranDate"],
        later.id, 0, TRANSACTION_TYPES[later.kind], later.values["tranDate"],
        state.settings.application_link_type, link.amount, link.discount or None, link.made_at,
    )  # fmt: skip
