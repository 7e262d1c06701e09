"""``$filter``: text to a test on rows, and to the few rows that can pass it.

The grammar is the part of OData v2 that SAP clients use: comparisons, ``and or not``, parentheses,
``substringof startswith endswith tolower toupper``. An equality, or a chain of ``or`` over
equalities, on an indexed property is looked up; ``ge`` on an indexed date takes its days. Where the
index leaves more than a quarter of a large table, a scan in key order is cheaper: it stops when the
page is full.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from lark import Lark, Token, Transformer
from lark.exceptions import LarkError

from sandbox.sap_s4hana.odata.answers import ODataError
from sandbox.sap_s4hana.odata.model import EdmKind, EntityType, Property
from sandbox.sap_s4hana.odata.tables import Row, Table
from sandbox.sap_s4hana.odata.values import ValueRefused, from_literal

__all__ = ["Filter", "compile_filter"]

_GRAMMAR = r"""
?start: either
either: both (_OR both)*
both: factor (_AND factor)*
?factor: _NOT factor -> negation
       | test
       | "(" either ")"
test: operand (COMPARISON operand)?
?operand: NAME -> name
        | LITERAL -> literal
        | NAME "(" operand ("," operand)* ")" -> call
_OR.3: /or\b/
_AND.3: /and\b/
_NOT.4: /not\b/
COMPARISON.3: /(eq|ne|gt|ge|lt|le)\b/
LITERAL.5: /(datetimeoffset|datetime|time|guid|binary|X)?'([^']|'')*'/
         | /-?\d+(\.\d+)?[mMlLdDfF]?/
         | /(true|false|null)\b/
NAME: /[A-Za-z_][A-Za-z0-9_]*/
%ignore /\s+/
"""

#: Below this an index is always worth it.
SCAN_FROM_ROWS = 10_000

#: Longer chains of ``or`` are looped over: nesting them would exhaust the stack.
PAIRWISE_MAX = 20

_parser = Lark(_GRAMMAR, parser="lalr", lexer="contextual", maybe_placeholders=False)


@dataclass(frozen=True, slots=True)
class _Name:
    name: str


@dataclass(frozen=True, slots=True)
class _Literal:
    text: str


@dataclass(frozen=True, slots=True)
class _Call:
    function: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Test:
    left: Any
    comparison: str
    right: Any


@dataclass(frozen=True, slots=True)
class _Not:
    part: Any


@dataclass(frozen=True, slots=True)
class _All:
    parts: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Any:
    parts: tuple[Any, ...]


class _Tree(Transformer[Token, Any]):
    """Lark's tree to the classes above."""

    def either(self, parts: list[Any]) -> Any:
        return parts[0] if len(parts) == 1 else _Any(tuple(parts))

    def both(self, parts: list[Any]) -> Any:
        return parts[0] if len(parts) == 1 else _All(tuple(parts))

    def negation(self, parts: list[Any]) -> Any:
        return _Not(parts[0])

    def name(self, parts: list[Any]) -> Any:
        return _Name(str(parts[0]))

    def literal(self, parts: list[Any]) -> Any:
        return _Literal(str(parts[0]))

    def call(self, parts: list[Any]) -> Any:
        return _Call(str(parts[0]), tuple(parts[1:]))

    def test(self, parts: list[Any]) -> Any:
        if len(parts) == 1:
            return _Test(parts[0], "eq", _Literal("true"))
        return _Test(parts[0], str(parts[1]), parts[2])


_transform = _Tree().transform

Values = Sequence[Any]
Predicate = Callable[[Values], bool]
#: Rows that can pass, from the indexes; None when only a scan can tell.
Candidates = Callable[[Table], Iterable[Row] | None]


@dataclass(frozen=True, slots=True)
class Filter:
    """A compiled filter: a test on a row's values, and the rows worth testing."""

    matches: Predicate
    candidates: Candidates


def _no_candidates(_: Table) -> None:
    return None


def compile_filter(text: str, entity: EntityType) -> Filter:
    """Compile a ``$filter``.

    Raises:
        ODataError: 400 with SAP's code for a syntax error, an unknown property or a literal of
            another type than the property's.
    """
    return _compiled(text, entity)


@lru_cache(maxsize=512)
def _compiled(text: str, entity: EntityType) -> Filter:
    try:
        tree = _transform(_parser.parse(text))
    except LarkError:
        raise ODataError(
            400,
            "005056A509B11EE1B9A8FEC11C21D78E",
            f"Invalid token detected in the system query option $filter: {text[:200]}",
        ) from None
    return _build(tree, entity)


