"""A limit on everything the engine does, with its unit in its name."""

from dataclasses import dataclass

__all__ = ["Bounds"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long and how often the engine tries.

    Attributes:
        failures_max: sends of one command that failed with certainly no effect before it dies;
            a throttled or unreachable system does not count.
        backoff_seconds_first, backoff_seconds_max: exponential, with jitter.
        wait_seconds_max: a run does not wait longer than this for anything; it leaves it resumable.
        outage_seconds_max: a system that cannot be reached, or that does nothing but ask for less,
            for this long is left for this run.
        look_up_seconds_max: a look-up that cannot tell is asked again for this long, counted from
            when it could; then a person is told.
        breaker_failures: failures of a system in a row that make the engine stop asking it ...
        breaker_seconds_first, breaker_seconds_max: ... for this long, doubling.
        lease_seconds: how long a sender's lease lasts; it is renewed long before.
        follow_ups_max: commands per system that are held in memory for a look-up or read-back.
        claim_max: commands taken in one transaction.
        gather_seconds: small read-backs wait this long for company while sends are on their way.
        commit_gap_seconds: while calls are on their way, transactions are at least this far apart,
            so that each takes in what several calls learnt.
        poll_seconds: how often work in other hands is looked at.
        stop_seconds: a run that is told to stop waits this long for answers; what is still on its
            way then is looked up by the next run.
    """

    failures_max: int = 6
    backoff_seconds_first: float = 0.5
    backoff_seconds_max: float = 60.0
    wait_seconds_max: float = 300.0
    outage_seconds_max: float = 900.0
    look_up_seconds_max: float = 600.0
    breaker_failures: int = 5
    breaker_seconds_first: float = 5.0
    breaker_seconds_max: float = 60.0
    lease_seconds: float = 120.0
    follow_ups_max: int = 4_000
    claim_max: int = 2_000
    gather_seconds: float = 0.05
    commit_gap_seconds: float = 0.002
    poll_seconds: float = 1.0
    stop_seconds: float = 3.0
