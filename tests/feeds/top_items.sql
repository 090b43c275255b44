-- What both exports must hold, worked out in one go, over all days, straight from the published files.
--
-- Written from the business rules as the models' descriptions and the project's vars tell them, in another
-- shape than the models: no model, no platform, no day at a time. The variables are the rules' numbers; a
-- test that turns one of them sees whether the feeds would tell.
--
--   feeds                            the folder with sales/, inventory/, stores.csv.gz and products.csv.gz
--   first_day, last_day              the days to work out
--   window_days, season_days         28 days of sales; a season of 365 days
--   top_items, items_a_store         the first 100 of a city; at most 10 shown to a store
--   returns                          whether returns take away what was sold
--   active_only                      whether stores that may not order are left out
--   closed_stores                    whether sales of stores that have closed count as demand
--   ties_by_item                     whether the lower of two item numbers with equal sales comes first
create or replace temp table stores as
select
    "Store" as store_number,
    "City" as city,
    "Store Status" = 'A' as active
from read_csv(getvariable('feeds') || '/stores.csv.gz', all_varchar = true);

create or replace temp table products as
select
    "Item Number" as item_number,
    "Item Description" as item_description,
    "Category Name" as category_name,
    "Vendor" as vendor_number,
    trim(regexp_replace("Vendor Name", '\s+', ' ', 'g')) as vendor_name,
    "Bottle Volume (ml)"::integer as bottle_volume_ml,
    "State Bottle Retail"::decimal(12, 2) as state_bottle_retail,
    case when "Category Name" = 'TEMPORARY & SPECIALTY PACKAGES' then "List Date"::date end as season_from
from read_csv(getvariable('feeds') || '/products.csv.gz', all_varchar = true);

create or replace temp table inventory as
select
    "Date"::date as day,
    "Store Number" as store_number,
    "Item Number" as item_number,
    "Remaining Quantity"::integer as bottles
from read_csv(getvariable('feeds') || '/inventory/*.csv.gz', all_varchar = true)
where "Date"::date between getvariable('first_day')::date and getvariable('last_day')::date;

create or replace temp table bottles_a_day as
select
    "Date"::date as day,
    city,
    "Item Number" as item_number,
    sum("Bottles Sold"::integer) as bottles
from read_csv(getvariable('feeds') || '/sales/*.csv.gz', all_varchar = true)
join stores on store_number = "Store Number"
where (getvariable('returns') or "Invoice/Item Number" not like 'RINV-%')
    and (getvariable('closed_stores') or active)
group by all;

create or replace temp table days as
select unnest(generate_series(
    getvariable('first_day')::date, getvariable('last_day')::date, interval 1 day
))::date as day;

create or replace temp table top_items as
with sold as (
    select days.day, city, item_number, sum(bottles) as bottles
    from days
    join bottles_a_day as line
        on line.day <= days.day and line.day > days.day - getvariable('window_days')::integer
    group by all
    having sum(bottles) > 0
),

placed as (
    select
        sold.*,
        row_number() over (
            partition by day, city
            order by
                bottles desc,
                case when getvariable('ties_by_item') then item_number end,
                item_number desc
        ) as place
    from sold
    join products using (item_number)
    where season_from is null
        or (day >= season_from and day < season_from + getvariable('season_days')::integer)
)

select * from placed
where place <= getvariable('top_items');

create or replace temp table shelves as
with reporting as (
    select distinct day, store_number, city
    from inventory
    join stores using (store_number)
    where active or not getvariable('active_only')
)

select
    day,
    city,
    store_number,
    item_number,
    place,
    top_items.bottles,
    coalesce(inventory.bottles, 0) > 0 as carried
from reporting
join top_items using (day, city)
left join inventory using (day, store_number, item_number);

create or replace temp view expected_app as
select
    day as business_date,
    store_number,
    row_number() over (partition by day, store_number order by place) as store_rank,
    item_number,
    item_description,
    category_name,
    bottle_volume_ml,
    state_bottle_retail,
    city,
    place as city_rank,
    bottles as city_net_bottles
from shelves
join products using (item_number)
where not carried
qualify store_rank <= getvariable('items_a_store');

create or replace temp view expected_partner as
select
    day as business_date,
    city,
    item_number,
    item_description,
    category_name,
    vendor_number,
    vendor_name,
    place as city_rank,
    bottles as city_net_bottles,
    count(*) as stores_reporting,
    count(*) filter (where not carried) as stores_without
from shelves
join products using (item_number)
group by all
having stores_without > 0;
