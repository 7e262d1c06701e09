-- Decided deductions to post: a free text invoice with a negative amount that corrects the invoice,
-- on the account of allowances or of write-offs.
select
    * exclude (kind, invoice_document, item_text),
    left(item_text, 60) as item_text
from {{ ref('int_credit_memos_wanted') }}
where kind = 'dynamics365_finance'
