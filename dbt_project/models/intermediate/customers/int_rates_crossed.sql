-- One stored rate for every pair of currencies, from the two rates against the group currency.
with rates as (
    select * from {{ source('config', 'rates') }}
),

crossed as (
    select
        source_rates.currency_code as source_currency_code,
        target_rates.currency_code as target_currency_code,
        cast(
            case
                when source_rates.currency_code = target_rates.currency_code then 1
                else source_rates.rate_to_group / target_rates.rate_to_group
            end as decimal(18, 8)
        ) as rate
    from rates as source_rates
    cross join rates as target_rates
)

select * from crossed
