"""Small camt.053 documents for tests: every part can be left out or replaced."""

import re
from collections.abc import Sequence

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}"
IBAN = "DE89370400440532013000"


def balance(
    kind: str, amount: str, currency: str = "EUR", side: str = "CRDT", day: str = "2026-01-05"
) -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp>"
        f'<Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd>'
        f"<Dt><Dt>{day}</Dt></Dt></Bal>"
    )


def entry(
    amount: str,
    *,
    currency: str = "EUR",
    side: str = "CRDT",
    status: str = "<Sts>BOOK</Sts>",
    reference: str = "",
    details: str = "",
    extra: str = "",
    dates: str = "<BookgDt><Dt>2026-01-05</Dt></BookgDt><ValDt><Dt>2026-01-06</Dt></ValDt>",
) -> str:
    ref = f"<AcctSvcrRef>{reference}</AcctSvcrRef>" if reference else ""
    inner = f"<NtryDtls>{details}</NtryDtls>" if details else ""
    return (
        f'<Ntry><Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd>{extra}{status}'
        f"{dates}{ref}<BkTxCd><Prtry><Cd>166</Cd></Prtry></BkTxCd>{inner}</Ntry>"
    )


def statement(
    entries: Sequence[str] = (),
    *,
    number: str = "1",
    statement_id: str = "",
    opening: str = "100.00",
    closing: str = "100.00",
    balances: str | None = None,
    account: str = IBAN,
    extra: str = "",
    day: str = "2026-01-05",
) -> str:
    both = balances
    if both is None:
        both = balance("OPBD", opening, day=day) + balance("CLBD", closing, day=day)
    return (
        f"<Stmt><Id>{statement_id or 'S' + number}</Id><ElctrncSeqNb>{number}</ElctrncSeqNb>"
        f"<CreDtTm>{day}T22:30:00+01:00</CreDtTm><Acct><Id><IBAN>{account}</IBAN></Id></Acct>"
        f"{both}{extra}{''.join(entries)}</Stmt>"
    )


def document(*statements: str, version: str = "02", head: str = "") -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{head}'
        f'<Document xmlns="{NAMESPACE.format(version=version)}"><BkToCstmrStmt>'
        f"<GrpHdr><MsgId>M1</MsgId></GrpHdr>{''.join(statements)}</BkToCstmrStmt></Document>"
    ).encode()


def transaction(
    amount: str,
    name: str,
    *,
    reference: str = "",
    currency: str = "EUR",
    structured: str = "",
    extra: str = "",
    parties: str = "",
) -> str:
    ref = f"<AcctSvcrRef>{reference}</AcctSvcrRef>" if reference else ""
    return (
        f"<TxDtls><Refs>{ref}<EndToEndId>E2E-{name}</EndToEndId></Refs>"
        f'<Amt Ccy="{currency}">{amount}</Amt>'
        f"<RltdPties><Dbtr><Nm>{name}</Nm></Dbtr>{parties}</RltdPties>"
        f"<RmtInf><Ustrd>INV {name}</Ustrd>{structured}</RmtInf>{extra}</TxDtls>"
    )


def line(
    number: str, paid: str, *, due: str = "", kind: str = "CINV", more: str = "", ccy: str = "EUR"
) -> str:
    owed = f'<DuePyblAmt Ccy="{ccy}">{due}</DuePyblAmt>' if due else ""
    return (
        f"<Strd><RfrdDocInf><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Nb>{number}</Nb>"
        f'</RfrdDocInf><RfrdDocAmt>{owed}{more}<RmtdAmt Ccy="{ccy}">{paid}</RmtdAmt></RfrdDocAmt>'
        "</Strd>"
    )


def as_notice(content: bytes) -> bytes:
    """A camt.053 as the camt.054 with the same entries."""
    return (
        _without_balances(content).replace(b"camt.053", b"camt.054").replace(b"Stmt>", b"Ntfctn>")
    )


def as_interim(content: bytes) -> bytes:
    """A camt.053 as the camt.052 with the same entries."""
    return _without_balances(content).replace(b"camt.053", b"camt.052").replace(b"Stmt>", b"Rpt>")


def _without_balances(content: bytes) -> bytes:
    return re.sub(rb"<Bal>.*?</Bal>", b"", content)
