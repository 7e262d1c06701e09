"""Bank files: the raw tables and the limits of the inbox. Data only."""

from ingestion.common.objects import ObjectSpec, fields_of

__all__ = [
    "FILE_BYTES_MAX",
    "IGNORED_SUFFIXES",
    "MARKER_SUFFIX",
    "OBJECTS",
    "SETTLE_SECONDS",
    "STABLE_SECONDS",
]

#: Names that are not (yet) a statement: half-written files, markers and acknowledgements.
IGNORED_SUFFIXES = frozenset({".tmp", ".part", ".filepart", ".done", ".ctl", ".ack"})
#: ``<name>.done`` beside a file says that it is whole.
MARKER_SUFFIX = ".done"
#: Without a marker a file is whole when it was last written so long ago …
SETTLE_SECONDS = 10.0
#: … or, when younger, when neither size nor time changes during this wait.
STABLE_SECONDS = 0.5
#: A statement larger than this is refused, not parsed.
FILE_BYTES_MAX = 1_000_000_000

OBJECTS: tuple[ObjectSpec, ...] = (
    # The file's name belongs to the key: a second copy under another name is a row of its own.
    ObjectSpec(
        "files",
        "",
        fields_of(
            """file_sha256 file_name bytes:integer status reason_code reason statements:integer
            entries:integer received_at:timestamp"""
        ),
        ("file_sha256", "file_name"),
        keeps_vanished=True,
    ),
    ObjectSpec(
        "statements",
        "",
        fields_of(
            """statement_id vendor_id account currency_code sequence_number opening_amount:money
            closing_amount:money opening_date:date closing_date:date created_at:timestamp
            file_sha256"""
        ),
        ("statement_id",),
        keeps_vanished=True,
    ),
    ObjectSpec(
        "entries",
        "",
        fields_of(
            """receipt_id statement_id account position:integer amount:money currency_code
            booking_date:date value_date:date status is_reversal:flag account_servicer_reference
            end_to_end_id entry_reference remittance_text structured_references creditor_reference
            payer_name payer_account ultimate_payer_name bank_code"""
        ),
        ("receipt_id",),
        keeps_vanished=True,
    ),
)
