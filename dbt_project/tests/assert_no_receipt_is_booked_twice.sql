-- No receipt has more than one live posting in the ERP, counted per external key. A warning: a
-- person reverses one of them; the hub posts nothing more for that receipt.
select
    receipt_id,
    system_id,
    company_code,
    amount,
    currency_code,
    booking_count
from {{ ref('fct_receipts') }}
where booking_count > 1
