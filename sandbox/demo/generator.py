"""The synthetic twin: a made-up extract with the real one's shape, for machines without the latter.

It writes the same three text frames that the real extract consists of, traps included, and sends
them through the same reader, so the demo's first step is exercised without the real data. Numbers
come from one numpy generator: the same settings give the same frames on every machine. No value is
copied from the real extract. A world of several ERPs is made the same way and then written in each
vendor's own form.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from sandbox.demo.dataset import Dataset, DatasetError
from sandbox.demo.highradius import from_frames
from sandbox.demo.settings import Settings, TwinSettings
from sandbox.demo.systems import ErpPlan
from sandbox.demo.vendor_forms import in_vendor_forms

__all__ = ["RawExtract", "generate", "raw_extract"]

_FIRST_WORDS_TEXT = (
    "ALDER AMBER ASPEN BANNER BEACON BIRCH BLUFF BRIGHT CANYON CEDAR COASTAL COPPER CRESCENT "
    "CROWN DELTA DOVER EAGLE EASTER ELM EVER FALCON FERN FOX GARDEN GLEN GOLDEN GRANIT GREEN "
    "HARBOR HAWK HERON HIGHLAND HOLLY IRON IVY JUNIPER KEYSTO LAKE LAUREL LIBERT MAPLE MEADOW "
    "MESA MIDWES NORTH OAK OCEAN OLIVE ORCHARD PALM PEARL PINE PIONEER PRAIRIE QUARRY RIDGE "
    "RIVER ROCK SAGE SIERRA SILVER SOUTH SPRING STERLI STONE SUMMIT SUN TIMBER UNION VALLEY "
    "WEST "
)
_FIRST_WORDS = _FIRST_WORDS_TEXT.split()
_SECOND_WORDS_TEXT = (
    "BAKERY CLUB DAIRY DEPOT DISTR EXPRES FARMS FOODS FRESH GRILL GROCER GROUP HOLDIN KITCHE "
    "MARKET MART MEATS PANTRY PROVIS SALES SERVIC STORES SUPPLY TRADIN WHOLES "
)
_SECOND_WORDS = _SECOND_WORDS_TEXT.split()
_NAME_ENDS = (
    "", "llc", "corp", "us", "in", "trust", "associates", "corporation", "foundation", "systems",
    "co",
)  # fmt: skip
_TERMS = (("NAA8", 15), ("NAH4", 15), ("NAC6", 15), ("NAU5", 15), ("NAM4", 23), ("NAGD", 65),
          ("NAG2", 35), ("NAX2", 30), ("NAD1", 20))  # fmt: skip
_TERM_WEIGHTS = (0.41, 0.32, 0.06, 0.04, 0.05, 0.05, 0.03, 0.02, 0.02)
_CANADIAN_TERMS = ("CA10", 10)


@dataclass(frozen=True, slots=True)
class RawExtract:
    """The three frames as text, in the columns and with the traps of the real files."""

    closed: pl.DataFrame
    open_items: pl.DataFrame
    variants: pl.DataFrame


def generate(
    settings: Settings,
    plans: Sequence[ErpPlan] = (),
    *,
    seed: int | None = None,
    customers: int | None = None,
    open_items: int | None = None,
    closed_items: int | None = None,
) -> Dataset:
    """A synthetic dataset; sizes left out are the settings'.

    Args:
        settings: shares and default sizes.
        plans: the ERPs of the world; none makes a twin of the real extract, of one SAP system.
        seed: replaces the settings' seed.
        customers: how many; at least ten.
        open_items: items that stay open at the bank.
        closed_items: items that receipts pay.
    """
    asked = {"customers": customers, "open_items": open_items, "closed_items": closed_items}
    update = {name: value for name, value in asked.items() if value is not None}
    twin = settings.twin.model_copy(update=update)
    seed = settings.seed if seed is None else seed
    lots = tuple(_lot(settings, plan) for plan in plans)
    fewest = sum(len(companies) for _, companies in lots)
    if twin.customers < fewest:
        raise DatasetError(
            f"{fewest} companies need a customer each: ask for {fewest} customers or more",
            code="dataset_companies",
        )
    raw = raw_extract(twin, seed, lots)
    words = f"synthetic world of {len(plans)} ERPs" if plans else "synthetic twin"
    made = from_frames(raw.closed, raw.open_items, raw.variants, source=f"{words}, seed {seed}")
    return in_vendor_forms(made, plans, settings.rates) if plans else made


#: One ERP's share of all customers, and its companies' shares of these.
Lot = tuple[float, Mapping[str, float]]


def _lot(settings: Settings, plan: ErpPlan) -> Lot:
    """Shares that the settings do not name are equal ones."""
    system = settings.systems[plan.system_id]
    named = {code: system.companies.get(code, 0) for code in plan.companies}
    return system.share, named if all(named.values()) else dict.fromkeys(plan.companies, 1)


def raw_extract(twin: TwinSettings, seed: int, lots: Sequence[Lot] = ()) -> RawExtract:
    """The three frames of a synthetic extract; no ``lots`` means the twin's own companies."""
    random = np.random.default_rng([seed, 1])
    people = _customers(twin, lots or ((1, twin.companies),), random)
    closed = _closed(twin, people, random)
    opened = _open(twin, people, random, is_each=bool(lots))
    names = _spellings(twin, people, random)
    return RawExtract(
        closed=_closed_rows(twin, people, closed, names, random),
        open_items=_open_rows(twin, people, opened, names, random),
        variants=pl.DataFrame(
            [(people.numbers[i], name) for i, list_ in enumerate(names) for name in list_],
            schema=["cust_number", "name_customer"],
            orient="row",
        ),
    )


