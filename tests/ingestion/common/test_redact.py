import pytest

from ingestion.common.redact import mask_account, redact


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ('{"password":"hunter2 with \\" quote"}', "hunter2"),
        ("grant_type=password&client_secret=s3cr3t&x=1", "s3cr3t"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("token Bearer abc.def.ghi was refused", "abc.def.ghi"),
        ("<sessionId>00D!AQ.x</sessionId>", "00D!AQ.x"),
        ('"BPTaxNumber":"DE123456789"', "DE123456789"),
        ('"BankAccount" : "0012345678"', "0012345678"),
        ("account DE89370400440532013000 is wrong", "DE89370400440532013000"),
        ("account DE89 3704 0044 0532 0130 00 is wrong", "3704 0044"),
        ("https://user:pw@host/path", "user:pw"),
        ("Set-Cookie: SAP_SESSIONID=abcdef", "abcdef"),
    ],
)
def test_secrets_accounts_and_tax_numbers_never_show(text: str, secret: str) -> None:
    assert secret not in redact(text)


@pytest.mark.parametrize(
    "text", ["document 1800000123 of U001", "amount 12.30 USD", "customer 0140105686 is blocked"]
)
def test_what_people_need_stays(text: str) -> None:
    assert redact(text) == text


def test_long_text_is_cut_with_its_length() -> None:
    assert redact("x" * 2000, length_max=10) == "xxxxxxxxxx… (2000 characters)"


def test_an_account_keeps_its_last_four() -> None:
    assert mask_account("DE89 3704 0044 0532 0130 00") == "****3000"
    assert mask_account("123") == "****"
