"""Proof that nothing in the log was changed, removed or put in another order.

``verify`` reads the whole log once, in order, with flat memory. A signed head that was exported
earlier also shows that the end of the log was not cut off: a forger who rewrites everything after
some point cannot make the old head's hash again.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from ingestion.common.errors import ConfigError
from reverse_etl.ledger.database import Database
from reverse_etl.ledger.events import GENESIS_HASH, EventName, canonical_row, seal_hash
from reverse_etl.ledger.rows import COMMAND_COLUMNS, row_hash
from reverse_etl.ledger.values import canonical_json, sha256_hex

__all__ = ["Audit", "AuditReport"]

#: A broken log could have one problem per row; a person needs the first few and the count.
_PROBLEMS_SHOWN_MAX = 50


@dataclass(slots=True)
class AuditReport:
    """What a check of the whole log found. ``problems`` says what and where, in order."""

    events: int = 0
    seals: int = 0
    commands: int = 0
    head_hash: str = GENESIS_HASH
    problems: list[str] = field(default_factory=list)
    problems_total: int = 0

    @property
    def is_intact(self) -> bool:
        return self.problems_total == 0

    def found(self, problem: str) -> None:
        self.problems_total += 1
        if len(self.problems) < _PROBLEMS_SHOWN_MAX:
            self.problems.append(problem)


class Audit:
    """Checks the chain and exports its head."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def verify(self) -> AuditReport:
        """Check every event, seal, command and kept content."""
        report = AuditReport()
        self._verify_chain(report)
        self._verify_commands(report)
        self._verify_contents(report)
        return report

    # -- the chain -------------------------------------------------------------------------------

    def _verify_chain(self, report: AuditReport) -> None:
        """Walk seals and events side by side."""
        events = self._events()
        pending = next(events, None)
        previous_hash, expected_event, expected_seal = GENESIS_HASH, 1, 1
        for seal in self._seals():
            number, first, last, at, previous, stored_hash = seal
            if number != expected_seal:
                report.found(f"seal {expected_seal} is missing (the next one is {number}, of {at})")
            if previous != previous_hash:
                report.found(f"seal {number} (of {at}) does not follow the seal before it")
            if first != expected_event:
                report.found(f"seal {number} begins at event {first}, expected {expected_event}")
            digest = hashlib.sha256()
            expected_event = first
            while pending is not None and pending[0] <= last:
                if pending[0] != expected_event:
                    report.found(_gap(expected_event, pending[0], at))
                digest.update(canonical_row(pending))
                report.events += 1
                expected_event = pending[0] + 1
                pending = next(events, None)
            if expected_event != last + 1:
                report.found(_gap(expected_event, last + 1, at))
            if seal_hash(previous, digest) != stored_hash:
                report.found(
                    f"events {first} to {last} (sealed {at}) are not what was sealed: a row was "
                    "changed, removed, added or put in another place"
                )
            previous_hash, expected_event, expected_seal = stored_hash, last + 1, number + 1
            report.seals += 1
        report.head_hash = previous_hash
        if pending is not None:
            report.found(f"events from {pending[0]} on are under no seal")
        self._verify_head(report, expected_event - 1, expected_seal - 1)

    def _verify_head(self, report: AuditReport, last_event: int, last_seal: int) -> None:
        with self._database.read() as connection:
            head = self._database.run(
                connection,
                "SELECT last_event_no, last_seal_no, hash FROM chain WHERE chain_id = 1",
            ).first()
        if head is None:
            report.found("the chain's head is missing")
        elif tuple(head) != (last_event, last_seal, report.head_hash):
            report.found(
                f"the head names event {head[0]} under seal {head[1]}, but the log ends with event "
                f"{last_event} under seal {last_seal}: its end was cut off or added to"
            )

    def _events(self) -> Iterator[tuple[Any, ...]]:
        for page in self._database.stream(
            "SELECT event_no, at, name, command_no, subject, actor, data FROM events"
            " ORDER BY event_no"
        ):
            yield from page

    def _seals(self) -> Iterator[tuple[Any, ...]]:
        for page in self._database.stream(
            "SELECT seal_no, first_event_no, last_event_no, at, previous_hash, hash FROM seals"
            " ORDER BY seal_no"
        ):
            yield from page

    # -- what the chain points to ----------------------------------------------------------------

    def _verify_commands(self, report: AuditReport) -> None:
        """Every command is the row that its ``planned`` event recorded, and none is without."""
        names = ", ".join(f"c.{name}" for name in COMMAND_COLUMNS)
        for page in self._database.stream(
            f"SELECT {names}, e.data FROM commands c LEFT JOIN events e"  # noqa: S608
            " ON e.command_no = c.command_no AND e.name = ? ORDER BY c.command_no",
            (str(EventName.PLANNED),),
            page_rows=1_000,
        ):
            for row in page:
                report.commands += 1
                if row[-1] is None:
                    report.found(f"command {row[1]} is in no event: it was added from outside")
                elif orjson.loads(row[-1]).get("row") != row_hash(row[:-1]):
                    report.found(f"command {row[1]} is not what was recorded: its row was changed")
        for page in self._database.stream(
            "SELECT e.event_no, e.command_no FROM events e LEFT JOIN commands c"
            " ON c.command_no = e.command_no WHERE e.name = ? AND c.command_no IS NULL",
            (str(EventName.PLANNED),),
        ):
            for event_no, number in page:
                report.found(f"command number {number} of event {event_no} was removed")

    def _verify_contents(self, report: AuditReport) -> None:
        for page in self._database.stream("SELECT content_hash, content FROM contents"):
            for content_hash, content in page:
                if sha256_hex(content) != content_hash:
                    report.found(f"the kept content {content_hash} was changed")

    # -- the exported head -----------------------------------------------------------------------

    def export_head(self, private_key_path: Path, *, at: str) -> dict[str, Any]:
        """The head of the chain, signed, to be kept where this database's owner cannot reach.

        Args:
            private_key_path: an Ed25519 private key, PEM without password.
            at: UTC text of now.

        Raises:
            ConfigError: no such file, or not an Ed25519 key.
        """
        key = _private_key(private_key_path)
        with self._database.read() as connection:
            row = self._database.run(
                connection, "SELECT last_event_no, last_seal_no, hash FROM chain"
            ).one()
            database_id = self._database.run(
                connection, "SELECT value FROM meta WHERE name = 'database_id'"
            ).scalar_one()
        head: dict[str, Any] = {
            "database_id": database_id,
            "last_event_no": row[0],
            "last_seal_no": row[1],
            "hash": row[2],
            "exported_at": at,
            "public_key": key.public_key().public_bytes_raw().hex(),
        }
        return head | {"signature": key.sign(canonical_json(head).encode()).hex()}

    def problems_with_head(self, head: Mapping[str, Any], *, public_key: str = "") -> list[str]:
        """What an exported head contradicts in this log; empty when it is still part of it.

        Args:
            head: what ``export_head`` returned.
            public_key: 64 hex characters that the signer is known by; empty trusts the head's own.
        """
        signed = {name: value for name, value in head.items() if name != "signature"}
        if public_key and signed.get("public_key") != public_key:
            return ["the head was signed with another key"]
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(str(signed["public_key"])))
            key.verify(bytes.fromhex(str(head["signature"])), canonical_json(signed).encode())
        except (InvalidSignature, KeyError, ValueError):
            return ["the head's signature is not valid: the file was changed"]
        if signed["last_seal_no"] == 0:
            return []
        with self._database.read() as connection:
            row = self._database.run(
                connection,
                "SELECT last_event_no, hash FROM seals WHERE seal_no = ?",
                (signed["last_seal_no"],),
            ).first()
        if row is None:
            return [f"seal {signed['last_seal_no']} of the head is no longer in the log"]
        if tuple(row) != (signed["last_event_no"], signed["hash"]):
            return [f"seal {signed['last_seal_no']} is another one than when the head was exported"]
        return []


def _private_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError:
        raise ConfigError(f"no signing key at {path}: create one", code="audit_key") from None
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path} is no PEM private key: {error}", code="audit_key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path} is not an Ed25519 key", code="audit_key")
    return key


def _gap(expected: int, found: int, at: str) -> str:
    if found < expected:
        return f"event {found} stands twice or out of order (sealed {at})"
    upto = f" to {found - 1}" if found - expected > 1 else ""
    return f"event {expected}{upto} is missing (sealed {at}): a row was removed"