def _build(node: Any, entity: EntityType) -> Filter:
    if isinstance(node, _Any):
        return _build_any(node, entity)
    if isinstance(node, _All):
        parts = [_build(part, entity) for part in node.parts]
        return Filter(_both([part.matches for part in parts]), _smallest(parts))
    if isinstance(node, _Not):
        inner = _build(node.part, entity).matches
        return Filter(lambda v: not inner(v), _no_candidates)
    if isinstance(node, _Test):
        return _build_test(node, entity)
    raise ODataError(400, "/IWBEP/CM_MGW_RT/176", "The $filter is no condition")


def _build_any(node: _Any, entity: EntityType) -> Filter:
    """A chain of equalities on one property becomes one set; other chains test part by part."""
    names = {part.left.name for part in node.parts if _is_equality(part)}
    if len(names) == 1 and all(_is_equality(part) for part in node.parts):
        name = names.pop()
        prop = _property(entity, name)
        wanted = frozenset(_value(prop, part.right) for part in node.parts)
        position = entity.index[name]
        return Filter(lambda v: v[position] in wanted, _looked_up(name, wanted))
    parts = [_build(part, entity) for part in node.parts]
    tests = [part.matches for part in parts]

    def candidates(table: Table) -> Iterable[Row] | None:
        found: dict[Row, None] = {}
        for part in parts:
            rows = part.candidates(table)
            if rows is None:
                return None
            found.update(dict.fromkeys(rows))
        return found

    return Filter(_either(tests), candidates)


def _both(tests: Sequence[Predicate]) -> Predicate:
    """All of the tests, nested pairwise: half the time of a loop over them."""
    if len(tests) > PAIRWISE_MAX:
        return lambda v: all(test(v) for test in tests)
    if len(tests) == 1:
        return tests[0]
    first, rest = tests[0], _both(tests[1:])
    return lambda v: first(v) and rest(v)


def _either(tests: Sequence[Predicate]) -> Predicate:
    if len(tests) > PAIRWISE_MAX:
        return lambda v: any(test(v) for test in tests)
    if len(tests) == 1:
        return tests[0]
    first, rest = tests[0], _either(tests[1:])
    return lambda v: first(v) or rest(v)


def _is_equality(node: Any) -> bool:
    return (
        isinstance(node, _Test)
        and node.comparison == "eq"
        and isinstance(node.left, _Name)
        and isinstance(node.right, _Literal)
    )


def _looked_up(name: str, wanted: frozenset[Any]) -> Candidates:
    def candidates(table: Table) -> Iterable[Row] | None:
        index = table.indexed(name)
        if index is None:
            return None
        return _unless_many(table, [index[value] for value in wanted if value in index])

    return candidates


def _from_day(name: str, accepts: Callable[[Any], bool]) -> Candidates:
    def candidates(table: Table) -> Iterable[Row] | None:
        index = table.indexed(name)
        if index is None:
            return None
        return _unless_many(table, [rows for day, rows in index.items() if accepts(day)])

    return candidates


