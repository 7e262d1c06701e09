-- Decided deductions to post: a credit note for each, applied to the invoice that it is about.
select
    * exclude (kind, invoice_document, item_text),
    posting_date as document_date,
    left(item_text, 80) as item_text
from {{ ref('int_credit_memos_wanted') }}
where kind = 'tryton'
