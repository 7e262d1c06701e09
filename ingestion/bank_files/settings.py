"""Bank files: the raw tables and the limits of the inbox. Data only."""

from ingestion.common.objects import ObjectSpec, fields_of

__all__ = [
    "CHUNK_ROWS",
    "FILE_BYTES_MAX",
    "IGNORED_SUFFIXES",
    "OBJECTS",
    "RETRY_MARKER",
    "SETTLE_SECONDS",
    "STABLE_SECONDS",
    "WHOLE_MARKERS",
]

#: Names that are not (yet) a statement: half-written files, markers and acknowledgements.
IGNORED_SUFFIXES = frozenset(
    {".tmp", ".part", ".filepart", ".done", ".ok", ".ctl", ".ack", ".retry"}
)
#: ``<name>.done`` or ``<name>.ok`` beside a file says that it is whole (option ``whole_markers``).
WHOLE_MARKERS = (".done", ".ok")
#: ``<name>.retry`` beside a refused file: a person wants it read again.
RETRY_MARKER = ".retry"
#: Without a marker a file is whole when it was last written so long ago …
SETTLE_SECONDS = 10.0
#: … or, when younger, when neither size nor time changes during this wait.
STABLE_SECONDS = 0.5
#: A statement larger than this is refused, not parsed.
FILE_BYTES_MAX = 1_000_000_000
#: Entries made into rows at a time.
CHUNK_ROWS = 10_000

_ENTRY_FIELDS = """statement_id account position:integer amount:money currency_code
    booking_date:date value_date:date status is_reversal:flag account_servicer_reference
    end_to_end_id entry_reference remittance_text structured_references creditor_reference
    payer_name payer_account ultimate_payer_name bank_code virtual_account batch_reference
    original_reference return_reason transactions:integer"""

OBJECTS: tuple[ObjectSpec, ...] = (
    # The file's name belongs to the key: a second copy under another name is a row of its own.
    ObjectSpec(
        "files",
        "",
        fields_of(
            """file_sha256 file_name bytes:integer status reason_code reason statements:integer
            entries:integer received_at:timestamp format remittances:integer"""
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
            file_sha256 kind"""
        ),
        ("statement_id",),
        keeps_vanished=True,
    ),
    ObjectSpec(
        "entries",
        "",
        fields_of(f"receipt_id {_ENTRY_FIELDS}"),
        ("receipt_id",),
        keeps_vanished=True,
    ),
    # Payments that a notice names; a statement that books them makes them entries.
    ObjectSpec(
        "notices",
        "",
        fields_of(f"notice_id {_ENTRY_FIELDS} receipt_id is_settled:flag file_sha256"),
        ("notice_id",),
        keeps_vanished=True,
    ),
    ObjectSpec(
        "remittance_lines",
        "",
        fields_of(
            """remittance_line_id receipt_id statement_id remittance_id trace_reference payer_name
            payer_account payment_amount:money currency_code payment_date:date position:integer
            reference reference_kind amount_paid:money amount_original:money
            discount_amount:money adjustment_amount:money adjustment_code adjustment_text
            file_sha256"""
        ),
        ("remittance_line_id",),
        keeps_vanished=True,
    ),
)
