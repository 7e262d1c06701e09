"""Asynchronous requests and batches: a job, its task, its result; one idempotency key, one job.

A job does its work when it is accepted and says so some polls later, which is what a caller can
tell. The form of a batch's result is this sandbox's own (contract sheet ERP §2.3 shows none).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.netsuite.errors import RequestRefused
from sandbox.netsuite.web import Answer, Call, json_answer

__all__ = ["BATCH_MAX", "Jobs"]

BATCH_MAX = 100


@dataclass(slots=True)
class _Job:
    number: str
    result: list[dict[str, Any]]
    polls_left: int
    body: bytes = field(default=b"", repr=False)


class Jobs:
    """The jobs of one account; they do not outlive the process, as results do not forever."""

    def __init__(self, polls: int) -> None:
        self._polls = polls
        self._jobs: dict[str, _Job] = {}
        self._by_key: dict[str, str] = {}
        self.counts: dict[str, int] = {}

    def accept(self, call: Call, work: Callable[[], list[dict[str, Any]]]) -> Answer:
        """Take a request as a job. Raises RequestRefused: its idempotency key was used before."""
        key = call.headers.get("x-netsuite-idempotency-key", "")
        if key in self._by_key:
            where = f"{call.root}/async/v1/job/{self._by_key[key]}"
            raise RequestRefused(
                400,
                "IDEMPOTENCY_ERROR",
                "A request with this idempotency key was sent before.",
                title="Conflict",
                headers={"Location": where},
            )
        number = str(len(self._jobs) + 1)
        self._jobs[number] = _Job(number, work(), self._polls)
        if key:
            self._by_key[key] = number
            self.counts[key] = self.counts.get(key, 0) + 1
        return Answer(
            202,
            b"",
            {
                "Location": f"{call.root}/async/v1/job/{number}",
                "Preference-Applied": "respond-async",
            },
        )

    def show(self, call: Call, rest: tuple[str, ...]) -> Answer:
        """``/async/v1/job/{id}[/task[/{id}[/result]]]``."""
        job = self._jobs.get(rest[0]) if rest else None
        if job is None:
            raise RequestRefused(404, "NONEXISTENT_ID", "The job does not exist.")
        where = f"{call.root}/async/v1/job/{job.number}"
        link = {"rel": "self", "href": where}
        is_done = job.polls_left <= 0
        match rest[1:]:
            case ():
                job.polls_left -= 1
                return json_answer(
                    {
                        "links": [link],
                        "completed": is_done,
                        "id": job.number,
                        "progress": "succeeded" if is_done else "pending",
                        "task": {"links": [{"rel": "self", "href": f"{where}/task"}]},
                    }
                )
            case ("task",):
                return json_answer(
                    {"links": [link], "count": 1, "items": [{"id": "1"}], "totalResults": 1}
                )
            case ("task", "1"):
                return json_answer(
                    {
                        "links": [{"rel": "related", "href": f"{where}/task/1/result"}],
                        "completed": is_done,
                        "progress": "succeeded" if is_done else "pending",
                    }
                )
            case ("task", "1", "result") if is_done:
                return json_answer({"items": job.result, "totalResults": len(job.result)})
        raise RequestRefused(404, "NONEXISTENT_ID", "There is no such task or result yet.")
