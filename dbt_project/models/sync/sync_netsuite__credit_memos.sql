-- Decided deductions to post: a credit memo made of the invoice and applied to it, with an item for
-- allowances or for write-offs.
select
    * exclude (kind, invoice_number, item_text),
    left(item_text, 80) as item_text
from {{ ref('int_credit_memos_wanted') }}
where kind = 'netsuite'
