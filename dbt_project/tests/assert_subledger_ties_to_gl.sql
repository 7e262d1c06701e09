-- Per company, the sub-ledger equals the G/L control account to the cent, in company currency. A
-- warning: a difference blocks the postings of that company (guards), not the truth of the others.
select *
from {{ ref('rec_gl_ties') }}
where not is_tied
