-- Decided deductions to post: an FI document of its own, cleared against the residual later.
select
    * exclude (kind, invoice_document, invoice_number, item_text),
    posting_date as document_date,
    left(invoice_number, 16) as invoice_number,
    left(item_text, 50) as item_text
from {{ ref('int_credit_memos_wanted') }}
where kind = 'sap_s4hana'
