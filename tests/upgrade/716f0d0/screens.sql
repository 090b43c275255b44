CREATE SCHEMA bakery;
CREATE TABLE bakery._sluice_deliveries (
    object text NOT NULL,
    delivery_id text NOT NULL,
    export text NOT NULL,
    partition_key text NOT NULL,
    rows bigint NOT NULL,
    digest text NOT NULL,
    delivered_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE bakery.shop_orders (
    business_date date NOT NULL,
    shop text NOT NULL,
    loaves bigint,
    rain_mm numeric(6,1)
);
INSERT INTO bakery._sluice_deliveries VALUES ('"bakery"."shop_orders"', 'ee9f9a422920ee9d82d36a76f4661994', 'exp_shop_orders', '2024-01-01', 2, 'duckdb-v1.5.5:2:14612485335641096902:3515615799844666548', '2026-11-29 00:40:13.90006+00');
INSERT INTO bakery.shop_orders VALUES ('2024-01-01', 'a', 3, 1.5);
INSERT INTO bakery.shop_orders VALUES ('2024-01-01', 'b', 4, 1.5);
ALTER TABLE ONLY bakery._sluice_deliveries
    ADD CONSTRAINT _sluice_deliveries_pkey PRIMARY KEY (object, delivery_id);
ALTER TABLE ONLY bakery.shop_orders
    ADD CONSTRAINT shop_orders_pkey PRIMARY KEY (business_date, shop);
