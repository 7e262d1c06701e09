{% snapshot customer_links_versions %}
    {{ config(
        unique_key=['system_id', 'native_id', 'customer_id', 'relation'],
        strategy='check',
        check_cols=['how'],
        hard_deletes='invalidate'
    ) }}
    -- Which CRM account stood for which customer, and from when to when.
    select
        links.system_id,
        links.native_id,
        links.customer_id,
        links.relation,
        links.how,
        run.run_id as first_run_id
    from {{ ref('dim_customer_links') }} as links
    cross join {{ source('config', 'run') }} as run
{% endsnapshot %}
