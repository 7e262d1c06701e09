"""The SOQL subset as a parse tree. What it means is ``query``'s business.

One object, a field list or COUNT(), one step of relationship, WHERE, ORDER BY, LIMIT, OFFSET.
As with the vendor, AND and OR do not mix without brackets, and instants are not quoted.
"""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any, cast

from lark import Lark, Token, Transformer, UnexpectedInput, v_args
from lark.exceptions import VisitError

from sandbox.salesforce.errors import RequestError
from sandbox.salesforce.values import instant_of

__all__ = ["And", "Comparison", "Condition", "DateWord", "Instant", "Not", "Or", "Order", "Select"]

_GRAMMAR = r"""
start: _SELECT fields _FROM NAME where? order? limit? offset?
fields: COUNT -> count | PATH ("," PATH)* -> paths
where: _WHERE _condition
order: _ORDER _BY ordering ("," ordering)*
ordering: PATH DIRECTION? (_NULLS PLACE)?
limit: _LIMIT NUMBER
offset: _OFFSET NUMBER
_condition: _term | conjunction | disjunction
conjunction: _term (_AND _term)+
disjunction: _term (_OR _term)+
_term: comparison | membership | negation | "(" _condition ")"
negation: _NOT _term
comparison: PATH (OPERATOR | LIKE) _literal
membership: PATH NOT? _IN list
list: STRINGS -> strings | "(" _literal ("," _literal)* ")" -> literals
_literal: string | instant | day | number | word
string: STRING
instant: INSTANT
day: DAY
number: NUMBER
word: WORD

_SELECT.9: /SELECT\b/i
_FROM.9: /FROM\b/i
_WHERE.9: /WHERE\b/i
_ORDER.9: /ORDER\b/i
_BY.9: /BY\b/i
_LIMIT.9: /LIMIT\b/i
_OFFSET.9: /OFFSET\b/i
_NULLS.9: /NULLS\b/i
_AND.9: /AND\b/i
_OR.9: /OR\b/i
_NOT.8: /NOT\b/i
NOT.9: /NOT\b/i
_IN.9: /IN\b/i
LIKE.9: /LIKE\b/i
COUNT.9: /COUNT\s*\(\s*\)/i
DIRECTION.9: /(ASC|DESC)\b/i
PLACE.9: /(FIRST|LAST)\b/i
OPERATOR: /!=|<>|<=|>=|=|<|>/
STRINGS.9: /\(\s*'(?:[^'\\]|\\.)*'(?:\s*,\s*'(?:[^'\\]|\\.)*')*\s*\)/
STRING: /'(?:[^'\\]|\\.)*'/
INSTANT.9: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)/
DAY.8: /\d{4}-\d\d-\d\d/
NUMBER: /[-+]?\d+(\.\d+)?/
WORD: /(null|true|false|TODAY|YESTERDAY|TOMORROW)\b/i
PATH: /[A-Za-z]\w*(\.[A-Za-z]\w*)*/
NAME: /[A-Za-z]\w*/
%ignore /\s+/
"""


@dataclass(frozen=True, slots=True)
class Instant:
    """A point in time, in milliseconds since 1970."""

    milliseconds: int


@dataclass(frozen=True, slots=True)
class DateWord:
    """A date that depends on today: ``offset_days`` from it."""

    offset_days: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """``path operator value``; IN and NOT IN carry a tuple, LIKE its pattern."""

    path: str
    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class And:
    """All of them."""

    parts: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """Any of them."""

    parts: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """Not it."""

    part: "Condition"


Condition = And | Or | Not | Comparison


@dataclass(frozen=True, slots=True)
class Order:
    """One key of ORDER BY; nulls come first unless told otherwise."""

    path: str
    is_descending: bool = False
    nulls_last: bool = False


@dataclass(frozen=True, slots=True)
class Select:
    """A whole query. ``paths`` is empty for COUNT()."""

    paths: tuple[str, ...]
    object_name: str
    where: Condition | None = None
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int = 0


_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_ESCAPED = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_IN_LIST = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)
_WORDS = {"null": None, "true": True, "false": False}
_DAYS = {"today": 0, "yesterday": -1, "tomorrow": 1}


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text

    def one(match: re.Match[str]) -> str:
        code = match[1]
        if len(code) == 5:
            return chr(int(code[1:], 16))
        # LIKE needs to know that its wildcards were escaped.
        return f"\\{code}" if code in "%_" else _ESCAPES.get(code, code)

    return _ESCAPED.sub(one, text)


@v_args(inline=True)
class _Builder(Transformer[Token, Select]):
    """Tree to dataclasses."""

    def string(self, token: Token) -> str:
        return _unescape(token[1:-1])

    def instant(self, token: Token) -> Instant:
        return Instant(instant_of(str(token)))

    def day(self, token: Token) -> date:
        return date.fromisoformat(token)

    def number(self, token: Token) -> Decimal:
        return Decimal(token)

    def word(self, token: Token) -> Any:
        lower = token.lower()
        return DateWord(_DAYS[lower]) if lower in _DAYS else _WORDS[lower]

    def strings(self, token: Token) -> tuple[str, ...]:
        return tuple(_unescape(text) for text in _IN_LIST.findall(token))

    def literals(self, *values: Any) -> tuple[Any, ...]:
        return values

    def comparison(self, path: Token, operator: Token, value: Any) -> Comparison:
        spelled = operator.lower()
        return Comparison(str(path), "!=" if spelled == "<>" else spelled, value)

    def membership(self, path: Token, *rest: Any) -> Comparison:
        return Comparison(str(path), "not in" if len(rest) == 2 else "in", rest[-1])

    def negation(self, part: Condition) -> Not:
        return Not(part)

    def conjunction(self, *parts: Condition) -> And:
        return And(parts)

    def disjunction(self, *parts: Condition) -> Or:
        return Or(parts)

    def where(self, condition: Condition) -> tuple[str, Condition]:
        return "where", condition

    def ordering(self, path: Token, *rest: Token) -> Order:
        words = {token.lower() for token in rest}
        return Order(str(path), "desc" in words, "last" in words)

    def order(self, *orderings: Order) -> tuple[str, tuple[Order, ...]]:
        return "order", orderings

    def limit(self, number: Token) -> tuple[str, int]:
        return "limit", int(number)

    def offset(self, number: Token) -> tuple[str, int]:
        return "offset", int(number)

    def count(self, _: Token) -> tuple[str, ...]:
        return ()

    def paths(self, *paths: Token) -> tuple[str, ...]:
        return tuple(str(path) for path in paths)

    def start(self, paths: tuple[str, ...], name: Token, *clauses: tuple[str, Any]) -> Select:
        return Select(paths, str(name), **dict(clauses))


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", transformer=_Builder(), maybe_placeholders=False)


@lru_cache(maxsize=64)
def parse(text: str) -> Select:
    """Parse a query. Raises RequestError MALFORMED_QUERY with the place and the token."""
    try:
        return cast("Select", _parser().parse(text))
    except UnexpectedInput as error:
        token = getattr(error, "token", None)
        seen = str(token) if token is not None else text[error.pos_in_stream or 0 :][:20]
        raise RequestError(
            400,
            "MALFORMED_QUERY",
            f"{text}\nERROR at Row:{error.line}:Column:{error.column}\n"
            f"unexpected token: '{seen or '<EOF>'}'",
        ) from None
    except (ValueError, VisitError) as error:  # a month 13 and the like
        raise RequestError(400, "MALFORMED_QUERY", f"{text}\n{error}") from None
