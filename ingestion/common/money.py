"""Money: exact decimals with their currency, and the only place that rounds.

Raw and canonical money is ``decimal(28,6)``; in Python it is ``Decimal``. A float never becomes
money. Minor-unit digits follow ISO 4217; a currency that is not listed is refused, not guessed.
"""

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

from ingestion.common.errors import InputRefused

__all__ = ["MINOR_DIGITS", "canonical_text", "minor_digits", "parse_amount", "round_money"]

#: ISO 4217 minor-unit digits of the active currencies (facts of the standard).
_CURRENCIES_BY_DIGITS: dict[int, str] = {
    2: """
        AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD
        CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP
        GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD
        LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB
        PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC
        SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW ZWG
    """,
    0: """
        BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF
    """,
    3: """
        BHD IQD JOD KWD LYD OMR TND
    """,
}
MINOR_DIGITS: dict[str, int] = {
    code: digits for digits, codes in _CURRENCIES_BY_DIGITS.items() for code in codes.split()
}


def minor_digits(currency_code: str, *, where: str = "") -> int:
    """Digits after the point of a currency. Raises InputRefused for a currency ISO 4217 lacks."""
    try:
        return MINOR_DIGITS[currency_code]
    except KeyError:
        raise InputRefused(
            f"unknown currency {currency_code!r}{' in ' + where if where else ''}: "
            "use its ISO 4217 code, or add the currency to ingestion/common/money.py",
            code="unknown_currency",
            where=where,
        ) from None


def parse_amount(text: str, currency_code: str, *, where: str = "") -> Decimal:
    """Text to an exact amount of a currency.

    Raises:
        InputRefused: not a number (``bad_amount``), an unknown currency, or more decimals than the
            currency has (``too_many_decimals``); trailing zeros do not count as decimals.
    """
    digits = minor_digits(currency_code, where=where)
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise InputRefused(
            f"{text!r} is not an amount{' in ' + where if where else ''}: expected digits with a "
            "decimal point",
            code="bad_amount",
            where=where,
        )
    if amount != round_money(amount, currency_code):
        raise InputRefused(
            f"{text} {currency_code} has more than {digits} decimals"
            f"{' in ' + where if where else ''}: ask the sender for a correct file",
            code="too_many_decimals",
            where=where,
        )
    return amount


def round_money(amount: Decimal, currency_code: str) -> Decimal:
    """Round half to even at the currency's minor unit: the only rounding in the product."""
    return amount.quantize(Decimal(1).scaleb(-minor_digits(currency_code)), ROUND_HALF_EVEN)


def canonical_text(amount: Decimal) -> str:
    """One text per value, for payloads and hashes: no exponent, trailing zeros or minus zero."""
    if not amount:
        return "0"
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
