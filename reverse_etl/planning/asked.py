"""What a person asks for by a command of its own: recorded in that person's name, sent by the loop.

No view wants such a posting, so nothing plans it: it is recorded once, waits for another person
where its rule says so, and is taken back while unsent when the world has moved on. Here stands what
a refund and a debit memo share. It must not send anything: delivery does.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from ingestion.common.errors import InputRefused
from ingestion.common.money import canonical_text
from reverse_etl.ledger.commands import Command, Value, command_id_of, payload_hash_of
from reverse_etl.ledger.exceptions import BUSINESS, NewException
from reverse_etl.ledger.plan import SUPERSEDABLE, Unfinished
from reverse_etl.ledger.store import Store
from reverse_etl.planning.approvals import Verdict, posting_verdict
from reverse_etl.planning.governance import Governance, TargetObject
from reverse_etl.planning.policy import ApprovalBands

__all__ = ["Asked", "asked_command", "asked_object", "is_within", "take_back"]

_NO_RULE = Verdict()


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks for.

    Attributes:
        key: the business key; asking for the same again is the same command.
        values: everything that any ERP may want of it, by the names of governance.yml; the fields
            that the kind governs travel. ``company_code``, ``customer``, ``amount`` and
            ``currency_code`` are among them.
        is_agreed: whether the policy lets it go without another person.
    """

    system_id: str
    kind: str
    key: str
    correlation_id: str
    values: Mapping[str, Value]
    customer_id: str
    customer_name: str
    is_agreed: bool = False


def asked_object(governance: Governance, kind: str, object_name: str) -> TargetObject:
    """The object of a kind. Raises InputRefused for a kind whose ERP the hub does not write it to.

    The kind itself is one of governance.yml: a kind that is not is a ConfigError.
    """
    of_kind = {one.name: one for one in governance.of_kind(kind)}
    if of_kind and object_name not in of_kind:
        words = object_name.replace("_", " ")
        raise InputRefused(
            f"the hub writes no {words} to {kind}: do it in the ERP itself (what each ERP takes is "
            f"in reverse_etl/{kind}/README.md); nothing was recorded",
            code="no_such_effect",
            where=kind,
        )
    return governance.object(kind, object_name)


def asked_command(
    asked: Asked, target: TargetObject, *, revision: int, by: str, now: datetime
) -> Command:
    """The command that a person's wish becomes.

    Args:
        asked: what is wanted.
        target: the object it is written to, from ``asked_object``.
        revision: one more than what was withdrawn or reversed under this key.
        by: who asks, and so cannot approve it.
        now: the instant.

    Raises:
        InputRefused: a value that the target's field cannot hold.
    """
    payload = {name: asked.values[name] for name in target.fields}
    currency_code = str(asked.values["currency_code"])
    for name, value in payload.items():
        problem = target.fields[name].problem_with(value, currency_code=currency_code)
        if problem:
            raise InputRefused(
                f"{name.replace('_', ' ')} {value!r}: {problem}; nothing was recorded",
                code="bad_value",
                where=name,
            )
    verdict = posting_verdict(target, {name: str(value) for name, value in payload.items()})
    verdict = _NO_RULE if asked.is_agreed else verdict
    subject = {
        "customer_id": asked.customer_id,
        "customer_name": asked.customer_name,
        "company_code": asked.values["company_code"],
        "why": verdict.reason,
    }
    place = (asked.system_id, asked.values["company_code"], asked.values["customer"])
    return Command(
        command_id=command_id_of(
            asked.system_id, target.name, asked.key, target.operation, revision
        ),
        correlation_id=asked.correlation_id,
        system_id=asked.system_id,
        kind=asked.kind,
        object_name=target.name,
        business_key=asked.key,
        operation=target.operation,
        revision=revision,
        command_class=target.command_class,
        payload=payload,
        payload_hash=payload_hash_of(payload),
        lane="/".join(str(part) for part in place),
        flow=target.flow,
        planned_at=now,
        priority=target.priority,
        approval_rule=verdict.rule,
        proposed_by=by,
        amount_text=canonical_text(Decimal(str(asked.values["amount"]))),
        currency_code=currency_code,
        subject={name: str(text) for name, text in subject.items() if text},
    )


def is_within(
    bands: ApprovalBands,
    amount: Decimal,
    currency_code: str,
    earlier: Mapping[str, Decimal],
    rates: Mapping[str, Decimal],
) -> bool:
    """Whether the policy lets an amount go without another person.

    Args:
        bands: of the rule; what each holds is in group currency.
        amount: what is asked for.
        currency_code: its currency.
        earlier: what the same customer was asked for within twelve months, by currency, so that
            splitting evades nothing.
        rates: units of group currency per unit of a currency; an amount without one is never small.
    """
    known = {*earlier, currency_code} <= set(rates)
    if bands.always or not known:
        return False
    value = amount * rates[currency_code]
    before = sum((money * rates[code] for code, money in earlier.items()), Decimal(0))
    return value <= bands.change_amount_max and before + value <= bands.cumulative_12_months_max


def take_back(
    store: Store,
    system_ids: Iterable[str],
    object_name: str,
    problem_of: Callable[[str, Unfinished], str],
) -> int:
    """Take back unsent commands of an object that should not go out any more; somebody is told.

    Args:
        store: the operations database.
        system_ids: the ERPs.
        object_name: whose commands.
        problem_of: why a command of a system should not go out; empty when it may.

    Returns:
        How many were taken back.
    """
    found = [
        (system_id, one, problem)
        for system_id in system_ids
        for one in store.unfinished(system_id, object_name)
        if one.state in SUPERSEDABLE and (problem := problem_of(system_id, one))
    ]
    if not found:
        return 0
    singular = object_name.removesuffix("s")
    store.record_plan([], supersede=[(one.command_id, problem) for _, one, problem in found])
    store.open_exceptions(
        NewException(
            BUSINESS,
            f"{singular}_overtaken",
            f"the {singular.replace('_', ' ')} {one.business_key} was taken back: {problem}",
            is_retryable=False,
            system_id=system_id,
            object_name=object_name,
            object_key=one.business_key,
            correlation_id=one.correlation_id,
        )
        for system_id, one, problem in found
    )
    return len(found)
