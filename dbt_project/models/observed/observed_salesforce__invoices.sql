-- What the CRM's invoices show.
with invoices as (
    select * from {{ ref('stg_salesforce__ar_invoices') }}
    where not is_deleted and item_key is not null
)

select
    system_id,
    item_key as object_key,
    account_id,
    company_code,
    currency_code,
    invoice_number,
    {{ money_text('amount') }} as amount,
    {{ money_text('amount_open') }} as open_amount,
    {{ date_text('invoice_date') }} as invoice_date,
    {{ date_text('due_date') }} as due_date,
    status,
    aging_bucket,
    {{ date_text('as_of_date') }} as as_of_date,
    id as native_id
from invoices
