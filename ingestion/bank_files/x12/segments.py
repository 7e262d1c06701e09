"""An X12 interchange as transaction sets of segments, its envelope counts checked.

Separators are read from the ISA segment, which has a fixed length. The pyx12 package was tried and
left: it knows only the two health-care versions of 820, no 823, and refuses other interchange
versions. Sets are given one at a time, so a file of many payments stays flat in memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ingestion.common.errors import InputRefused

__all__ = ["ISA_BYTES", "Segment", "Set", "sets"]

#: Length of ISA with its terminator.
ISA_BYTES = 106
_CHUNK_CHARACTERS = 1 << 16


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment; elements are numbered from 1 as the standard does."""

    name: str
    elements: tuple[str, ...]

    def __getitem__(self, number: int) -> str:
        return self.elements[number - 1].strip() if number <= len(self.elements) else ""


@dataclass(frozen=True, slots=True)
class Set:
    """One transaction set (ST … SE) without its envelope. ``sender`` is the interchange's."""

    kind: str
    control_number: str
    sender: str
    segments: tuple[Segment, ...]


@dataclass(slots=True)
class _Envelope:
    """Where the reading stands: counts and control numbers that trailers must repeat."""

    sender: str = ""
    counts: dict[str, int] = field(default_factory=lambda: {"GE": 0, "IEA": 0})
    controls: dict[str, str] = field(default_factory=dict)
    current: list[Segment] | None = None
    is_closed: bool = False

    def open(self, one: Segment) -> None:
        """ISA, GS or ST."""
        if one.name == "ISA":
            self.sender, self.is_closed, self.counts["IEA"] = one[6], False, 0
            self.controls["IEA"] = one[13]
        elif one.name == "GS":
            self.controls["GE"], self.counts["GE"] = one[6], 0
            self.counts["IEA"] += 1
        else:
            self.current, self.controls["SE"] = [one], one[2]
            self.counts["GE"] += 1

    def close(self, one: Segment, where: str) -> Set | None:
        """SE (the finished set), GE or IEA.

        Raises:
            InputRefused: its count or control number is not its header's.
        """
        if one.name != "SE":
            _agree(one, self.counts[one.name], self.controls, where)
            self.is_closed = one.name == "IEA"
            return None
        if self.current is None:
            raise _refused(where, "bad_envelope", "SE stands without ST")
        segments, self.current = self.current, None
        _agree(one, len(segments) + 1, self.controls, where)
        return Set(segments[0][1], segments[0][2], self.sender, tuple(segments[1:]))


def sets(path: Path, where: str) -> Iterator[Set]:
    """Transaction sets of a file.

    Raises:
        InputRefused: no ISA, cut off, or counts and control numbers that do not agree.
    """
    envelope = _Envelope()
    for one in _segments(path, where):
        if one.name in ("ISA", "GS", "ST"):
            envelope.open(one)
        elif one.name in ("SE", "GE", "IEA"):
            finished = envelope.close(one, where)
            if finished is not None:
                yield finished
        elif envelope.current is not None:
            envelope.current.append(one)
    if not envelope.is_closed or envelope.current is not None:
        raise _refused(
            where, "truncated", "the interchange trailer (IEA) is missing: it is cut off"
        )


def _agree(trailer: Segment, count: int, controls: dict[str, str], where: str) -> None:
    """A trailer's count and control number against what was read."""
    if trailer[1] != str(count) and not (trailer[1].isdigit() and int(trailer[1]) == count):
        raise _refused(
            where,
            "control_totals_do_not_add_up",
            f"{trailer.name} counts {trailer[1]}, the file holds {count}",
        )
    if trailer[2].strip() != controls.get(trailer.name, "").strip():
        raise _refused(
            where,
            "bad_envelope",
            f"{trailer.name} has control number {trailer[2]}, its header "
            f"{controls.get(trailer.name, '(none)')}",
        )


def _segments(path: Path, where: str) -> Iterator[Segment]:
    with path.open(encoding="latin-1", newline="") as file:
        head = file.read(ISA_BYTES)
        if not head.startswith("ISA") or len(head) < ISA_BYTES:
            raise _refused(where, "truncated", "the interchange header (ISA) is cut off")
        element, terminator = head[3], head[-1]
        buffer = head
        while True:
            *ready, buffer = buffer.split(terminator)
            for text in ready:
                bare = text.strip("\r\n \x00")
                if bare:
                    name, *elements = bare.split(element)
                    yield Segment(name, tuple(elements))
            chunk = file.read(_CHUNK_CHARACTERS)
            if not chunk:
                break
            buffer += chunk
        if buffer.strip():
            raise _refused(where, "truncated", "the last segment has no end")


def _refused(where: str, code: str, what: str) -> InputRefused:
    return InputRefused(f"{where}: {what}: ask the sender to send it again", code=code, where=where)
