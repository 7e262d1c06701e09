"""camt.053 statements for tests, as text beside the assertions, right or wrong on purpose."""

from dataclasses import dataclass

__all__ = ["Movement", "statement"]


@dataclass(frozen=True, slots=True)
class Movement:
    """One entry, a credit unless it gives money back. ``amount`` is text, so that it can be wrong.

    ``account`` is the payer's; ``returns`` names the payment that the bank takes back.
    """

    reference: str
    amount: str
    text: str = "no reference given"
    payer: str = "Nobody we know"
    account: str = ""
    returns: str = ""


def statement(
    account: str,
    number: int,
    day: str,
    *movements: Movement,
    opening: str,
    closing: str,
    currency: str = "USD",
) -> str:
    """One statement of one account; balances and currency are as given."""
    entries = "\n".join(_entry(one, day, currency) for one in movements)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>
<GrpHdr><MsgId>{account[-6:]}-{number}</MsgId><CreDtTm>{day}T22:30:00Z</CreDtTm></GrpHdr>
<Stmt><Id>TEST-{account[-6:]}-{number}</Id><ElctrncSeqNb>{number}</ElctrncSeqNb>
<CreDtTm>{day}T22:30:00Z</CreDtTm>
<Acct><Id><IBAN>{account}</IBAN></Id><Ccy>{currency}</Ccy></Acct>
{_balance("OPBD", opening, day, currency)}
{_balance("CLBD", closing, day, currency)}
{entries}
</Stmt></BkToCstmrStmt></Document>
"""


def _balance(code: str, amount: str, day: str, currency: str) -> str:
    side = "DBIT" if amount.startswith("-") else "CRDT"
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
        f'<Amt Ccy="{currency}">{amount.removeprefix("-")}</Amt><CdtDbtInd>{side}</CdtDbtInd>'
        f"<Dt><Dt>{day}</Dt></Dt></Bal>"
    )


def _entry(one: Movement, day: str, currency: str) -> str:
    payer_account = (
        f"<DbtrAcct><Id><IBAN>{one.account}</IBAN></Id></DbtrAcct>" if one.account else ""
    )
    is_return = bool(one.returns)
    original = f"<Prtry><Tp>ORIGINAL</Tp><Ref>{one.returns}</Ref></Prtry>" if is_return else ""
    return f"""<Ntry><Amt Ccy="{currency}">{one.amount}</Amt>
<CdtDbtInd>{"DBIT" if is_return else "CRDT"}</CdtDbtInd>{"<RvslInd>true</RvslInd>" * is_return}
<Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt>
<AcctSvcrRef>{one.reference}</AcctSvcrRef>
<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd>
<NtryDtls><TxDtls><Refs><AcctSvcrRef>{one.reference}</AcctSvcrRef>{original}</Refs>
<RltdPties><Dbtr><Pty><Nm>{one.payer}</Nm></Pty></Dbtr>{payer_account}</RltdPties>
<RmtInf><Ustrd>{one.text}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"""
