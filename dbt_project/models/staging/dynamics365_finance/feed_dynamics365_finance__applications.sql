-- Settlements in the shape of every ERP: the product writes one row for each side of a settlement,
-- signed like the transaction it belongs to.
select
    settlements.system_id,
    upper(settlements.dataAreaId) as company_code,
    strftime({{ d365_date('transactions.TransDate') }}, '%Y') as fiscal_year,
    cast(settlements.TransRecId as varchar) as accounting_document,
    '001' as accounting_document_item,
    {{ d365_date('settlements.TransDate') }} as applied_date,
    settlements.SettleAmountCur as amount,
    settlements.SettleAmountMST as amount_company,
    cast(settlements.OffsetRecId as varchar) as applying_document
from {{ source('dynamics365_finance_raw', 'customer_settlements') }} as settlements
inner join {{ source('dynamics365_finance_raw', 'customer_transactions') }} as transactions
    on
        settlements.system_id = transactions.system_id
        and settlements.dataAreaId = transactions.dataAreaId
        and settlements.TransRecId = transactions.RecId
