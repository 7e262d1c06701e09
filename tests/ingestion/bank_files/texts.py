"""Small BAI2, lockbox and X12 files for tests; trailers count right unless told otherwise."""

from collections.abc import Sequence


def bai2(
    transactions: Sequence[str],
    *,
    opening: int | None = 10_000,
    closing: int | None = None,
    total: int = 0,
    modifier: str = "2",
    status: str = "1",
    account: str = "US-001",
    currency: str = "USD",
    day: str = "260105",
    records: int = 0,
    end: str = "/",
) -> bytes:
    """One account. ``transactions`` are records without code and end: ``195,1,,REF,CUST,text``."""
    balances = "" if opening is None else f",010,{opening},,"
    if closing is not None:
        balances += f",015,{closing},,"
    lines = [f"03,{account},{currency}{balances}{end}"]
    for one in transactions:
        first, *more = one.split("\n")
        lines += [f"16,{first}{end}", *(f"88,{text}{end}" for text in more)]
    units = (opening or 0) + (closing or 0) + total
    units += sum(int(one.split(",")[1]) for one in transactions)
    count = records or len(lines) + 1
    lines.append(f"49,{units},{count}{end}")
    return "\n".join(
        [
            f"01,BANK,US,{day},0700,1,,,2{end}",
            f"02,US,BANK,{status},{day},2359,{currency},{modifier}{end}",
            *lines,
            f"98,{units},1,{len(lines) + 2}{end}",
            f"99,{units},1,{len(lines) + 4}{end}",
        ]
    ).encode()


def x12(kind: str, *segments: str, count: int | None = None, control: str = "0001") -> bytes:
    """One transaction set in its envelope."""
    isa = (
        "ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       *260105*0700*U*00401"
        "*000000007*0*P*>~"
    )
    body = "".join(f"{one}~\n" for one in segments)
    counted = len(segments) + 2 if count is None else count
    return (
        f"{isa}\nGS*RA*S*R*20260105*0700*7*X*004010~\nST*{kind}*0001~\n{body}"
        f"SE*{counted}*{control}~\nGE*1*7~\nIEA*1*000000007~\n"
    ).encode()


def lockbox(
    checks: Sequence[tuple[int, str, str, Sequence[tuple[str, int]]]],
    *,
    number: str = "0068751",
    total: int | None = None,
    records: int | None = None,
) -> bytes:
    """One batch. A check is cents, number, payer and its invoices (number, cents)."""
    lines = [
        "100DESTINATIOORIGIN00002601050700",
        "2DESTINATIOORIGIN0000REFERENCE140080080012",
        f"5001001{number}260105DESTINATIOORIGIN0000",
    ]
    for item, (cents, check, payer, invoices) in enumerate(checks, 1):
        lines.append(f"6001{item:03d}{cents:010d}021000021{4711 + item:010d}{check:>010}{payer}")
        for sequence, (invoice, paid) in enumerate(invoices, 1):
            lines.append(f"4001{item:03d}6{sequence:02d}0{invoice:<15}{paid:010d}")
    cents = sum(one[0] for one in checks) if total is None else total
    lines.append(f"7001{len(checks):03d}{number}260105{len(checks):03d}{cents:010d}")
    lines.append(f"8001{len(checks):03d}{number}260105{len(checks):04d}{cents:010d}")
    lines.append(f"9{(records if records is not None else len(lines) + 1):06d}")
    return ("\n".join(lines) + "\n").encode()
