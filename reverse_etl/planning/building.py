"""From one key's differences to its command: changed fields, what rides along, what it waits for.

Pure: a row of the diff in, a ``KeyPlan`` out. Whether an unfinished command stands in the way is
decided here too: the same payload again is nothing, another one supersedes what is unsent, and what
is on its way is waited for.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from ingestion.common.money import canonical_text
from reverse_etl.ledger.commands import (
    FINAL_STATES,
    Command,
    CommandClass,
    State,
    Value,
    command_id_of,
    payload_hash_of,
)
from reverse_etl.planning.approvals import Approver, FieldChange, Verdict, posting_verdict
from reverse_etl.planning.governance import FilledFrom, GovernedField, TargetObject
from reverse_etl.planning.values import payload_value

__all__ = ["Builder", "DiffRow", "KeyPlan", "Prior"]

#: Nothing has left yet: a newer plan may take these back.
_UNSENT = frozenset({State.PLANNED, State.AWAITING_APPROVAL, State.READY, State.WAITING})

#: The same again would meet the same answer: a correction, a retry or a person comes first.
_REFUSED = {
    State.REJECTED: "the target rejected just this: a person or a correction is needed",
    State.DEAD: "sending just this failed for good: see its exception",
    State.VOID: "a person said no to just this",
}


@dataclass(frozen=True, slots=True)
class Prior:
    """What the ledger knows of commands on one key: how many ended, and the newest."""

    finals: int = 0
    command_id: str = ""
    state: str = ""
    payload: str = ""

    @property
    def is_unfinished(self) -> bool:
        return bool(self.command_id) and self.state not in FINAL_STATES

    @property
    def is_unsent(self) -> bool:
        return self.state in _UNSENT


@dataclass(frozen=True, slots=True)
class DiffRow:
    """One key of one object that differs. Texts are canonical."""

    system_id: str
    key: str
    desired: Mapping[str, str | None]
    observed: Mapping[str, str | None]
    changes: Sequence[FieldChange]
    context: Mapping[str, object]
    prior: Prior
    #: For a posting: the next revision, from the store.
    posting_revision: int = 1
    #: Commands this one waits for; whether the awaited one can still happen.
    after: tuple[str, ...] = ()
    is_after_lost: bool = False
    #: Why this key must wait whatever it says (a guard of its company, a missing predecessor).
    hold: str = ""

    def text(self, name: str) -> str:
        """A context column as text, empty when null."""
        value = self.context.get(f"ctx_{name}")
        return "" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """What is to be done about one key."""

    system_id: str
    key: str
    action: str
    rule: str = ""
    command: Command | None = None
    supersede: tuple[str, str] | None = None
    corrected: tuple[str, str] | None = None
    problem_field: str = ""
    fields: tuple[str, ...] = ()
    """The fields this action speaks of; empty means all of the key."""
    is_explained: bool = True
    """False where the target differs and no command, approval or exception says why."""
    touches_prior: bool = False
    """True where an earlier command on the key had to be looked at."""
    about: Mapping[str, str] | None = None
    """Where there is a problem: by what people know the key (customer, invoice, money, region)."""


class Builder:
    """Builds the plans of one object's keys."""

    def __init__(
        self,
        target: TargetObject,
        approver: Approver,
        *,
        planned_at: datetime,
        group_currency: str,
        proposed_by: str = "ledgerloop",
    ) -> None:
        self._target = target
        self._proposed_by = proposed_by
        self._approver = approver
        self._planned_at = planned_at
        self._group_currency = group_currency
        # Asked for every field of every key: looked up once.
        self._fields = dict(target.fields)
        self._group_of = {name: target.group_of(name) for name in target.fields}
        self._riding = [f for f in target.written if f.rides_along]
        self._ignored = {
            f.name for f in target.fields.values() if f.rides_along or f.fixed_when_planned
        }
        self._is_free = {f.name: not f.approval for f in target.fields.values()}

    def plan(self, row: DiffRow) -> KeyPlan:
        """The plan of one key."""
        if row.hold:
            return KeyPlan(row.system_id, row.key, "wait", row.hold)
        if self._target.command_class is CommandClass.POSTING:
            one, is_touched = self._posting(row), bool(row.prior.command_id)
        else:
            one, is_touched = self._state(row), row.prior.is_unfinished
        if one.problem_field:
            about = {
                **_subject(row),
                "correlation_id": self._correlation_id(row),
                "amount": self._amount_text(row),
                "currency_code": row.text("currency_code"),
            }
            one = replace(one, about=about)
        return replace(one, touches_prior=True) if is_touched else one

    # -- state -----------------------------------------------------------------------------------

    def _state(self, row: DiffRow) -> KeyPlan:
        """Fields that need nobody go first; those that need a person when nothing else is left."""
        active = [c for c in row.changes if c.action in {"send", "review"}]
        if not active:
            return KeyPlan(row.system_id, row.key, "none", "the target's value is left as it is")
        chosen, verdict = self._chosen(row, active)
        payload = self._payload(row, chosen)
        names = tuple(change.name for change in chosen) if len(chosen) < len(active) else ()
        problem, where = self._problem(row, payload)
        if problem:
            return KeyPlan(
                row.system_id, row.key, "none", f"invalid: {problem}", problem_field=where
            )
        revision = row.prior.finals + 1
        supersede = None
        if row.prior.state in _REFUSED and self._is_same(payload, row.prior.payload):
            return KeyPlan(row.system_id, row.key, "none", _REFUSED[State(row.prior.state)])
        if row.prior.is_unfinished:
            waiting = self._standing(row, payload)
            if waiting is not None:
                return waiting
            supersede = (row.prior.command_id, "the wanted values changed before it was sent")
            revision += 1
        command = self._command(row, payload, revision, verdict)
        return self._planned(row, command, verdict, supersede=supersede, fields=names)

    def _chosen(self, row: DiffRow, active: list[FieldChange]) -> tuple[list[FieldChange], Verdict]:
        """The fields that go now: those that need nobody, else all with what they need."""
        if all(one.action == "send" and self._is_free[one.name] for one in active):
            return active, Verdict()
        groups: dict[tuple[str, ...], list[FieldChange]] = {}
        for change in active:
            groups.setdefault(self._group_of[change.name], []).append(change)
        judged = [(changes, self._judge(row, changes)) for changes in groups.values()]
        free = [change for changes, verdict in judged if not verdict.rule for change in changes]
        if free:
            return free, Verdict()
        return active, next(verdict for _, verdict in judged if verdict.rule)

    def _judge(self, row: DiffRow, changes: Sequence[FieldChange]) -> Verdict:
        return self._approver.judge(
            self._target,
            row.system_id,
            row.key,
            changes,
            row.desired,
            row.observed,
            customer_id=row.text("customer_id"),
            currency_code=row.text("currency_code"),
        )

    def _payload(self, row: DiffRow, changes: Sequence[FieldChange]) -> dict[str, Value]:
        """Changed fields with the rest of their groups; an empty field of a new row is left out."""
        is_new = all(change.klass in {"create", "vanished"} for change in changes)
        chosen = self._target.compared if self._target.is_whole_row else changes
        names = dict.fromkeys(member for one in chosen for member in self._group_of[one.name])
        payload = {name: self._value(row, self._fields[name]) for name in names}
        if is_new:
            payload = {name: value for name, value in payload.items() if value is not None}
        return payload

    def _value(self, row: DiffRow, governed: GovernedField) -> Value:
        return payload_value(row.desired.get(governed.name), governed.format)

    # -- posting ---------------------------------------------------------------------------------

    def _posting(self, row: DiffRow) -> KeyPlan:
        payload = {f.name: self._value(row, f) for f in self._target.compared}
        problem, where = self._problem(row, payload)
        if problem:
            return KeyPlan(
                row.system_id, row.key, "none", f"invalid: {problem}", problem_field=where
            )
        prior, supersede, corrected = row.prior, None, None
        revision = row.posting_revision
        if prior.is_unfinished:
            waiting = (
                None if row.is_after_lost and prior.is_unsent else self._standing(row, payload)
            )
            if waiting is not None:
                return waiting
            supersede = (prior.command_id, "what is to be posted changed before it was sent")
            revision += 1
        elif prior.state == State.REJECTED:
            if self._is_same(payload, prior.payload):
                return KeyPlan(row.system_id, row.key, "none", _REFUSED[State.REJECTED])
            corrected = (prior.command_id, "the source was corrected after the target rejected it")
            revision += 1
        elif prior.state not in {"", State.SUPERSEDED}:
            return KeyPlan(
                row.system_id,
                row.key,
                "none",
                f"its command is {prior.state}: only a reversal or a person raises the revision",
                is_explained=prior.state != State.VERIFIED,
            )
        verdict = posting_verdict(self._target, row.desired)
        command = self._command(row, payload, revision, verdict)
        return self._planned(row, command, verdict, supersede=supersede, corrected=corrected)

    # -- both ------------------------------------------------------------------------------------

    def _standing(self, row: DiffRow, payload: Mapping[str, Value]) -> KeyPlan | None:
        """What an unfinished command says: the same is waited for, another unsent one gives way."""
        prior = row.prior
        if self._is_same(payload, prior.payload):
            action = "review" if prior.state == State.AWAITING_APPROVAL else "wait"
            return KeyPlan(row.system_id, row.key, action, f"its command is {prior.state}")
        if prior.is_unsent:
            return None
        return KeyPlan(
            row.system_id, row.key, "wait", f"another command on this key is {prior.state}"
        )

    def _is_same(self, payload: Mapping[str, Value], recorded: str) -> bool:
        """Equal but for what rides along and what stays as first planned."""
        before: dict[str, Value] = json.loads(recorded)
        names = (set(payload) | set(before)) - self._ignored
        return all(payload.get(name) == before.get(name) for name in names)

    def _problem(self, row: DiffRow, payload: Mapping[str, Value]) -> tuple[str, str]:
        """The first value that may not be sent: why, and in which field."""
        for name, value in payload.items():
            governed = self._fields[name]
            currency = governed.currency
            if currency == "group":
                currency_code = self._group_currency
            else:
                currency_code = row.desired.get(currency) or "" if currency else ""
            problem = governed.problem_with(value, currency_code=currency_code)
            if problem:
                return f"{name}: {problem}", name
        return "", ""

    def _command(
        self, row: DiffRow, payload: dict[str, Value], revision: int, verdict: Verdict
    ) -> Command:
        target = self._target
        correlation_id = self._correlation_id(row)
        for governed in self._riding:
            if not governed.goes_to(row.system_id):
                continue
            match governed.filled_from:
                case FilledFrom.REVISION:
                    payload[governed.name] = revision
                case FilledFrom.CORRELATION_ID:
                    payload[governed.name] = correlation_id
                case FilledFrom.VIEW:
                    payload[governed.name] = self._value(row, governed)
        subject = {**_subject(row), "company_code": row.text("company_code"), "why": verdict.reason}
        operation = self._operation(row)
        return Command(
            command_id=command_id_of(row.system_id, target.name, row.key, operation, revision),
            correlation_id=correlation_id,
            system_id=row.system_id,
            kind=target.kind,
            object_name=target.name,
            business_key=row.key,
            operation=operation,
            revision=revision,
            command_class=target.command_class,
            payload=payload,
            payload_hash=payload_hash_of(payload),
            lane=row.text("lane") or f"{row.system_id}/{row.key}",
            flow=target.flow,
            planned_at=self._planned_at,
            after=row.after,
            priority=target.priority,
            approval_rule=verdict.rule,
            proposed_by=self._proposed_by,
            amount_text=self._amount_text(row),
            currency_code=row.text("currency_code"),
            subject={name: text for name, text in subject.items() if text},
        )

    def _correlation_id(self, row: DiffRow) -> str:
        return row.text("correlation_id") or f"{self._target.name}-{row.key}"

    def _operation(self, row: DiffRow) -> str:
        """The verb: another one for a new key, unless an earlier command may have made it."""
        is_new = bool(row.changes) and all(change.klass == "create" for change in row.changes)
        may_be_there = row.prior.state in {State.VERIFIED, State.DEAD}
        if self._target.operation_new and is_new and not may_be_there:
            return self._target.operation_new
        return self._target.operation

    def _amount_text(self, row: DiffRow) -> str:
        """Money at stake. Of a limit it is how far it moves, not how high it is."""
        before, after = row.observed.get("limit_amount"), row.desired.get("limit_amount")
        if before is not None and after is not None:
            return canonical_text(abs(Decimal(after) - Decimal(before)))
        amount = row.context.get("ctx_amount")
        return canonical_text(Decimal(str(amount))) if amount is not None else ""

    def _planned(
        self,
        row: DiffRow,
        command: Command,
        verdict: Verdict,
        *,
        supersede: tuple[str, str] | None = None,
        corrected: tuple[str, str] | None = None,
        fields: tuple[str, ...] = (),
    ) -> KeyPlan:
        action = "review" if verdict.rule else "send"
        rule = f"{verdict.rule}: {verdict.reason}" if verdict.rule else ""
        return KeyPlan(
            row.system_id, row.key, action, rule, command, supersede, corrected, fields=fields
        )


def _subject(row: DiffRow) -> dict[str, str]:
    """By what people know a key, as exceptions name it."""
    return {
        "customer_id": row.text("customer_id"),
        "customer_name": row.text("customer_name"),
        "region": row.text("region"),
        "invoice": row.text("document"),
    }