def _unless_many(table: Table, buckets: list[dict[Row, None]]) -> Iterable[Row] | None:
    if sum(map(len, buckets)) > max(SCAN_FROM_ROWS, len(table) // 4):
        return None
    return [row for bucket in buckets for row in bucket]


def _smallest(parts: Sequence[Filter]) -> Candidates:
    """Of several conditions that all must hold, the index that leaves the fewest rows."""

    def candidates(table: Table) -> Iterable[Row] | None:
        best: list[Row] | None = None
        for part in parts:
            rows = part.candidates(table)
            if rows is not None:
                listed = list(rows)
                if best is None or len(listed) < len(best):
                    best = listed
        return best

    return candidates


def _property(entity: EntityType, name: str) -> Property:
    try:
        return entity.property(name)
    except KeyError:
        raise ODataError(
            400,
            "/IWBEP/CM_MGW_RT/021",
            f"Property {name} not found in type '{entity.type_name}'",
            target=name,
        ) from None


def _value(prop: Property, node: Any) -> Any:
    try:
        return from_literal(prop, node.text)
    except ValueRefused as error:
        raise ODataError(
            400,
            "/IWBEP/CM_MGW_RT/176",
            f"Invalid value for property {prop.name} in $filter: {error}",
            target=prop.name,
        ) from None


_FLIPPED = {"eq": "eq", "ne": "ne", "gt": "lt", "lt": "gt", "ge": "le", "le": "ge"}


def _build_test(node: _Test, entity: EntityType) -> Filter:
    left, comparison, right = node.left, node.comparison, node.right
    if isinstance(left, _Literal):
        left, right, comparison = right, left, _FLIPPED[comparison]
    if isinstance(left, _Call) and left.function in _TEXT_TESTS:
        wanted = isinstance(right, _Literal) and right.text == "true"
        test = _text_test(left, entity)
        is_plain = wanted == (comparison == "eq")
        return Filter(test if is_plain else lambda v: not test(v), _no_candidates)
    if isinstance(left, _Name) and isinstance(right, _Literal):
        return _property_test(left.name, comparison, right, entity)
    if isinstance(right, _Literal):
        read = _reader(left, entity)
        text = right.text[1:-1].replace("''", "'")
        compare = _COMPARE[comparison]
        return Filter(lambda v: compare(read(v), text), _no_candidates)
    one, other, compare = _reader(left, entity), _reader(right, entity), _COMPARE[comparison]
    return Filter(lambda v: compare(one(v), other(v)), _no_candidates)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: bool(a == b),
    "ne": lambda a, b: bool(a != b),
    "gt": lambda a, b: a is not None and bool(a > b),
    "ge": lambda a, b: a is not None and bool(a >= b),
    "lt": lambda a, b: a is not None and bool(a < b),
    "le": lambda a, b: a is not None and bool(a <= b),
}


def _property_test(name: str, comparison: str, literal: _Literal, entity: EntityType) -> Filter:
    prop = _property(entity, name)
    position = entity.index[name]
    value = _value(prop, literal)
    if value is None and comparison not in ("eq", "ne"):
        return Filter(lambda _: False, _no_candidates)
    if prop.kind is EdmKind.DATE and isinstance(value, date):
        comparison = _day_comparison(comparison, literal.text)
    compare = _COMPARE[comparison]
    if comparison == "eq":
        return Filter(lambda v: v[position] == value, _looked_up(name, frozenset([value])))
    if prop.kind is EdmKind.DATE and comparison in ("ge", "gt"):
        return Filter(
            lambda v: compare(v[position], value), _from_day(name, lambda day: compare(day, value))
        )
    return Filter(lambda v: compare(v[position], value), _no_candidates)


def _day_comparison(comparison: str, literal: str) -> str:
    """A date property is midnight: after noon of a day means after the day, before it with it."""
    text = literal.partition("'")[2].rstrip("'")
    moment = datetime.fromisoformat(text)
    moment = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    if moment - datetime(moment.year, moment.month, moment.day) == timedelta(0):  # noqa: DTZ001
        return comparison
    return {"ge": "gt", "lt": "le"}.get(comparison, comparison)


_TEXT_TESTS: dict[str, Callable[[str, str], bool]] = {
    "substringof": lambda first, second: first in second,
    "startswith": lambda first, second: first.startswith(second),
    "endswith": lambda first, second: first.endswith(second),
}


def _text_test(call: _Call, entity: EntityType) -> Predicate:
    if len(call.arguments) != 2:
        raise ODataError(
            400, "/IWBEP/CM_MGW_RT/176", f"Function {call.function} takes two arguments"
        )
    one, other = (_reader(argument, entity) for argument in call.arguments)
    test = _TEXT_TESTS[call.function]
    return lambda v: test(one(v), other(v))


_TEXT_CHANGES: dict[str, Callable[[str], str]] = {
    "tolower": str.lower,
    "toupper": str.upper,
    "trim": str.strip,
}


def _reader(node: Any, entity: EntityType) -> Callable[[Values], Any]:
    if isinstance(node, _Name):
        _property(entity, node.name)
        position = entity.index[node.name]
        return lambda v: v[position]
    if isinstance(node, _Literal):
        text = node.text[1:-1].replace("''", "'")
        return lambda _: text
    if isinstance(node, _Call) and node.function in _TEXT_CHANGES and len(node.arguments) == 1:
        change, inner = _TEXT_CHANGES[node.function], _reader(node.arguments[0], entity)
        return lambda v: change(inner(v))
    raise ODataError(400, "/IWBEP/CM_MGW_RT/176", "The $filter uses a function that is unknown")
