select
    o.id as order_id,
    o.customer,
    cast(o.ordered_at as date) as ordered_at,
    sum(i.price) as amount
from {{ ref('raw_orders') }} as o
join {{ ref('raw_items') }} as i on i.order_id = o.id
group by all
