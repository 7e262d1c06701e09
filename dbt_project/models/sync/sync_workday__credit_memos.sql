-- Decided deductions: an adjustment that lowers the invoice, applied to it by Workday itself.
select
    * exclude (kind, invoice_number, item_text),
    left(item_text, 200) as item_text
from {{ ref('int_credit_memos_wanted') }}
where kind = 'workday'