@dataclass(frozen=True, slots=True)
class _People:
    """Customers as parallel lists; ``weights`` are their shares of all items."""

    numbers: list[str]
    bases: list[str]
    companies: list[str]
    terms: list[tuple[str, int]]
    weights: np.ndarray


def _customers(twin: TwinSettings, lots: Sequence[Lot], random: np.random.Generator) -> _People:
    count = twin.customers
    numbers = sorted(random.choice(999_000, count, replace=False) + 200_000_000)
    texts = [f"{number:010d}" for number in numbers]
    for index in random.choice(count, max(1, count // 50), replace=False):
        texts[index] = f"CC{3000 + int(index)}"
    order = random.permutation(count)
    bases = [
        f"{_FIRST_WORDS[i % len(_FIRST_WORDS)]} {_SECOND_WORDS[(i * 7 + i // 79) % 25][:4]}"
        for i in (int(n) for n in order)
    ]
    for index in random.choice(count, round(count * twin.shared_name_share / 2), replace=False):
        bases[index] = bases[(int(index) + 1) % count]
    companies = _dealt(lots, count)
    picks = random.choice(len(_TERMS), count, p=_TERM_WEIGHTS)
    terms = [
        _CANADIAN_TERMS if companies[i].startswith("CA") else _TERMS[int(picks[i])]
        for i in range(count)
    ]
    return _People(texts, bases, companies, terms, _weights(twin))


def _dealt(lots: Sequence[Lot], count: int) -> list[str]:
    """A company code per customer: the ERPs take turns by share, so that each has large ones."""
    total = sum(share for share, _ in lots)
    # One customer for every company first; the shares are of all others.
    others = count - sum(len(companies) for _, companies in lots)
    sizes = [len(companies) + int(share / total * others) for share, companies in lots]
    sizes[0] += count - sum(sizes)
    piles = [
        _apportioned(list(companies), np.array(list(companies.values())), size)
        for (_, companies), size in zip(lots, sizes, strict=True)
    ]
    taken = [0] * len(lots)
    dealt: list[str] = []
    for _ in range(count):
        behind = [done / size for done, size in zip(taken, sizes, strict=True)]
        turn = behind.index(min(behind))
        dealt.append(piles[turn][taken[turn]])
        taken[turn] += 1
    return dealt


def _apportioned(codes: list[str], shares: np.ndarray, count: int) -> list[str]:
    """Company codes by share, every code at least once, the largest first; equal ones in turn."""
    if len(codes) > 1 and len(set(shares.tolist())) == 1:
        return [codes[number % len(codes)] for number in range(count)]
    sizes = np.maximum(1, np.round(shares / shares.sum() * count)).astype(int)
    sizes[0] = max(1, count - int(sizes[1:].sum()))
    return [code for code, size in zip(codes, sizes, strict=True) for _ in range(size)][:count]


def _weights(twin: TwinSettings) -> np.ndarray:
    """Items per customer: one giant, nine big ones, a long tail that falls like 1/rank."""
    nine = 1 / np.arange(2.0, 11.0)
    tail = 1 / np.arange(11.0, twin.customers + 1) ** 0.8
    rest = 1 - twin.largest_customer_share - twin.next_nine_share
    parts = [np.array([twin.largest_customer_share]), nine / nine.sum() * twin.next_nine_share]
    weights = np.concatenate([*parts, tail / tail.sum() * rest if len(tail) else tail])
    shares: np.ndarray = weights / weights.sum()
    return shares


@dataclass(frozen=True, slots=True)
class _Items:
    """Items as parallel arrays; days are ordinals, ``clear`` is empty for open items."""

    customer: np.ndarray
    cents: np.ndarray
    due: np.ndarray
    clear: np.ndarray


def _closed(twin: TwinSettings, people: _People, random: np.random.Generator) -> _Items:
    """Payments first, then the items each one pays, so the groups have the real sizes."""
    extra = twin.many_invoice_mean - 2
    mean = 1 + twin.many_invoice_share * (twin.many_invoice_mean - 1)
    payments = math.ceil(twin.closed_items / mean * 1.3) + 10
    sizes = np.where(
        random.random(payments) < twin.many_invoice_share,
        2 + random.geometric(1 / (1 + extra), payments) - 1,
        1,
    )
    # A few very long remittances: the real extract's longest payment has 106 invoices.
    is_long = random.random(payments) < 0.004
    sizes = np.where(is_long, random.integers(20, twin.invoices_per_payment_max, payments), sizes)
    sizes = np.minimum(sizes, max(2, twin.closed_items // 10))
    sizes = sizes[: int(np.searchsorted(np.cumsum(sizes), twin.closed_items)) + 1]
    payer = random.choice(twin.customers, len(sizes), p=people.weights)
    first, last = twin.clear_date_first.toordinal(), twin.clear_date_last.toordinal()
    day = _workdays(random.integers(first, last + 1, len(sizes)))
    customer, clear = np.repeat(payer, sizes), np.repeat(day, sizes)
    due = clear - _delays(twin, len(customer), random)
    return _Items(customer, _cents(twin, customer, random), due, clear)


def _workdays(days: np.ndarray) -> np.ndarray:
    """Saturday and Sunday move back to Friday: banks book on working days."""
    weekday = (days - 1) % 7
    moved: np.ndarray = days - np.maximum(0, weekday - 4)
    return moved


def _delays(twin: TwinSettings, count: int, random: np.random.Generator) -> np.ndarray:
    """Days past due at payment: early, on the day, up to 5, up to 30, later."""
    late = 1 - twin.paid_early_share - twin.paid_on_day_share
    shares = np.array(
        [
            twin.paid_early_share,
            twin.paid_on_day_share,
            late - twin.late_over_5_days_share,
            twin.late_over_5_days_share - twin.late_over_30_days_share,
            twin.late_over_30_days_share,
        ]
    )
    kind = random.choice(5, count, p=shares / shares.sum())
    early = -np.minimum(14, random.geometric(0.3, count))
    options = [early, np.zeros(count, int), random.integers(1, 6, count),
               random.integers(6, 31, count), random.integers(31, 75, count)]  # fmt: skip
    delays: np.ndarray = np.choose(kind, options)
    return delays


def _open(
    twin: TwinSettings, people: _People, random: np.random.Generator, *, is_each: bool
) -> _Items:
    """``is_each``: every customer has an item, so that every company of a world has a ledger."""
    customer = random.choice(twin.customers, twin.open_items, p=people.weights)
    if is_each:
        each = np.arange(twin.customers)[: twin.open_items]
        customer[: len(each)] = each
    first, last = twin.posting_date_first.toordinal(), twin.posting_date_last.toordinal()
    # Younger items are more likely to be open still: the mean age is a third of the window.
    age = np.minimum(last - first, random.exponential((last - first) / 3, twin.open_items))
    days = np.array([net for _, net in people.terms])[customer]
    is_punctual = (random.random(twin.customers) < twin.punctual_share)[customer]
    youngest = days + random.integers(0, 20, twin.open_items)
    age = np.where(is_punctual, np.minimum(age, youngest), age)
    posted = _workdays(last - age.astype(int))
    empty = np.zeros(0, int)
    return _Items(customer, _cents(twin, customer, random), posted + days, empty)


def _cents(twin: TwinSettings, customer: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Log-normal amounts with the profile's median and mean; some repeat an earlier one."""
    middle = math.log(twin.amount_median)
    sigma = math.sqrt(2 * (math.log(twin.amount_mean) - middle))
    amounts = random.lognormal(middle, sigma, len(customer))
    cents = np.maximum(27, np.round(np.minimum(amounts, 850_000) * 100)).astype(np.int64)
    # Of n equal amounts n count as repeated, so half the share of copies makes the share.
    for index in np.flatnonzero(random.random(len(customer)) < twin.repeated_amount_share / 2):
        same = np.flatnonzero(customer[:index] == customer[index])
        if len(same):
            cents[index] = cents[same[int(random.integers(len(same)))]]
    return cents


def _spellings(twin: TwinSettings, people: _People, random: np.random.Generator) -> list[list[str]]:
    """One to eleven spellings a customer: the base name with a random legal ending."""
    counts = 1 + np.minimum(
        twin.spellings_max - 1, random.poisson(twin.spellings_mean - 1, len(people.bases))
    )
    return [
        [f"{base} {_NAME_ENDS[int(end)]}" for end in random.permutation(len(_NAME_ENDS))[:count]]
        for base, count in zip(people.bases, counts, strict=True)
    ]


# --- rows as text, with the traps ---------------------------------------------------------------


def _traps(frame: pl.DataFrame, share: float, random: np.random.Generator) -> pl.Series:
    """Which rows a trap hits."""
    return pl.Series(random.random(frame.height) < share)


def _spelled(items: _Items, names: list[list[str]], random: np.random.Generator) -> list[str]:
    draws = random.random(len(items.customer))
    # Squaring favours the first spellings: customers have a usual name.
    return [
        names[c][int(draw * draw * len(names[c]))]
        for c, draw in zip(items.customer.tolist(), draws.tolist(), strict=True)
    ]


def _dates(days: np.ndarray) -> pl.Series:
    return pl.Series([date.fromordinal(int(day)) for day in days], dtype=pl.Date)


def _amounts(cents: np.ndarray) -> pl.Series:
    """As a spreadsheet shows them: 1250.0, 17284.5, 99.99."""
    texts = (f"{c // 100}.{c % 100:02d}" for c in cents.tolist())
    return pl.Series([t.removesuffix("0") for t in texts])


def _numbers(company: list[str], first: int, count: int, random: np.random.Generator) -> pl.Series:
    """Ten-digit invoice numbers; Canadian ones begin elsewhere, as in the real extract."""
    steps = np.cumsum(random.integers(1, 90, count)) + first
    return pl.Series(
        [
            str(int(n) + (1_030_000_000 if c.startswith("CA") else 0))
            for n, c in zip(steps, company, strict=True)
        ]
    )


def _closed_rows(
    twin: TwinSettings,
    people: _People,
    items: _Items,
    names: list[list[str]],
    random: np.random.Generator,
) -> pl.DataFrame:
    company = [people.companies[c] for c in items.customer.tolist()]
    delay = items.clear - items.due
    frame = pl.DataFrame(
        {
            "cust_number": [people.numbers[c] for c in items.customer.tolist()],
            "name_customer": _spelled(items, names, random),
            "due_date": _dates(items.due).dt.to_string("%Y-%m-%d"),
            "delay_days": [str(d) for d in delay.tolist()],
            "total_open_amount": _amounts(items.cents),
            "invoice_id": _numbers(company, 1_928_000_000, len(company), random),
            "clear_date": _dates(items.clear).dt.to_string("%Y-%m-%d"),
            "business_code_inferred": company,
        }
    )
    frame = _with_other_dates(frame, ["due_date", "clear_date"], twin, random)
    frame = _with_lost_zeros(frame, twin, random)
    return _with_duplicates(frame, twin, random)


def _open_rows(
    twin: TwinSettings,
    people: _People,
    items: _Items,
    names: list[list[str]],
    random: np.random.Generator,
) -> pl.DataFrame:
    company = [people.companies[c] for c in items.customer.tolist()]
    terms = [people.terms[c] for c in items.customer.tolist()]
    days = np.array([net for _, net in terms])
    posted = _dates(items.due - days).dt.to_string("%Y-%m-%d")
    number = _numbers(company, 1_932_000_000, len(company), random)
    frame = pl.DataFrame(
        {
            "business_code": company,
            "cust_number": [people.numbers[c] for c in items.customer.tolist()],
            "name_customer": _spelled(items, names, random),
            "doc_id": number,
            "posting_date": posted,
            "document_create_date": posted,
            "due_in_date": _dates(items.due).dt.to_string("%Y-%m-%d"),
            "invoice_currency": ["CAD" if c.startswith("CA") else "USD" for c in company],
            "document_type": ["RV"] * len(company),
            "total_open_amount": _amounts(items.cents),
            "baseline_create_date": posted,
            "cust_payment_terms": [code for code, _ in terms],
            "invoice_id": number,
            "term_days": [str(net) for _, net in terms],
        }
    )
    for column, share in (
        ("document_create_date", twin.missing_document_date_share),
        ("posting_date", twin.missing_posting_date_share),
    ):
        hit = _traps(frame, share, random)
        frame = frame.with_columns(pl.when(hit.not_()).then(column).alias(column))
    floats = _traps(frame, twin.float_id_share, random)
    frame = frame.with_columns(
        pl.when(floats).then(pl.format("{}.0", name)).otherwise(name).alias(name)
        for name in ("doc_id", "invoice_id")
    )
    frame = _with_other_dates(frame, ["due_in_date", "baseline_create_date"], twin, random)
    frame = _with_lost_zeros(frame, twin, random)
    return _with_duplicates(frame, twin, random)


def _with_other_dates(
    frame: pl.DataFrame, columns: list[str], twin: TwinSettings, random: np.random.Generator
) -> pl.DataFrame:
    """Some rows show their dates as 20260330, others as 30-03-2026."""
    hit = _traps(frame, twin.other_date_format_share, random)
    is_compact = _traps(frame, 0.5, random)
    text = [pl.col(c).str.to_date("%Y-%m-%d") for c in columns]
    return frame.with_columns(
        pl.when(hit & is_compact)
        .then(day.dt.to_string("%Y%m%d"))
        .when(hit)
        .then(day.dt.to_string("%d-%m-%Y"))
        .otherwise(column)
        .alias(column)
        for column, day in zip(columns, text, strict=True)
    )


def _with_lost_zeros(
    frame: pl.DataFrame, twin: TwinSettings, random: np.random.Generator
) -> pl.DataFrame:
    hit = _traps(frame, twin.lost_zeros_share, random)
    bare = pl.col("cust_number").str.strip_chars_start("0")
    return frame.with_columns(pl.when(hit).then(bare).otherwise("cust_number").alias("cust_number"))


def _with_duplicates(
    frame: pl.DataFrame, twin: TwinSettings, random: np.random.Generator
) -> pl.DataFrame:
    again = frame.filter(_traps(frame, twin.duplicate_row_share, random))
    return pl.concat([frame, again])
