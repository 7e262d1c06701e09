"""Unknown outcomes: sent, no certain answer. Pure rules, no clock, no network.

*Found* counts. *Absent* counts only from a read-your-writes look-up, after the operation's settle
time, twice in a row. Where there is neither key nor look-up nobody sends again: a person decides.
"""

from enum import Enum

from reverse_etl.delivery.verifying import differences
from reverse_etl.delivery.writer import (
    Absent,
    CannotTell,
    Found,
    Limits,
    LookUp,
    ReadBack,
)
from reverse_etl.ledger.commands import Command, CommandClass

__all__ = ["ABSENCES_NEEDED", "Means", "answer_of_read_back", "means_of"]

#: Look-ups in a row that must not show the effect before it counts as absent.
ABSENCES_NEEDED = 2


class Means(Enum):
    """How an unknown outcome can be found out."""

    LOOK_UP = "look_up"
    READ_BACK = "read_back"
    PERSON = "person"


def means_of(command: Command, limits: Limits) -> Means:
    """The means for one command.

    A keyed state command is compared field by field: that its row exists says nothing about the
    change. A keyed posting without a look-up is read back as well; sending it again is harmless.
    """
    if limits.is_keyed and command.command_class is CommandClass.STATE:
        return Means.READ_BACK
    if limits.has_look_up:
        return Means.LOOK_UP
    return Means.READ_BACK if limits.is_keyed else Means.PERSON


def answer_of_read_back(command: Command, found: ReadBack | None, limits: Limits) -> LookUp:
    """What a read-back says about whether a keyed command arrived."""
    if found is None or found.is_pending:
        return CannotTell("the target could not be read or has not finished")
    if found.fields is None or differences(command.payload, found.fields, limits.unreadable_fields):
        return Absent()
    return Found(found.native_id)
