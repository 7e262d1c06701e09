"""What a REST target's answer means: status and code to outcome, results of a batch by key.

Policy is data: the defaults here, overridden per object in ledgerloop.toml. After a write only a
status that says so counts as no effect; everything else is unknown and must be looked up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ingestion.common.errors import LedgerloopError
from ingestion.rest.client import Answer, found_at
from ingestion.rest.settings import Batch, Errors, RestObject
from reverse_etl.delivery.writer import Accepted, Outcome, Rejected, Retry, Sending, Unknown
from reverse_etl.outcomes import Action, OutcomeTable
from reverse_etl.rest.rows import RowForm

__all__ = ["DEFAULT_STATUSES", "AnswerReader"]

#: A refusal is a business matter unless the request itself is wrong; a 5xx proves nothing.
DEFAULT_STATUSES: Mapping[int, Action] = {
    400: Action.REJECT,
    401: Action.REJECT_TECHNICAL,
    403: Action.REJECT_TECHNICAL,
    404: Action.REJECT,
    405: Action.REJECT_TECHNICAL,
    406: Action.REJECT_TECHNICAL,
    408: Action.UNKNOWN,
    409: Action.REJECT,
    411: Action.REJECT_TECHNICAL,
    412: Action.RETRY,
    413: Action.REJECT,
    414: Action.REJECT_TECHNICAL,
    415: Action.REJECT_TECHNICAL,
    422: Action.REJECT,
    423: Action.RETRY,
    425: Action.RETRY,
    429: Action.RETRY_SYSTEM,
}
_ACTIONS = {"accept": Action.FOUND, **{one.value: one for one in Action}}
_WRONG_ADDRESS = frozenset({404, 405})
#: Nothing in the body of such an answer is asked for: it is not even read.
_ACCEPTED = Accepted()


class AnswerReader:
    """Reads the answers of one object."""

    def __init__(self, settings: RestObject, form: RowForm) -> None:
        self._settings = settings
        self._form = form
        self._table = OutcomeTable(
            codes={code: _ACTIONS[name] for code, name in settings.codes.items()},
            statuses={
                **DEFAULT_STATUSES,
                **{status: _ACTIONS[name] for status, name in settings.statuses.items()},
            },
        )

    def of_error(self, error: LedgerloopError) -> Outcome:
        """What it means that no answer came."""
        return self._table.of_error(error)

    # -- one row ---------------------------------------------------------------------------------

    def of_one(self, answer: Answer, native_id_at: Sequence[str] | None) -> Outcome:
        """The outcome of a request that carried one row."""
        return self._whole(answer, self._settings.errors, native_id_at)

    def _whole(
        self, answer: Answer, errors: Errors, native_id_at: Sequence[str] | None = None
    ) -> Outcome:
        is_listed = answer.status in self._settings.statuses
        if answer.is_ok and not (is_listed or errors.is_checked_when_ok or native_id_at):
            return _ACCEPTED
        tree = _tree(answer)
        code = _text(found_at(tree, errors.code)) if errors.code else ""
        if answer.is_ok and not is_listed and not (errors.is_checked_when_ok and code):
            native_id = _text(found_at(tree, native_id_at)) if native_id_at else ""
            return Accepted(native_id)
        if 300 <= answer.status < 400 and not is_listed:
            return Rejected(
                f"http_{answer.status}",
                f"{answer.where} leads elsewhere: correct the path",
                is_business=False,
            )
        # A success whose body holds an error is judged by its code; without one it is a refusal.
        status = 0 if answer.is_ok and not is_listed else answer.status
        return self._refusal(tree, errors, status, answer)

    def _refusal(self, tree: Any, errors: Errors, status: int, answer: Answer) -> Outcome:
        code = _text(found_at(tree, errors.code)) if errors.code else ""
        message = _text(found_at(tree, errors.message)) if errors.message else ""
        named = _text(found_at(tree, errors.field)) if errors.field else ""
        outcome = self._table.of_refusal(
            code or f"http_{status}",
            message or answer.text or f"{answer.where} answers {answer.status}",
            status=status,
            field_name=self._form.column_of(named) if named else "",
        )
        if isinstance(outcome, Retry):
            return replace(outcome, after_seconds=answer.retry_after_seconds)
        return outcome

    # -- several rows ----------------------------------------------------------------------------

    def of_batch(
        self, answer: Answer, batch: Batch, sendings: Sequence[Sending]
    ) -> dict[str, Outcome]:
        """The outcomes of a request that carried several rows, by command id."""
        whole = self._whole(answer, self._settings.errors)
        if not isinstance(whole, Accepted):
            if answer.status in _WRONG_ADDRESS and isinstance(whole, Rejected):
                whole = replace(whole, is_business=False)
            elif isinstance(whole, Rejected) and whole.is_business:
                whole = replace(whole, is_whole_batch=True)
            return {one.command.command_id: whole for one in sendings}
        if batch.results_at is None:
            return {one.command.command_id: whole for one in sendings}
        results = found_at(_tree(answer), batch.results_at)
        if not isinstance(results, list):
            lost = Unknown("no_results", f"{answer.where}: the answer has no list of results")
            return {one.command.command_id: lost for one in sendings}
        return self._joined(answer, batch, results, sendings)

    def _joined(
        self, answer: Answer, batch: Batch, results: Sequence[Any], sendings: Sequence[Sending]
    ) -> dict[str, Outcome]:
        """Row results by key. A row that is not mentioned stays without an outcome: unknown."""
        by_key: dict[str, list[Any]] = {}
        for result in results:
            by_key.setdefault(self._form.key_of(result, batch.result_key), []).append(result)
        outcomes: dict[str, Outcome] = {}
        for one in sendings:
            command = one.command
            found = by_key.get(command.business_key, [])
            if len(found) == 1:
                outcomes[command.command_id] = self._of_result(answer, batch, found[0])
            elif found:
                outcomes[command.command_id] = Unknown(
                    "result_twice", f"{answer.where}: the answer mentions this row twice"
                )
        return outcomes

    def _of_result(self, answer: Answer, batch: Batch, result: Any) -> Outcome:
        status = 0
        code = _text(found_at(result, batch.errors.code)) if batch.errors.code else ""
        if batch.result_status:
            said = _text(found_at(result, batch.result_status))
            if not said.isdecimal():
                return Unknown("no_status", f"{answer.where}: a row's result has no status")
            status = int(said)
            action = self._table.statuses.get(status)
            is_good = status < 400 if action is None else action is Action.FOUND
        elif batch.result_ok:
            is_good = found_at(result, batch.result_ok) in batch.ok_values
        else:
            is_good = not code
        if is_good:
            place = batch.result_native_id
            return Accepted(_text(found_at(result, place)) if place else "")
        return self._refusal(result, batch.errors, status, answer)


def _tree(answer: Answer) -> Any:
    """The body where it is JSON; an error page is none."""
    try:
        return answer.tree()
    except LedgerloopError:
        return None


def _text(value: Any) -> str:
    return "" if value is None else str(value)
