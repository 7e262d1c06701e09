"""``$filter`` of OData v4, as far as finance and operations has it: no ``in``, no ``has``.

Comparisons, ``and``, ``or``, ``not``, parentheses; ``Field eq '*part*'`` is its way of *contains*;
an enum is compared by its typed symbol, with eq and ne only. A filter becomes a function of a row.
"""

import operator
import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sandbox.dynamics365_finance.odata.answers import ODataError, bad_request
from sandbox.dynamics365_finance.odata.model import NAMESPACE, EntitySet, Kind, Property, Row

__all__ = ["Test", "parse_filter"]

Test = Callable[[Row], bool]

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<enum>[A-Za-z_][\w.]*\.[A-Za-z_]\w*'[^']*')
  | (?P<text>'(?:[^']|'')*')
  | (?P<at>\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d)?)?)
  | (?P<number>-?\d+(?:\.\d+)?)
  | (?P<word>[A-Za-z_]\w*)
  | (?P<mark>[(),])
    )""",
    re.VERBOSE,
)
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq, "ne": operator.ne, "gt": operator.gt, "ge": operator.ge,
    "lt": operator.lt, "le": operator.le,
}  # fmt: skip


def parse_filter(text: str, entity: EntitySet) -> Test:
    """The filter as a function. Raises ODataError (400) for anything the product refuses."""
    return _Parser(text, entity).parse()


class _Parser:
    def __init__(self, text: str, entity: EntitySet) -> None:
        self._entity = entity
        self._tokens: list[tuple[str, str]] = []
        place = 0
        text = text.strip()
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise bad_request(f"Syntax error at position {place} in '{text}'.")
            self._tokens.append((match.lastgroup or "", match.group().strip()))
            place = match.end()
        self._next = 0

    def parse(self) -> Test:
        found = self._either()
        if self._next != len(self._tokens):
            raise bad_request("Syntax error: the filter goes on after its end.")
        return found

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._next] if self._next < len(self._tokens) else ("", "")

    def _take(self) -> tuple[str, str]:
        token = self._peek()
        self._next += 1
        return token

    def _word(self, word: str) -> bool:
        if self._peek() == ("word", word):
            self._next += 1
            return True
        return False

    def _either(self) -> Test:
        tests = [self._all()]
        while self._word("or"):
            tests.append(self._all())
        if len(tests) == 1:
            return tests[0]
        return _merged(tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self._word("and"):
            tests.append(self._one())
        if len(tests) == 1:
            return tests[0]
        return lambda row: all(test(row) for test in tests)

    def _one(self) -> Test:
        if self._word("not"):
            inner = self._one()
            return lambda row: not inner(row)
        if self._peek() == ("mark", "("):
            self._next += 1
            found = self._either()
            if self._take() != ("mark", ")"):
                raise bad_request("Syntax error: a parenthesis is not closed.")
            return found
        return self._comparison()

    def _comparison(self) -> Test:
        kind, name = self._take()
        if kind != "word":
            raise bad_request(f"Syntax error near '{name}'.")
        found = self._entity.properties.get(name)
        if found is None:
            raise bad_request(
                f"Could not find a property named '{name}' on type "
                f"'{NAMESPACE}.{self._entity.entity}'."
            )
        verb = self._take()[1]
        if verb not in _OPERATORS:
            raise bad_request(f"The operator '{verb}' is not supported.")
        value_kind, value_text = self._take()
        value = _literal(found, value_kind, value_text)
        if found.kind is Kind.ENUM and verb not in ("eq", "ne"):
            raise ODataError(400, "An error has occurred.", inner="Enums take eq and ne only.")
        if found.kind is Kind.TEXT and verb in ("eq", "ne") and "*" in value:
            pattern = re.compile(re.escape(value).replace(r"\*", ".*"), re.IGNORECASE | re.DOTALL)
            wanted = verb == "eq"
            return lambda row: (pattern.fullmatch(row[name]) is not None) is wanted
        if found.kind is Kind.TEXT:
            # The database collates without case.
            value = value.lower()
            if verb == "eq":
                return _Equal(name, value)
            compare_text = _OPERATORS[verb]
            return lambda row: compare_text(row[name].lower(), value)
        if verb == "eq":
            return _Equal(name, value)
        compare = _OPERATORS[verb]
        lowest = _lowest(found)
        return lambda row: compare(row[name] or lowest, value or lowest)


class _Equal:
    """``name eq value``; many of them in a chain become one look into a set."""

    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        self.value = value

    def __call__(self, row: Row) -> bool:
        held = row[self.name]
        return bool((held.lower() if isinstance(held, str) else held) == self.value)


def _merged(tests: list[Test]) -> Test:
    names = {test.name if isinstance(test, _Equal) else "" for test in tests}
    if len(names) == 1 and "" not in names:
        name = names.pop()
        values = {test.value for test in tests if isinstance(test, _Equal)}

        def is_one(row: Row) -> bool:
            held = row[name]
            return (held.lower() if isinstance(held, str) else held) in values

        return is_one
    return lambda row: any(test(row) for test in tests)


def _lowest(found: Property) -> Any:
    if found.kind is Kind.DATE:
        return date(1900, 1, 1)
    return datetime.fromisoformat("1900-01-01T00:00:00+00:00") if found.kind is Kind.INSTANT else 0


def _literal(found: Property, kind: str, text: str) -> Any:
    """A literal in the property's own kind. Raises ODataError for another one."""
    if kind == "enum" and found.kind is Kind.ENUM:
        type_name, _, symbol = text[:-1].partition("'")
        if type_name == f"{NAMESPACE}.{found.enum}":
            # A number in quotes is an enum's value, which this product does not take.
            return str(found.parsed(symbol)).lower()
    if kind == "text" and found.kind is Kind.TEXT:
        return text[1:-1].replace("''", "'")
    if kind == "at" and found.kind in (Kind.DATE, Kind.INSTANT):
        return found.parsed_instant(text)
    if kind == "number" and found.kind is Kind.INTEGER:
        return int(Decimal(text))
    if kind == "number" and found.kind is Kind.DECIMAL:
        return Decimal(text)
    raise bad_request(
        "A binary operator with incompatible types was detected. Found operand types "
        f"'{found.edm_type}' and a literal {text}."
    )
