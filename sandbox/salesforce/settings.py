"""What one Salesforce org is set to: credentials, limits, and switches.

There is a switch for each thing that the contract could not verify; its default is what the
contract thinks likelier.
"""

from dataclasses import dataclass

from sandbox.salesforce.schema import DEFAULT_SCHEMA, SObject

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one org. The secrets open nothing but this process on loopback.

    Attributes:
        jwt_public_key: PEM that verifies JWT logins; empty makes a pair on first use.
        session_seconds: how long a session lives.
        api_requests_max: calls in a rolling 24 hours before 403.
        page_rows_max: rows of a query page at most, even when more are asked.
        cursors_max: open query locators; the oldest ends when one more opens.
        url_characters_max: a longer path with its query is answered 414.
        bulk_rows_per_poll: rows that a bulk job processes between two looks at it.
        bulk_polls_min: polls before a job is complete.
        bulk_requests_unpolled: other requests after which an unpolled job goes on by itself.
        numbers_are_scientific: large numbers as ``1.234567890123E10`` (unverified).
        upsert_update_answers_204: older versions' answer to an upsert that updates.
        stamps_whole_seconds: modification times carry no milliseconds (unverified).
        locator_shows_current: later pages show rows as they are by then (unverified).
        shuffles_unordered: a query without ORDER BY comes in any order (nothing is promised).
    """

    client_id: str = "sandbox-consumer-key"
    client_secret: str = "sandbox-consumer-secret"  # noqa: S105 - opens a loopback process only
    username: str = "integration@ledgerloop.test"
    password: str = "sandbox-password"  # noqa: S105
    security_token: str = "sandboxtoken"  # noqa: S105
    jwt_public_key: str = ""
    organization_id: str = "00DLd0000000001MAA"
    user_id: str = "005Ld0000000001IAA"
    schema: tuple[SObject, ...] = DEFAULT_SCHEMA
    seed: int = 0
    session_seconds: int = 7200
    api_requests_max: int = 1_000_000
    page_rows_max: int = 2000
    cursors_max: int = 10
    url_characters_max: int = 16_384
    bulk_rows_per_poll: int = 20_000
    bulk_polls_min: int = 2
    bulk_requests_unpolled: int = 25
    numbers_are_scientific: bool = False
    upsert_update_answers_204: bool = False
    stamps_whole_seconds: bool = False
    locator_shows_current: bool = False
    shuffles_unordered: bool = False
