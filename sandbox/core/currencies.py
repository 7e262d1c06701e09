"""How many decimals a currency has (ISO 4217), for books that refuse what cannot be paid.

The sandbox keeps its own short list on purpose: an oracle must not share code with what it judges.
"""

__all__ = ["minor_digits"]

_BY_DIGITS = {
    0: "CLP ISK JPY KRW PYG VND XAF XOF XPF",
    2: (
        "AED ARS AUD BGN BRL CAD CHF CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR KES MAD MXN "
        "MYR NGN NOK NZD PEN PHP PKR PLN QAR RON RSD SAR SEK SGD THB TRY TWD UAH USD UYU ZAR"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
}
_DIGITS = {code: digits for digits, codes in _BY_DIGITS.items() for code in codes.split()}


def minor_digits(currency_code: str) -> int | None:
    """Decimals of a currency, or None when the sandbox's books do not know it."""
    return _DIGITS.get(currency_code)
