{% snapshot credit_terms_versions %}
    {{ config(
        unique_key=['customer_id', 'credit_segment'],
        strategy='check',
        check_cols=[
            'segment_currency', 'limit_kind', 'limit_amount', 'limit_valid_until', 'is_blocked',
            'block_reason'
        ],
        hard_deletes='invalidate'
    ) }}
    -- What a customer's limit and hold were, and from when to when the ERP showed them so.
    select
        credit.system_id,
        credit.customer_id,
        credit.customer,
        credit.credit_segment,
        credit.segment_currency,
        credit.limit_kind,
        credit.limit_amount,
        credit.limit_valid_until,
        credit.is_blocked,
        credit.block_reason,
        run.run_id as first_run_id
    from {{ ref('fct_credit') }} as credit
    cross join {{ source('config', 'run') }} as run
{% endsnapshot %}
