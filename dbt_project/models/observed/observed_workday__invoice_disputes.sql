-- What Workday's invoices say of a dispute.
select
    system_id,
    upper(WID) as object_key,
    {{ money_text('Dispute_Amount') }} as dispute_amount,
    {{ date_text('Dispute_Date') }} as dispute_date,
    Dispute_Reason_Reference as dispute_reason,
    WID as native_id
from {{ source('workday_raw', 'customer_invoices') }}
where Document_Status = 'Approved'
