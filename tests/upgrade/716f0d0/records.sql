CREATE TABLE public.acknowledgements (
    delivery_id character varying(64) NOT NULL,
    first_row bigint NOT NULL,
    end_row bigint NOT NULL
);
CREATE TABLE public.bases (
    export character varying(200) NOT NULL,
    scope character varying(100) NOT NULL,
    after_id bigint NOT NULL,
    shard text NOT NULL,
    row_count bigint NOT NULL,
    shape character varying(64) NOT NULL,
    hashed_by character varying(40) NOT NULL
);
CREATE TABLE public.builds (
    id bigint NOT NULL,
    relation character varying(300) NOT NULL,
    partition_key character varying(100) NOT NULL,
    version character varying(100) NOT NULL,
    drop_ordinal integer,
    row_count bigint,
    run_id character varying(100) NOT NULL,
    built_at timestamp with time zone NOT NULL
);
CREATE SEQUENCE public.builds_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.builds_id_seq OWNED BY public.builds.id;
CREATE TABLE public.deliveries (
    id bigint NOT NULL,
    delivery_id character varying(64) NOT NULL,
    export character varying(200) NOT NULL,
    partition_key character varying(100) NOT NULL,
    version character varying(100) NOT NULL,
    digest character varying(100) NOT NULL,
    row_count bigint NOT NULL,
    shard text NOT NULL,
    status character varying(20) NOT NULL,
    location text NOT NULL,
    run_id character varying(100) NOT NULL,
    planned_at timestamp with time zone NOT NULL,
    acknowledged_at timestamp with time zone,
    scope character varying(100) DEFAULT ''::character varying NOT NULL,
    kind character varying(20) DEFAULT ''::character varying NOT NULL,
    mode character varying(20) DEFAULT ''::character varying NOT NULL,
    whole boolean DEFAULT false NOT NULL,
    supersedes character varying(64) DEFAULT ''::character varying NOT NULL,
    key text DEFAULT ''::text NOT NULL,
    shape character varying(64) DEFAULT ''::character varying NOT NULL,
    hashed_by character varying(40) DEFAULT ''::character varying NOT NULL,
    added bigint DEFAULT '0'::bigint NOT NULL,
    changed bigint DEFAULT '0'::bigint NOT NULL,
    removed bigint DEFAULT '0'::bigint NOT NULL,
    unchanged bigint DEFAULT '0'::bigint NOT NULL,
    shard_rows bigint DEFAULT '0'::bigint NOT NULL,
    sent_to bigint DEFAULT '0'::bigint NOT NULL,
    refused bigint DEFAULT '0'::bigint NOT NULL,
    reasons json,
    decided_by character varying(200) DEFAULT ''::character varying NOT NULL,
    decision text DEFAULT ''::text NOT NULL,
    decided_at timestamp with time zone
);
CREATE SEQUENCE public.deliveries_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.deliveries_id_seq OWNED BY public.deliveries.id;
CREATE TABLE public.delivery_notes (
    delivery_id character varying(64) NOT NULL,
    name character varying(200) NOT NULL,
    value text NOT NULL
);
CREATE TABLE public.drop_files (
    drop_id bigint NOT NULL,
    path text NOT NULL,
    digest character varying(64) NOT NULL,
    size_bytes bigint NOT NULL
);
CREATE TABLE public.drops (
    id bigint NOT NULL,
    source character varying(200) NOT NULL,
    partition_key character varying(100) NOT NULL,
    ordinal integer NOT NULL,
    digest character varying(64) NOT NULL,
    file text,
    size_bytes bigint NOT NULL,
    marker_stamp character varying(200) NOT NULL,
    landed_at timestamp with time zone NOT NULL
);
CREATE SEQUENCE public.drops_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.drops_id_seq OWNED BY public.drops.id;
CREATE TABLE public.evidence (
    id bigint NOT NULL,
    relation character varying(300) NOT NULL,
    partition_key character varying(100) NOT NULL,
    check_name character varying(300) NOT NULL,
    version character varying(100) NOT NULL,
    passed boolean NOT NULL,
    summary text NOT NULL,
    run_id character varying(100) NOT NULL,
    judged_at timestamp with time zone NOT NULL
);
CREATE SEQUENCE public.evidence_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.evidence_id_seq OWNED BY public.evidence.id;
CREATE TABLE public.forgotten_keys (
    id bigint NOT NULL,
    export character varying(200) NOT NULL,
    salt character varying(64) NOT NULL,
    key_digest character varying(64) NOT NULL,
    found bigint NOT NULL,
    outcome text NOT NULL,
    reason text NOT NULL,
    forgotten_by character varying(200) NOT NULL,
    forgotten_at timestamp with time zone NOT NULL
);
CREATE SEQUENCE public.forgotten_keys_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.forgotten_keys_id_seq OWNED BY public.forgotten_keys.id;
CREATE TABLE public.holds (
    export character varying(200) NOT NULL,
    partition_key character varying(100) NOT NULL,
    reasons json NOT NULL,
    run_id character varying(100) NOT NULL,
    held_at timestamp with time zone NOT NULL
);
CREATE TABLE public.leases (
    object character varying(700) NOT NULL,
    token character varying(64) NOT NULL,
    host character varying(200) NOT NULL,
    process integer NOT NULL,
    until timestamp with time zone NOT NULL
);
CREATE TABLE public.refusals (
    delivery_id character varying(64) NOT NULL,
    "row" bigint NOT NULL,
    code character varying(200) NOT NULL,
    said text NOT NULL
);
CREATE TABLE public.refused_keys (
    export character varying(200) NOT NULL,
    scope character varying(100) NOT NULL,
    key character varying(700) NOT NULL,
    row_hash character varying(40) NOT NULL,
    delivery_id character varying(64) NOT NULL,
    code character varying(200) NOT NULL,
    said text NOT NULL,
    attempts integer NOT NULL,
    first_refused_at timestamp with time zone NOT NULL,
    next_try_at timestamp with time zone
);
CREATE TABLE public.releases (
    id bigint NOT NULL,
    export character varying(200) NOT NULL,
    relation character varying(300) NOT NULL,
    partition_key character varying(100) NOT NULL,
    checks json NOT NULL,
    reason text NOT NULL,
    released_by character varying(200) NOT NULL,
    released_at timestamp with time zone NOT NULL,
    until timestamp with time zone NOT NULL,
    used_for_version character varying(100),
    used_at timestamp with time zone
);
CREATE SEQUENCE public.releases_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.releases_id_seq OWNED BY public.releases.id;
CREATE TABLE public.requests (
    relation character varying(300) NOT NULL,
    partition_key character varying(100) NOT NULL,
    made_of character varying(64) NOT NULL,
    run_key character varying(64) NOT NULL
);
ALTER TABLE ONLY public.builds ALTER COLUMN id SET DEFAULT nextval('public.builds_id_seq'::regclass);
ALTER TABLE ONLY public.deliveries ALTER COLUMN id SET DEFAULT nextval('public.deliveries_id_seq'::regclass);
ALTER TABLE ONLY public.drops ALTER COLUMN id SET DEFAULT nextval('public.drops_id_seq'::regclass);
ALTER TABLE ONLY public.evidence ALTER COLUMN id SET DEFAULT nextval('public.evidence_id_seq'::regclass);
ALTER TABLE ONLY public.forgotten_keys ALTER COLUMN id SET DEFAULT nextval('public.forgotten_keys_id_seq'::regclass);
ALTER TABLE ONLY public.releases ALTER COLUMN id SET DEFAULT nextval('public.releases_id_seq'::regclass);
INSERT INTO public.acknowledgements VALUES ('62377ee08d08c7d0c881a1617d31f1d7', 0, 1);
INSERT INTO public.acknowledgements VALUES ('7abe2e72dcae155ba6686525526cecb4', 0, 1);
INSERT INTO public.acknowledgements VALUES ('ee9f9a422920ee9d82d36a76f4661994', 0, 2);
INSERT INTO public.builds VALUES (1, 'raw.shops', '', '1.edabdd7706516efe.1.0.0-7d051767', 1, 2, '89340cd7-0d27-4c2a-beed-4b6237d23aaa', '2026-11-29 00:40:11.767182+00');
INSERT INTO public.builds VALUES (2, 'raw.orders', '2024-01-01', '1.2280d45e4516a2ee.1.0.0-b6734ff9', 1, 2, 'c02ea342-d973-43be-a3c6-039016bb24a8', '2026-11-29 00:40:12.027606+00');
INSERT INTO public.builds VALUES (3, 'raw.weather', '2024-01-01', '1.c9c50864c2fea083.1.0.0-b3063f91', 1, 1, 'c02ea342-d973-43be-a3c6-039016bb24a8', '2026-11-29 00:40:12.092158+00');
INSERT INTO public.builds VALUES (4, 'staging.stg_orders', '2024-01-01', '63fbee43-73a8-4c0e-a5f4-ec6eaff2b980-d0859fe7', NULL, 2, 'c02ea342-d973-43be-a3c6-039016bb24a8', '2026-11-29 00:40:12.706388+00');
INSERT INTO public.builds VALUES (5, 'staging.stg_weather', '2024-01-01', '7dc3e11d-1b39-4da0-90ad-84614acbe99c-7044381f', NULL, 1, 'c02ea342-d973-43be-a3c6-039016bb24a8', '2026-11-29 00:40:12.832985+00');
INSERT INTO public.builds VALUES (6, 'exports.exp_weather_report', '2024-01-01', '9435fc18-ca7c-47ca-876e-59888166edbf-99080c15', NULL, 1, 'c02ea342-d973-43be-a3c6-039016bb24a8', '2026-11-29 00:40:13.071131+00');
INSERT INTO public.builds VALUES (7, 'marts.shop_orders', '2024-01-01', '41fa6799-1f60-47b2-976f-2f1a77bd9c8f-658255e2', NULL, 2, 'c02ea342-d973-43be-a3c6-039016bb24a8', '2026-11-29 00:40:13.20084+00');
INSERT INTO public.builds VALUES (8, 'exports.exp_shop_orders', '2024-01-01', '902977a5-2c93-459f-b24f-38e5ca2af31f-84268bfc', NULL, 2, 'c02ea342-d973-43be-a3c6-039016bb24a8', '2026-11-29 00:40:13.728425+00');
INSERT INTO public.builds VALUES (9, 'raw.orders', '2024-01-02', '1.73b89193268899e4.1.0.0-b6734ff9', 1, 2, 'c529693d-c331-4534-aeee-728e75af7947', '2026-11-29 00:40:14.248571+00');
INSERT INTO public.builds VALUES (10, 'raw.weather', '2024-01-02', '1.90531d5adee736c7.1.0.0-b3063f91', 1, 1, 'c529693d-c331-4534-aeee-728e75af7947', '2026-11-29 00:40:14.332282+00');
INSERT INTO public.builds VALUES (11, 'staging.stg_orders', '2024-01-02', '86f5c251-747a-47f0-8a7b-767cb96a4a8a-d0859fe7', NULL, 2, 'c529693d-c331-4534-aeee-728e75af7947', '2026-11-29 00:40:14.64164+00');
INSERT INTO public.builds VALUES (12, 'staging.stg_weather', '2024-01-02', '0b3d6b85-5d6d-48e5-8a78-2c92f5c8115e-7044381f', NULL, 1, 'c529693d-c331-4534-aeee-728e75af7947', '2026-11-29 00:40:14.782369+00');
INSERT INTO public.builds VALUES (13, 'exports.exp_weather_report', '2024-01-02', 'f08ea044-3f98-487b-9993-4c9ea585e523-99080c15', NULL, 1, 'c529693d-c331-4534-aeee-728e75af7947', '2026-11-29 00:40:15.116605+00');
INSERT INTO public.builds VALUES (14, 'marts.shop_orders', '2024-01-02', 'e7197380-8152-4934-8756-681c0c54f655-658255e2', NULL, 2, 'c529693d-c331-4534-aeee-728e75af7947', '2026-11-29 00:40:15.521866+00');
INSERT INTO public.builds VALUES (15, 'exports.exp_shop_orders', '2024-01-02', '7786b0a0-f752-4926-bc5d-e936a8d7f256-84268bfc', NULL, 2, 'c529693d-c331-4534-aeee-728e75af7947', '2026-11-29 00:40:15.771697+00');
INSERT INTO public.builds VALUES (16, 'raw.orders', '2024-01-03', '1.c1a4b5fe14ee1d5e.1.0.0-b6734ff9', 1, 2, 'd9a0b394-0169-4d8c-b5b3-9aedf97f5174', '2026-11-29 00:40:16.264406+00');
INSERT INTO public.builds VALUES (17, 'raw.weather', '2024-01-03', '1.a20c6ff65587a1ec.1.0.0-b3063f91', 1, 1, 'd9a0b394-0169-4d8c-b5b3-9aedf97f5174', '2026-11-29 00:40:16.381744+00');
INSERT INTO public.builds VALUES (18, 'staging.stg_orders', '2024-01-03', 'd0281123-84cd-4fd8-a294-b8953b2f9785-d0859fe7', NULL, 2, 'd9a0b394-0169-4d8c-b5b3-9aedf97f5174', '2026-11-29 00:40:16.745319+00');
INSERT INTO public.builds VALUES (19, 'staging.stg_weather', '2024-01-03', '0cb0dfe9-2727-4862-ab39-4e517a336593-7044381f', NULL, 1, 'd9a0b394-0169-4d8c-b5b3-9aedf97f5174', '2026-11-29 00:40:16.896123+00');
INSERT INTO public.builds VALUES (20, 'raw.orders', '2024-01-04', '1.8c05f997e1770795.1.0.0-b6734ff9', 1, 2, 'e5ae8caf-e35a-4671-8a97-c5b66df58a7f', '2026-11-29 00:40:17.622219+00');
INSERT INTO public.builds VALUES (21, 'raw.weather', '2024-01-04', '1.60949cdb14927b5b.1.0.0-b3063f91', 1, 1, 'e5ae8caf-e35a-4671-8a97-c5b66df58a7f', '2026-11-29 00:40:17.726603+00');
INSERT INTO public.builds VALUES (22, 'staging.stg_orders', '2024-01-04', 'e92f9ba1-3999-4712-ab6f-f9d6c487036c-d0859fe7', NULL, 2, 'e5ae8caf-e35a-4671-8a97-c5b66df58a7f', '2026-11-29 00:40:18.233724+00');
INSERT INTO public.builds VALUES (23, 'staging.stg_weather', '2024-01-04', '17cba6c9-0720-466e-a239-3fe62f958439-7044381f', NULL, 1, 'e5ae8caf-e35a-4671-8a97-c5b66df58a7f', '2026-11-29 00:40:18.418945+00');
INSERT INTO public.builds VALUES (24, 'exports.exp_weather_report', '2024-01-04', 'e076d28b-1188-461b-ab5d-ffd1b20838ea-99080c15', NULL, 1, 'e5ae8caf-e35a-4671-8a97-c5b66df58a7f', '2026-11-29 00:40:18.69646+00');
INSERT INTO public.builds VALUES (25, 'marts.shop_orders', '2024-01-04', 'ff4708bb-5f3c-45c8-b361-036ff8be6f8e-658255e2', NULL, 2, 'e5ae8caf-e35a-4671-8a97-c5b66df58a7f', '2026-11-29 00:40:18.834144+00');
INSERT INTO public.builds VALUES (26, 'exports.exp_shop_orders', '2024-01-04', 'a2e16da9-3fac-4495-a8e7-7e81685c7eea-84268bfc', NULL, 2, 'e5ae8caf-e35a-4671-8a97-c5b66df58a7f', '2026-11-29 00:40:19.261726+00');
INSERT INTO public.builds VALUES (27, 'raw.orders', '2024-01-05', '1.d47aa03e87ef42a4.1.0.0-b6734ff9', 1, 2, 'd03f9d78-72c7-45c3-bc6b-664467d2b0da', '2026-11-29 00:40:20.037939+00');
INSERT INTO public.builds VALUES (28, 'raw.weather', '2024-01-05', '1.fc24c53fe226b832.1.0.0-b3063f91', 1, 1, 'd03f9d78-72c7-45c3-bc6b-664467d2b0da', '2026-11-29 00:40:20.115353+00');
INSERT INTO public.builds VALUES (29, 'raw.weather', '2024-01-06', '1.aac5b778ca8a381d.1.0.0-b3063f91', 1, 1, 'bbc37883-5f8e-4170-a49a-16c828caf062', '2026-11-29 00:40:20.848477+00');
INSERT INTO public.builds VALUES (30, 'staging.stg_weather', '2024-01-06', '8dd3f42d-dd0e-4477-9e89-6aaded25588e-7044381f', NULL, 1, 'bbc37883-5f8e-4170-a49a-16c828caf062', '2026-11-29 00:40:21.463016+00');
INSERT INTO public.builds VALUES (31, 'exports.exp_weather_report', '2024-01-06', 'abb5e697-5414-43f0-9c5f-49dba540ccb8-99080c15', NULL, 1, 'bbc37883-5f8e-4170-a49a-16c828caf062', '2026-11-29 00:40:21.720518+00');
INSERT INTO public.builds VALUES (32, 'raw.weather', '2024-01-07', '1.56ffcdab4604aaa8.1.0.0-b3063f91', 1, 1, '059190ed-1e86-4afb-aa05-2e6ebbff9b0f', '2026-11-29 00:40:22.257775+00');
INSERT INTO public.builds VALUES (33, 'staging.stg_weather', '2024-01-07', '20ab4df2-7f9e-47a2-b48a-5f25e9f0f4b1-7044381f', NULL, 1, '059190ed-1e86-4afb-aa05-2e6ebbff9b0f', '2026-11-29 00:40:22.487228+00');
INSERT INTO public.builds VALUES (34, 'exports.exp_weather_report', '2024-01-07', 'e64065bd-780c-4af2-884b-75c011ec641b-99080c15', NULL, 1, '059190ed-1e86-4afb-aa05-2e6ebbff9b0f', '2026-11-29 00:40:22.726218+00');
INSERT INTO public.builds VALUES (35, 'raw.weather', '2024-01-08', '1.74419333359b864f.1.0.0-b3063f91', 1, 3, '0d1a87d0-7bed-492d-ab86-cddb91fce412', '2026-11-29 00:40:23.201546+00');
INSERT INTO public.builds VALUES (36, 'staging.stg_weather', '2024-01-08', '3f240c14-5f88-4c67-a62e-fe32a08fe230-7044381f', NULL, 3, '0d1a87d0-7bed-492d-ab86-cddb91fce412', '2026-11-29 00:40:23.456586+00');
INSERT INTO public.builds VALUES (37, 'exports.exp_weather_report', '2024-01-08', '567b3eda-50f3-4e4c-9ca4-6df79138d06b-99080c15', NULL, 3, '0d1a87d0-7bed-492d-ab86-cddb91fce412', '2026-11-29 00:40:23.764334+00');
INSERT INTO public.deliveries VALUES (1, '62377ee08d08c7d0c881a1617d31f1d7', 'exp_weather_report', '2024-01-01', '9435fc18-ca7c-47ca-876e-59888166edbf-99080c15', 'duckdb-v1.5.5:1:9557375740493537611:9557375740493537611', 1, 'exp_weather_report/2024-01-01/62377ee08d08c7d0c881a1617d31f1d7.parquet', 'acknowledged', 'file:///srv/bakery/container/weather/2024-01-01/manifest.json', 'c02ea342-d973-43be-a3c6-039016bb24a8', '2026-11-29 00:40:13.334162+00', '2026-11-29 00:40:13.587283+00', '2024-01-01', 'change', 'snapshot', true, '', '["business_date", "town"]', 'd13bfe5bd5a016e89762c8128c4d6b564822110d599fc868cb1f27dcfb604e69', 'v1.5.5', 1, 0, 0, 0, 1, 1, 0, '[]', '', '', NULL);
INSERT INTO public.deliveries VALUES (2, 'ee9f9a422920ee9d82d36a76f4661994', 'exp_shop_orders', '2024-01-01', '902977a5-2c93-459f-b24f-38e5ca2af31f-84268bfc', 'duckdb-v1.5.5:2:14612485335641096902:3515615799844666548', 2, 'exp_shop_orders/2024-01-01/ee9f9a422920ee9d82d36a76f4661994.parquet', 'acknowledged', 'postgresql://screens.bakery.example:5432/screens "bakery"."shop_orders"', 'c02ea342-d973-43be-a3c6-039016bb24a8', '2026-11-29 00:40:13.817375+00', '2026-11-29 00:40:13.918811+00', '2024-01-01', 'change', 'mirror', true, '', '["business_date", "shop"]', 'fcfd546824c0da89b682c3304f2aebffd937ea053233c8615f2a7828afc7ffbd', 'v1.5.5', 2, 0, 0, 0, 2, 2, 0, '[]', '', '', NULL);
INSERT INTO public.deliveries VALUES (3, '0aa69e3134ef93f1a339906536f04f71', 'exp_weather_report', '2024-01-04', 'e076d28b-1188-461b-ab5d-ffd1b20838ea-99080c15', 'duckdb-v1.5.5:1:11130586891767238981:11130586891767238981', 1, 'exp_weather_report/2024-01-04/0aa69e3134ef93f1a339906536f04f71.parquet', 'sending', '', 'e5ae8caf-e35a-4671-8a97-c5b66df58a7f', '2026-11-29 00:40:19.015616+00', NULL, '2024-01-04', 'change', 'snapshot', true, '', '["business_date", "town"]', 'd13bfe5bd5a016e89762c8128c4d6b564822110d599fc868cb1f27dcfb604e69', 'v1.5.5', 1, 0, 0, 0, 1, 1, 0, '[]', '', '', NULL);
INSERT INTO public.deliveries VALUES (4, '3757290596032151e74060e2142b12e2', 'exp_shop_orders', '2024-01-04', 'a2e16da9-3fac-4495-a8e7-7e81685c7eea-84268bfc', 'duckdb-v1.5.5:2:18011278462101715547:17722484391473999875', 2, 'exp_shop_orders/2024-01-04/3757290596032151e74060e2142b12e2.parquet', 'held', '', 'e5ae8caf-e35a-4671-8a97-c5b66df58a7f', '2026-11-29 00:40:19.381091+00', NULL, '2024-01-04', 'change', 'mirror', true, '', '["business_date", "shop"]', 'fcfd546824c0da89b682c3304f2aebffd937ea053233c8615f2a7828afc7ffbd', 'v1.5.5', 2, 0, 0, 0, 2, 0, 0, '["sum of rain_mm is 80.0; expected at most 50 (limits.sums)"]', '', '', NULL);
INSERT INTO public.deliveries VALUES (5, '280aaa804c8f9aaf425661bee6b3dfe2', 'exp_weather_report', '2024-01-08', '567b3eda-50f3-4e4c-9ca4-6df79138d06b-99080c15', 'duckdb-v1.5.5:3:26492034858851396135:10121096486996782163', 3, 'exp_weather_report/2024-01-08/280aaa804c8f9aaf425661bee6b3dfe2.parquet', 'rejected', '', '0d1a87d0-7bed-492d-ab86-cddb91fce412', '2026-11-29 00:40:23.917928+00', NULL, '2024-01-08', 'change', 'snapshot', true, '', '["business_date", "town"]', 'd13bfe5bd5a016e89762c8128c4d6b564822110d599fc868cb1f27dcfb604e69', 'v1.5.5', 3, 0, 0, 0, 3, 0, 0, '["3 rows; expected at most 2 (limits.rows)"]', 'ada', 'the miller knows one gauge', '2026-11-29 00:40:27.099923+00');
INSERT INTO public.deliveries VALUES (6, '7abe2e72dcae155ba6686525526cecb4', 'exp_weather_report', '2024-01-06', 'abb5e697-5414-43f0-9c5f-49dba540ccb8-99080c15', 'duckdb-v1.5.5:1:2634792500493343066:2634792500493343066', 1, 'exp_weather_report/2024-01-06/7abe2e72dcae155ba6686525526cecb4.parquet', 'acknowledged', 'file:///srv/bakery/container/weather/2024-01-06/manifest.json', 'edcde154-4fe7-4abe-aad1-a6098c5e3fe6', '2026-11-29 00:40:29.477955+00', '2026-11-29 00:40:29.517992+00', '2024-01-06', 'change', 'snapshot', true, '', '["business_date", "town"]', 'd13bfe5bd5a016e89762c8128c4d6b564822110d599fc868cb1f27dcfb604e69', 'v1.5.5', 1, 0, 0, 0, 1, 1, 0, '[]', '', '', NULL);
INSERT INTO public.drops VALUES (1, 'orders', '2024-01-01', 1, '2280d45e4516a2ee8b23e6081386013ce5527214ebc10380299b17f876541782', 'orders/2024-01-01.csv.gz', 77, '18ec5d2fba1f11a8-20-210961', '2026-11-29 00:40:11.608933+00');
INSERT INTO public.drops VALUES (2, 'shops', 'snapshot', 1, 'edabdd7706516efe290dbac6265e81e99294a29e7085acea24ef2b70111e7bd3', 'shops/shops.csv', 22, '18ec5d2fba04e7ca-20-21095e', '2026-11-29 00:40:11.613699+00');
INSERT INTO public.drops VALUES (3, 'weather', '2024-01-01', 1, 'c9c50864c2fea0833a1749ddca7d0751508922b2a44fe6e14c76dc47b763ba48', 'weather/2024-01-01.csv', 37, '18ec5d2fba3a22e4-20-210964', '2026-11-29 00:40:11.615472+00');
INSERT INTO public.drops VALUES (4, 'orders', '2024-01-02', 1, '73b89193268899e4cde98061606c7aa78bcb7a552002e7f89ffd6c41dc3ecc36', 'orders/2024-01-02.csv.gz', 80, '18ec5d306cb1ec51-20-2109e3', '2026-11-29 00:40:14.024137+00');
INSERT INTO public.drops VALUES (5, 'weather', '2024-01-02', 1, '90531d5adee736c7b183809acc7fb43b7471518c77d12c077467a8d4154eadd0', 'weather/2024-01-02.csv', 37, '18ec5d306cc734f8-20-2109e5', '2026-11-29 00:40:14.026828+00');
INSERT INTO public.drops VALUES (6, 'orders', '2024-01-03', 1, 'c1a4b5fe14ee1d5efee3ba98b05f29ab600deb7283c44a04494dcdbd9b7626db', 'orders/2024-01-03.csv.gz', 79, '18ec5d30df5d5dfc-20-210a03', '2026-11-29 00:40:15.93033+00');
INSERT INTO public.drops VALUES (7, 'weather', '2024-01-03', 1, 'a20c6ff65587a1eccf54ff697fbf731d7698e103c69dbf028e49915d847bd53e', 'weather/2024-01-03.csv', 36, '18ec5d30df73c1df-20-210a05', '2026-11-29 00:40:15.932118+00');
INSERT INTO public.drops VALUES (8, 'orders', '2024-01-04', 1, '8c05f997e177079551489ea240ec1ddc39d881e9a05837a254bb15ad4afd2b49', 'orders/2024-01-04.csv.gz', 78, '18ec5d312dfe8261-20-210a23', '2026-11-29 00:40:17.267482+00');
INSERT INTO public.drops VALUES (9, 'weather', '2024-01-04', 1, '60949cdb14927b5ba99ba08414694233221b3710882e4b5da01d1784b5be54fd', 'weather/2024-01-04.csv', 36, '18ec5d312e15927b-20-210a25', '2026-11-29 00:40:17.270249+00');
INSERT INTO public.drops VALUES (10, 'orders', '2024-01-05', 1, 'd47aa03e87ef42a4e02d3d1884f72390f0e67b564a78909d4421dec725a25aa2', 'orders/2024-01-05.csv.gz', 79, '18ec5d31b3f18e1c-20-210a49', '2026-11-29 00:40:19.668788+00');
INSERT INTO public.drops VALUES (11, 'weather', '2024-01-05', 1, 'fc24c53fe226b832f5dbe2605216f4c6acbf12083713f8f5f15fa238c2ffb3d5', 'weather/2024-01-05.csv', 37, '18ec5d31b4344a6f-20-210a4b', '2026-11-29 00:40:19.677608+00');
INSERT INTO public.drops VALUES (12, 'weather', '2024-01-06', 1, 'aac5b778ca8a381d4319dbe9b6c047b64c397e52faca036ced400b7e7c3b1a6e', 'weather/2024-01-06.csv', 37, '18ec5d31f4f95162-20-21015b', '2026-11-29 00:40:20.590656+00');
INSERT INTO public.drops VALUES (13, 'weather', '2024-01-07', 1, '56ffcdab4604aaa88073c8debe38c8105160539f7bde12ac326dbf08aa669331', 'weather/2024-01-07.csv', 37, '18ec5d31f52c1b67-20-210172', '2026-11-29 00:40:20.591601+00');
INSERT INTO public.drops VALUES (14, 'weather', '2024-01-08', 1, '74419333359b864fa8a3b32d1cddcc1f15a4ade546c9cb1ac353916988f49ebb', 'weather/2024-01-08.csv', 77, '18ec5d31f53d7ca0-20-2101c1', '2026-11-29 00:40:20.592245+00');
INSERT INTO public.evidence VALUES (1, 'raw.shops', '', 'contract', '1.edabdd7706516efe.1.0.0-7d051767', true, 'drop 1 of snapshot: 2 rows as agreed', '89340cd7-0d27-4c2a-beed-4b6237d23aaa', '2026-11-29 00:40:11.768624+00');
INSERT INTO public.evidence VALUES (2, 'raw.shops', '', 'expectations', '1.edabdd7706516efe.1.0.0-7d051767', true, '1 rules hold', '89340cd7-0d27-4c2a-beed-4b6237d23aaa', '2026-11-29 00:40:11.812437+00');
INSERT INTO public.evidence VALUES (3, 'raw.orders', '2024-01-01', 'contract', '1.2280d45e4516a2ee.1.0.0-b6734ff9', true, 'drop 1 of 2024-01-01: 2 rows as agreed', 'c02ea342-d973-43be-a3c6-039016bb24a8', '2026-11-29 00:40:12.02852+00');
INSERT INTO public.evidence VALUES (4, 'raw.weather', '2024-01-01', 'contract', '1.c9c50864c2fea083.1.0.0-b3063f91', true, 'drop 1 of 2024-01-01: 1 rows as agreed', 'c02ea342-d973-43be-a3c6-039016bb24a8', '2026-11-29 00:40:12.09307+00');
INSERT INTO public.evidence VALUES (5, 'raw.orders', '2024-01-01', 'expectations', '1.2280d45e4516a2ee.1.0.0-b6734ff9', true, '1 rules hold', 'c02ea342-d973-43be-a3c6-039016bb24a8', '2026-11-29 00:40:12.140161+00');
INSERT INTO public.evidence VALUES (6, 'raw.weather', '2024-01-01', 'expectations', '1.c9c50864c2fea083.1.0.0-b3063f91', true, '1 rules hold', 'c02ea342-d973-43be-a3c6-039016bb24a8', '2026-11-29 00:40:12.185501+00');
INSERT INTO public.evidence VALUES (7, 'staging.stg_orders', '2024-01-01', 'unique_stg_orders_order_number', '63fbee43-73a8-4c0e-a5f4-ec6eaff2b980-d0859fe7', true, 'holds', 'c02ea342-d973-43be-a3c6-039016bb24a8', '2026-11-29 00:40:12.714063+00');
INSERT INTO public.evidence VALUES (8, 'staging.stg_orders', '2024-01-01', 'expectations', '63fbee43-73a8-4c0e-a5f4-ec6eaff2b980-d0859fe7', true, '2 rules hold', 'c02ea342-d973-43be-a3c6-039016bb24a8', '2026-11-29 00:40:12.875329+00');
INSERT INTO public.evidence VALUES (9, 'staging.stg_weather', '2024-01-01', 'expectations', '7dc3e11d-1b39-4da0-90ad-84614acbe99c-7044381f', true, '3 rules hold', 'c02ea342-d973-43be-a3c6-039016bb24a8', '2026-11-29 00:40:12.91896+00');
INSERT INTO public.evidence VALUES (10, 'exports.exp_weather_report', '2024-01-01', 'expectations', '9435fc18-ca7c-47ca-876e-59888166edbf-99080c15', true, '2 rules hold', 'c02ea342-d973-43be-a3c6-039016bb24a8', '2026-11-29 00:40:13.242644+00');
INSERT INTO public.evidence VALUES (11, 'marts.shop_orders', '2024-01-01', 'expectations', '41fa6799-1f60-47b2-976f-2f1a77bd9c8f-658255e2', true, '1 rules hold', 'c02ea342-d973-43be-a3c6-039016bb24a8', '2026-11-29 00:40:13.286118+00');
INSERT INTO public.evidence VALUES (12, 'exports.exp_shop_orders', '2024-01-01', 'unique_combination_of_columns_exp_shop_orders_business_date__shop', '902977a5-2c93-459f-b24f-38e5ca2af31f-84268bfc', true, 'holds', 'c02ea342-d973-43be-a3c6-039016bb24a8', '2026-11-29 00:40:13.735139+00');
INSERT INTO public.evidence VALUES (13, 'exports.exp_shop_orders', '2024-01-01', 'expectations', '902977a5-2c93-459f-b24f-38e5ca2af31f-84268bfc', true, '1 rules hold', 'c02ea342-d973-43be-a3c6-039016bb24a8', '2026-11-29 00:40:13.776619+00');
INSERT INTO public.evidence VALUES (14, 'raw.orders', '2024-01-02', 'contract', '1.73b89193268899e4.1.0.0-b6734ff9', true, 'drop 1 of 2024-01-02: 2 rows as agreed', 'c529693d-c331-4534-aeee-728e75af7947', '2026-11-29 00:40:14.250186+00');
INSERT INTO public.evidence VALUES (15, 'raw.weather', '2024-01-02', 'contract', '1.90531d5adee736c7.1.0.0-b3063f91', true, 'drop 1 of 2024-01-02: 1 rows as agreed', 'c529693d-c331-4534-aeee-728e75af7947', '2026-11-29 00:40:14.333346+00');
INSERT INTO public.evidence VALUES (16, 'raw.orders', '2024-01-02', 'expectations', '1.73b89193268899e4.1.0.0-b6734ff9', true, '1 rules hold', 'c529693d-c331-4534-aeee-728e75af7947', '2026-11-29 00:40:14.389832+00');
INSERT INTO public.evidence VALUES (17, 'raw.weather', '2024-01-02', 'expectations', '1.90531d5adee736c7.1.0.0-b3063f91', true, '1 rules hold', 'c529693d-c331-4534-aeee-728e75af7947', '2026-11-29 00:40:14.451008+00');
INSERT INTO public.evidence VALUES (18, 'staging.stg_orders', '2024-01-02', 'unique_stg_orders_order_number', '86f5c251-747a-47f0-8a7b-767cb96a4a8a-d0859fe7', true, 'holds', 'c529693d-c331-4534-aeee-728e75af7947', '2026-11-29 00:40:14.649673+00');
INSERT INTO public.evidence VALUES (19, 'staging.stg_orders', '2024-01-02', 'expectations', '86f5c251-747a-47f0-8a7b-767cb96a4a8a-d0859fe7', true, '2 rules hold', 'c529693d-c331-4534-aeee-728e75af7947', '2026-11-29 00:40:14.835166+00');
INSERT INTO public.evidence VALUES (20, 'staging.stg_weather', '2024-01-02', 'expectations', '0b3d6b85-5d6d-48e5-8a78-2c92f5c8115e-7044381f', true, '3 rules hold', 'c529693d-c331-4534-aeee-728e75af7947', '2026-11-29 00:40:14.888057+00');
INSERT INTO public.evidence VALUES (21, 'exports.exp_weather_report', '2024-01-02', 'expectations', 'f08ea044-3f98-487b-9993-4c9ea585e523-99080c15', true, '2 rules hold', 'c529693d-c331-4534-aeee-728e75af7947', '2026-11-29 00:40:15.569117+00');
INSERT INTO public.evidence VALUES (22, 'marts.shop_orders', '2024-01-02', 'expectations', 'e7197380-8152-4934-8756-681c0c54f655-658255e2', true, '1 rules hold', 'c529693d-c331-4534-aeee-728e75af7947', '2026-11-29 00:40:15.618268+00');
INSERT INTO public.evidence VALUES (23, 'exports.exp_shop_orders', '2024-01-02', 'unique_combination_of_columns_exp_shop_orders_business_date__shop', '7786b0a0-f752-4926-bc5d-e936a8d7f256-84268bfc', true, 'holds', 'c529693d-c331-4534-aeee-728e75af7947', '2026-11-29 00:40:15.778166+00');
INSERT INTO public.evidence VALUES (24, 'exports.exp_shop_orders', '2024-01-02', 'expectations', '7786b0a0-f752-4926-bc5d-e936a8d7f256-84268bfc', true, '1 rules hold', 'c529693d-c331-4534-aeee-728e75af7947', '2026-11-29 00:40:15.821435+00');
INSERT INTO public.evidence VALUES (25, 'raw.orders', '2024-01-03', 'contract', '1.c1a4b5fe14ee1d5e.1.0.0-b6734ff9', true, 'drop 1 of 2024-01-03: 2 rows as agreed', 'd9a0b394-0169-4d8c-b5b3-9aedf97f5174', '2026-11-29 00:40:16.265975+00');
INSERT INTO public.evidence VALUES (26, 'raw.weather', '2024-01-03', 'contract', '1.a20c6ff65587a1ec.1.0.0-b3063f91', true, 'drop 1 of 2024-01-03: 1 rows as agreed', 'd9a0b394-0169-4d8c-b5b3-9aedf97f5174', '2026-11-29 00:40:16.382959+00');
INSERT INTO public.evidence VALUES (27, 'raw.orders', '2024-01-03', 'expectations', '1.c1a4b5fe14ee1d5e.1.0.0-b6734ff9', true, '1 rules hold', 'd9a0b394-0169-4d8c-b5b3-9aedf97f5174', '2026-11-29 00:40:16.483857+00');
INSERT INTO public.evidence VALUES (28, 'raw.weather', '2024-01-03', 'expectations', '1.a20c6ff65587a1ec.1.0.0-b3063f91', true, '1 rules hold', 'd9a0b394-0169-4d8c-b5b3-9aedf97f5174', '2026-11-29 00:40:16.531244+00');
INSERT INTO public.evidence VALUES (29, 'staging.stg_orders', '2024-01-03', 'unique_stg_orders_order_number', 'd0281123-84cd-4fd8-a294-b8953b2f9785-d0859fe7', true, 'holds', 'd9a0b394-0169-4d8c-b5b3-9aedf97f5174', '2026-11-29 00:40:16.753977+00');
INSERT INTO public.evidence VALUES (30, 'staging.stg_orders', '2024-01-03', 'expectations', 'd0281123-84cd-4fd8-a294-b8953b2f9785-d0859fe7', true, '2 rules hold', 'd9a0b394-0169-4d8c-b5b3-9aedf97f5174', '2026-11-29 00:40:16.961899+00');
INSERT INTO public.evidence VALUES (31, 'staging.stg_weather', '2024-01-03', 'expectations', '0cb0dfe9-2727-4862-ab39-4e517a336593-7044381f', false, '1 of 3 rules fail: expect_column_values_to_be_between(rain_mm): 1 of 1 rows (100 %), expected between 0 and 400', 'd9a0b394-0169-4d8c-b5b3-9aedf97f5174', '2026-11-29 00:40:17.051311+00');
INSERT INTO public.evidence VALUES (32, 'raw.orders', '2024-01-04', 'contract', '1.8c05f997e1770795.1.0.0-b6734ff9', true, 'drop 1 of 2024-01-04: 2 rows as agreed', 'e5ae8caf-e35a-4671-8a97-c5b66df58a7f', '2026-11-29 00:40:17.624035+00');
INSERT INTO public.evidence VALUES (33, 'raw.weather', '2024-01-04', 'contract', '1.60949cdb14927b5b.1.0.0-b3063f91', true, 'drop 1 of 2024-01-04: 1 rows as agreed', 'e5ae8caf-e35a-4671-8a97-c5b66df58a7f', '2026-11-29 00:40:17.737125+00');
INSERT INTO public.evidence VALUES (34, 'raw.orders', '2024-01-04', 'expectations', '1.8c05f997e1770795.1.0.0-b6734ff9', true, '1 rules hold', 'e5ae8caf-e35a-4671-8a97-c5b66df58a7f', '2026-11-29 00:40:17.891945+00');
INSERT INTO public.evidence VALUES (35, 'raw.weather', '2024-01-04', 'expectations', '1.60949cdb14927b5b.1.0.0-b3063f91', true, '1 rules hold', 'e5ae8caf-e35a-4671-8a97-c5b66df58a7f', '2026-11-29 00:40:17.991867+00');
INSERT INTO public.evidence VALUES (36, 'staging.stg_orders', '2024-01-04', 'unique_stg_orders_order_number', 'e92f9ba1-3999-4712-ab6f-f9d6c487036c-d0859fe7', true, 'holds', 'e5ae8caf-e35a-4671-8a97-c5b66df58a7f', '2026-11-29 00:40:18.246465+00');
INSERT INTO public.evidence VALUES (37, 'staging.stg_orders', '2024-01-04', 'expectations', 'e92f9ba1-3999-4712-ab6f-f9d6c487036c-d0859fe7', true, '2 rules hold', 'e5ae8caf-e35a-4671-8a97-c5b66df58a7f', '2026-11-29 00:40:18.485185+00');
INSERT INTO public.evidence VALUES (38, 'staging.stg_weather', '2024-01-04', 'expectations', '17cba6c9-0720-466e-a239-3fe62f958439-7044381f', true, '3 rules hold', 'e5ae8caf-e35a-4671-8a97-c5b66df58a7f', '2026-11-29 00:40:18.536419+00');
INSERT INTO public.evidence VALUES (39, 'exports.exp_weather_report', '2024-01-04', 'expectations', 'e076d28b-1188-461b-ab5d-ffd1b20838ea-99080c15', true, '2 rules hold', 'e5ae8caf-e35a-4671-8a97-c5b66df58a7f', '2026-11-29 00:40:18.894807+00');
INSERT INTO public.evidence VALUES (40, 'marts.shop_orders', '2024-01-04', 'expectations', 'ff4708bb-5f3c-45c8-b361-036ff8be6f8e-658255e2', true, '1 rules hold', 'e5ae8caf-e35a-4671-8a97-c5b66df58a7f', '2026-11-29 00:40:18.962903+00');
INSERT INTO public.evidence VALUES (41, 'exports.exp_shop_orders', '2024-01-04', 'unique_combination_of_columns_exp_shop_orders_business_date__shop', 'a2e16da9-3fac-4495-a8e7-7e81685c7eea-84268bfc', true, 'holds', 'e5ae8caf-e35a-4671-8a97-c5b66df58a7f', '2026-11-29 00:40:19.271947+00');
INSERT INTO public.evidence VALUES (42, 'exports.exp_shop_orders', '2024-01-04', 'expectations', 'a2e16da9-3fac-4495-a8e7-7e81685c7eea-84268bfc', true, '1 rules hold', 'e5ae8caf-e35a-4671-8a97-c5b66df58a7f', '2026-11-29 00:40:19.336189+00');
INSERT INTO public.evidence VALUES (43, 'raw.orders', '2024-01-05', 'contract', '1.d47aa03e87ef42a4.1.0.0-b6734ff9', true, 'drop 1 of 2024-01-05: 2 rows as agreed', 'd03f9d78-72c7-45c3-bc6b-664467d2b0da', '2026-11-29 00:40:20.03976+00');
INSERT INTO public.evidence VALUES (44, 'raw.weather', '2024-01-05', 'contract', '1.fc24c53fe226b832.1.0.0-b3063f91', true, 'drop 1 of 2024-01-05: 1 rows as agreed', 'd03f9d78-72c7-45c3-bc6b-664467d2b0da', '2026-11-29 00:40:20.116262+00');
INSERT INTO public.evidence VALUES (45, 'raw.orders', '2024-01-05', 'expectations', '1.d47aa03e87ef42a4.1.0.0-b6734ff9', true, '1 rules hold', 'd03f9d78-72c7-45c3-bc6b-664467d2b0da', '2026-11-29 00:40:20.184062+00');
INSERT INTO public.evidence VALUES (46, 'raw.weather', '2024-01-05', 'expectations', '1.fc24c53fe226b832.1.0.0-b3063f91', true, '1 rules hold', 'd03f9d78-72c7-45c3-bc6b-664467d2b0da', '2026-11-29 00:40:20.266251+00');
INSERT INTO public.evidence VALUES (47, 'raw.weather', '2024-01-06', 'contract', '1.aac5b778ca8a381d.1.0.0-b3063f91', true, 'drop 1 of 2024-01-06: 1 rows as agreed', 'bbc37883-5f8e-4170-a49a-16c828caf062', '2026-11-29 00:40:20.850001+00');
INSERT INTO public.evidence VALUES (48, 'raw.weather', '2024-01-06', 'expectations', '1.aac5b778ca8a381d.1.0.0-b3063f91', true, '1 rules hold', 'bbc37883-5f8e-4170-a49a-16c828caf062', '2026-11-29 00:40:20.925261+00');
INSERT INTO public.evidence VALUES (49, 'staging.stg_weather', '2024-01-06', 'expectations', '8dd3f42d-dd0e-4477-9e89-6aaded25588e-7044381f', true, '1 of 3 rules fail: expect_column_values_to_be_between(rain_mm): 1 of 1 rows (100 %), expected at most 50', 'bbc37883-5f8e-4170-a49a-16c828caf062', '2026-11-29 00:40:21.539298+00');
INSERT INTO public.evidence VALUES (50, 'exports.exp_weather_report', '2024-01-06', 'expectations', 'abb5e697-5414-43f0-9c5f-49dba540ccb8-99080c15', false, '1 of 2 rules fail: expect_column_values_to_be_between(rain_mm): 1 of 1 rows (100 %), expected at most 300', 'bbc37883-5f8e-4170-a49a-16c828caf062', '2026-11-29 00:40:21.810892+00');
INSERT INTO public.evidence VALUES (51, 'raw.weather', '2024-01-07', 'contract', '1.56ffcdab4604aaa8.1.0.0-b3063f91', true, 'drop 1 of 2024-01-07: 1 rows as agreed', '059190ed-1e86-4afb-aa05-2e6ebbff9b0f', '2026-11-29 00:40:22.258958+00');
INSERT INTO public.evidence VALUES (52, 'raw.weather', '2024-01-07', 'expectations', '1.56ffcdab4604aaa8.1.0.0-b3063f91', true, '1 rules hold', '059190ed-1e86-4afb-aa05-2e6ebbff9b0f', '2026-11-29 00:40:22.332955+00');
INSERT INTO public.evidence VALUES (53, 'staging.stg_weather', '2024-01-07', 'expectations', '20ab4df2-7f9e-47a2-b48a-5f25e9f0f4b1-7044381f', true, '1 of 3 rules fail: expect_column_values_to_be_between(rain_mm): 1 of 1 rows (100 %), expected at most 50', '059190ed-1e86-4afb-aa05-2e6ebbff9b0f', '2026-11-29 00:40:22.57736+00');
INSERT INTO public.evidence VALUES (54, 'exports.exp_weather_report', '2024-01-07', 'expectations', 'e64065bd-780c-4af2-884b-75c011ec641b-99080c15', false, '1 of 2 rules fail: expect_column_values_to_be_between(rain_mm): 1 of 1 rows (100 %), expected at most 300', '059190ed-1e86-4afb-aa05-2e6ebbff9b0f', '2026-11-29 00:40:22.787322+00');
INSERT INTO public.evidence VALUES (55, 'raw.weather', '2024-01-08', 'contract', '1.74419333359b864f.1.0.0-b3063f91', true, 'drop 1 of 2024-01-08: 3 rows as agreed', '0d1a87d0-7bed-492d-ab86-cddb91fce412', '2026-11-29 00:40:23.202728+00');
INSERT INTO public.evidence VALUES (56, 'raw.weather', '2024-01-08', 'expectations', '1.74419333359b864f.1.0.0-b3063f91', true, '1 rules hold', '0d1a87d0-7bed-492d-ab86-cddb91fce412', '2026-11-29 00:40:23.303447+00');
INSERT INTO public.evidence VALUES (57, 'staging.stg_weather', '2024-01-08', 'expectations', '3f240c14-5f88-4c67-a62e-fe32a08fe230-7044381f', true, '3 rules hold', '0d1a87d0-7bed-492d-ab86-cddb91fce412', '2026-11-29 00:40:23.553974+00');
INSERT INTO public.evidence VALUES (58, 'exports.exp_weather_report', '2024-01-08', 'expectations', '567b3eda-50f3-4e4c-9ca4-6df79138d06b-99080c15', true, '2 rules hold', '0d1a87d0-7bed-492d-ab86-cddb91fce412', '2026-11-29 00:40:23.848832+00');
INSERT INTO public.holds VALUES ('exp_shop_orders', '2024-01-03', '["staging.stg_weather [2024-01-03] check `expectations`: failed: 1 of 3 rules fail: expect_column_values_to_be_between(rain_mm): 1 of 1 rows (100 %), expected between 0 and 400"]', '', '2026-11-29 00:40:17.205815+00');
INSERT INTO public.holds VALUES ('exp_shop_orders', '2024-01-04', '["sum of rain_mm is 80.0; expected at most 50 (limits.sums)"]', 'e5ae8caf-e35a-4671-8a97-c5b66df58a7f', '2026-11-29 00:40:19.386418+00');
INSERT INTO public.holds VALUES ('exp_weather_report', '2024-01-03', '["staging.stg_weather [2024-01-03] check `expectations`: failed: 1 of 3 rules fail: expect_column_values_to_be_between(rain_mm): 1 of 1 rows (100 %), expected between 0 and 400"]', '', '2026-11-29 00:40:17.216318+00');
INSERT INTO public.holds VALUES ('exp_weather_report', '2024-01-07', '["exports.exp_weather_report [2024-01-07] check `expectations`: failed: 1 of 2 rules fail: expect_column_values_to_be_between(rain_mm): 1 of 1 rows (100 %), expected at most 300"]', '', '2026-11-29 00:40:22.901251+00');
INSERT INTO public.holds VALUES ('exp_weather_report', '2024-01-08', '["3 rows; expected at most 2 (limits.rows)"]', '0d1a87d0-7bed-492d-ab86-cddb91fce412', '2026-11-29 00:40:23.925441+00');
INSERT INTO public.releases VALUES (1, 'exp_weather_report', 'exports.exp_weather_report', '2024-01-06', '[["exports.exp_weather_report", "2024-01-06", "expectations", "abb5e697-5414-43f0-9c5f-49dba540ccb8-99080c15"]]', 'the gauge was calibrated', 'ada', '2026-11-29 00:40:28.952832+00', '2099-01-01 00:00:00+00', 'abb5e697-5414-43f0-9c5f-49dba540ccb8-99080c15', '2026-11-29 00:40:29.465269+00');
INSERT INTO public.releases VALUES (2, 'exp_weather_report', 'exports.exp_weather_report', '2024-01-07', '[["exports.exp_weather_report", "2024-01-07", "expectations", "e64065bd-780c-4af2-884b-75c011ec641b-99080c15"]]', 'the gauge was calibrated', 'ada', '2026-11-29 00:40:30.583888+00', '2099-01-01 00:00:00+00', NULL, NULL);
INSERT INTO public.requests VALUES ('exports.exp_shop_orders', '2024-01-01', '0309c014afbaee8c55e18429d09f681b72d3911794b9bb8005a759ff66bf5a34', '043a94f77f976e2f47d4cf2c1de893eb94b2f487a0a46d86a2cc2c326bfdc03e');
INSERT INTO public.requests VALUES ('exports.exp_shop_orders', '2024-01-01', '90280c341c8487c501005c87d124cf808872ba3734c61645d0dc922a09a0f73b', '043a94f77f976e2f47d4cf2c1de893eb94b2f487a0a46d86a2cc2c326bfdc03e');
INSERT INTO public.requests VALUES ('exports.exp_shop_orders', '2024-01-02', 'adbd637ab6a022b5ae4d5d40f8bcf27a6974e2c5844a06299c8b01f6cc34219b', 'c51d2aa529fc5c455daa1d3270706abb368c67377753d7be6c2e7f54081206b6');
INSERT INTO public.requests VALUES ('exports.exp_shop_orders', '2024-01-02', 'aedea731fc8fa11bc0818de41971d4c0191d3207fd0cb0044c6ee554190584b1', 'c51d2aa529fc5c455daa1d3270706abb368c67377753d7be6c2e7f54081206b6');
INSERT INTO public.requests VALUES ('exports.exp_shop_orders', '2024-01-03', '5ab8598f1e02508ce67ef6ad2465eddd77e5b8f3fcb2089807c1ba73129f66d1', 'e11c09ac7ca6a6b8e3649a0b14e46b557fc6396f3855a47d3d5042b94b3ee0ae');
INSERT INTO public.requests VALUES ('exports.exp_shop_orders', '2024-01-03', '76ee8da678a560f9f20e6d60435cfcadddd75de5e650ff06e8c4eb594b00f0a2', 'e11c09ac7ca6a6b8e3649a0b14e46b557fc6396f3855a47d3d5042b94b3ee0ae');
INSERT INTO public.requests VALUES ('exports.exp_shop_orders', '2024-01-04', '718b3f1b2a89487b90fee2ef5128ec1d0f06c67cea46d7b936910fb5e26e9fed', '50a91557933d33023daa31c64ad724934cb63bbdbf74812c553beec014a558ac');
INSERT INTO public.requests VALUES ('exports.exp_shop_orders', '2024-01-04', 'ec4cda37803b2bf27ec781321fcada4807ea1e2d2682623390a7547c2b4c0fce', '50a91557933d33023daa31c64ad724934cb63bbdbf74812c553beec014a558ac');
INSERT INTO public.requests VALUES ('exports.exp_shop_orders', '2024-01-05', 'acdbc75e1fb47af13e1ffda1b6a4222b82e5d07898b0cc3689081655bb5aab13', '6a24bd0a0483b1a49b457f228a01806efead955c93cacaa151f97bacd914bca7');
INSERT INTO public.requests VALUES ('exports.exp_shop_orders', '2024-01-05', 'e6f8791d2c5ff45f75511c8af42987d1127294aa0096127e6312288a635b9f74', '6a24bd0a0483b1a49b457f228a01806efead955c93cacaa151f97bacd914bca7');
INSERT INTO public.requests VALUES ('exports.exp_weather_report', '2024-01-01', '8a177db4cd146203646b71373ca66d38ab7e96b5dc3ba34c933e08641b7f3772', '043a94f77f976e2f47d4cf2c1de893eb94b2f487a0a46d86a2cc2c326bfdc03e');
INSERT INTO public.requests VALUES ('exports.exp_weather_report', '2024-01-02', 'f3a7d81c87e3cf50129dd0cf36844f0602436ac89aa06cdb9ad75d3cc54f9bfb', 'c51d2aa529fc5c455daa1d3270706abb368c67377753d7be6c2e7f54081206b6');
INSERT INTO public.requests VALUES ('exports.exp_weather_report', '2024-01-03', '291bd3174287946a610983fb8c0b6e837e1a410e076fb020a6229dd3ac496b66', 'e11c09ac7ca6a6b8e3649a0b14e46b557fc6396f3855a47d3d5042b94b3ee0ae');
INSERT INTO public.requests VALUES ('exports.exp_weather_report', '2024-01-04', '4bd8136cf4e4d5f599381bbcfd6a3fac68b75edc54d0e9ac71e2d80dcfc805b2', '50a91557933d33023daa31c64ad724934cb63bbdbf74812c553beec014a558ac');
INSERT INTO public.requests VALUES ('exports.exp_weather_report', '2024-01-05', 'dadad29d78d053944b4dff5c0a20a669252f29d030f44aa31d214a2e16f70d07', '6a24bd0a0483b1a49b457f228a01806efead955c93cacaa151f97bacd914bca7');
INSERT INTO public.requests VALUES ('exports.exp_weather_report', '2024-01-06', 'c1a268959be807ef9282ac75d6af37ca1d6cfce7b6e3ed41f9c3c704baf19d6a', 'ecc39a044f0ba5dbd8133c3e623ce06ec0feeb0e0f93058e52f25db38276d5ba');
INSERT INTO public.requests VALUES ('exports.exp_weather_report', '2024-01-06', 'c40ffd4b1da7805cbba7f81a2f97c3ef3aa9d1455588357845a94165683a9c23', '72e63c5d9965bd1591488c454236f31a586dd847dd2089bbd7f3817abd1904aa');
INSERT INTO public.requests VALUES ('exports.exp_weather_report', '2024-01-07', '59ef3638b2c848a8969128fb0daa7c690dc675c62b3014bf7215dabed59a2016', 'd4accea682b86b2a1e10fa4ec5477aa393ff03dd827d0abdceb24085b376a88f');
INSERT INTO public.requests VALUES ('exports.exp_weather_report', '2024-01-08', 'a76123cc20db4e8ea405acbf326b19d99cabc119b5d85998781b416f1217031a', 'e0936d003767832cc79011cd4b9c0a59c45f778da7e31558ce62783bd7b06c15');
INSERT INTO public.requests VALUES ('marts.shop_orders', '2024-01-01', '0309c014afbaee8c55e18429d09f681b72d3911794b9bb8005a759ff66bf5a34', '043a94f77f976e2f47d4cf2c1de893eb94b2f487a0a46d86a2cc2c326bfdc03e');
INSERT INTO public.requests VALUES ('marts.shop_orders', '2024-01-01', '90280c341c8487c501005c87d124cf808872ba3734c61645d0dc922a09a0f73b', '043a94f77f976e2f47d4cf2c1de893eb94b2f487a0a46d86a2cc2c326bfdc03e');
INSERT INTO public.requests VALUES ('marts.shop_orders', '2024-01-02', 'adbd637ab6a022b5ae4d5d40f8bcf27a6974e2c5844a06299c8b01f6cc34219b', 'c51d2aa529fc5c455daa1d3270706abb368c67377753d7be6c2e7f54081206b6');
INSERT INTO public.requests VALUES ('marts.shop_orders', '2024-01-02', 'aedea731fc8fa11bc0818de41971d4c0191d3207fd0cb0044c6ee554190584b1', 'c51d2aa529fc5c455daa1d3270706abb368c67377753d7be6c2e7f54081206b6');
INSERT INTO public.requests VALUES ('marts.shop_orders', '2024-01-03', '5ab8598f1e02508ce67ef6ad2465eddd77e5b8f3fcb2089807c1ba73129f66d1', 'e11c09ac7ca6a6b8e3649a0b14e46b557fc6396f3855a47d3d5042b94b3ee0ae');
INSERT INTO public.requests VALUES ('marts.shop_orders', '2024-01-03', '76ee8da678a560f9f20e6d60435cfcadddd75de5e650ff06e8c4eb594b00f0a2', 'e11c09ac7ca6a6b8e3649a0b14e46b557fc6396f3855a47d3d5042b94b3ee0ae');
INSERT INTO public.requests VALUES ('marts.shop_orders', '2024-01-04', '718b3f1b2a89487b90fee2ef5128ec1d0f06c67cea46d7b936910fb5e26e9fed', '50a91557933d33023daa31c64ad724934cb63bbdbf74812c553beec014a558ac');
INSERT INTO public.requests VALUES ('marts.shop_orders', '2024-01-04', 'ec4cda37803b2bf27ec781321fcada4807ea1e2d2682623390a7547c2b4c0fce', '50a91557933d33023daa31c64ad724934cb63bbdbf74812c553beec014a558ac');
INSERT INTO public.requests VALUES ('marts.shop_orders', '2024-01-05', 'acdbc75e1fb47af13e1ffda1b6a4222b82e5d07898b0cc3689081655bb5aab13', '6a24bd0a0483b1a49b457f228a01806efead955c93cacaa151f97bacd914bca7');
INSERT INTO public.requests VALUES ('marts.shop_orders', '2024-01-05', 'e6f8791d2c5ff45f75511c8af42987d1127294aa0096127e6312288a635b9f74', '6a24bd0a0483b1a49b457f228a01806efead955c93cacaa151f97bacd914bca7');
INSERT INTO public.requests VALUES ('raw.orders', '2024-01-01', '14e1db251f9907a3f6cc63ee0a929e9b88083f484d0fb8d4903db0a4d179a894', '043a94f77f976e2f47d4cf2c1de893eb94b2f487a0a46d86a2cc2c326bfdc03e');
INSERT INTO public.requests VALUES ('raw.orders', '2024-01-02', 'e4ddc6a8f325f01dc63b993d371affbc6ed1561ef783d92b2dd1ae16002944ab', 'c51d2aa529fc5c455daa1d3270706abb368c67377753d7be6c2e7f54081206b6');
INSERT INTO public.requests VALUES ('raw.orders', '2024-01-03', '93b4ea9a1d088ce596a36ffb328d7098483d9bf767cd413f676727ca7c286caf', 'e11c09ac7ca6a6b8e3649a0b14e46b557fc6396f3855a47d3d5042b94b3ee0ae');
INSERT INTO public.requests VALUES ('raw.orders', '2024-01-04', 'd2064b1cef2e097431961c06be60532b4f6d0511316f1c9660b3d552a80aead2', '50a91557933d33023daa31c64ad724934cb63bbdbf74812c553beec014a558ac');
INSERT INTO public.requests VALUES ('raw.orders', '2024-01-05', '98523477c86e77ff1604c572374be437446433292fc475fa888e1a2ee5bfd1d9', '6a24bd0a0483b1a49b457f228a01806efead955c93cacaa151f97bacd914bca7');
INSERT INTO public.requests VALUES ('raw.shops', '', '7fa73c02071790412aa74519e1e1b43094f6a68caf9c21e46e532e994737a721', 'd02cccfb4fc7aeab708ffa1c612bec7dfad62e73ce62645ae9059420b7e6cf5d');
INSERT INTO public.requests VALUES ('raw.weather', '2024-01-01', '8a177db4cd146203646b71373ca66d38ab7e96b5dc3ba34c933e08641b7f3772', '043a94f77f976e2f47d4cf2c1de893eb94b2f487a0a46d86a2cc2c326bfdc03e');
INSERT INTO public.requests VALUES ('raw.weather', '2024-01-02', 'f3a7d81c87e3cf50129dd0cf36844f0602436ac89aa06cdb9ad75d3cc54f9bfb', 'c51d2aa529fc5c455daa1d3270706abb368c67377753d7be6c2e7f54081206b6');
INSERT INTO public.requests VALUES ('raw.weather', '2024-01-03', '291bd3174287946a610983fb8c0b6e837e1a410e076fb020a6229dd3ac496b66', 'e11c09ac7ca6a6b8e3649a0b14e46b557fc6396f3855a47d3d5042b94b3ee0ae');
INSERT INTO public.requests VALUES ('raw.weather', '2024-01-04', '4bd8136cf4e4d5f599381bbcfd6a3fac68b75edc54d0e9ac71e2d80dcfc805b2', '50a91557933d33023daa31c64ad724934cb63bbdbf74812c553beec014a558ac');
INSERT INTO public.requests VALUES ('raw.weather', '2024-01-05', 'dadad29d78d053944b4dff5c0a20a669252f29d030f44aa31d214a2e16f70d07', '6a24bd0a0483b1a49b457f228a01806efead955c93cacaa151f97bacd914bca7');
INSERT INTO public.requests VALUES ('raw.weather', '2024-01-06', 'c1a268959be807ef9282ac75d6af37ca1d6cfce7b6e3ed41f9c3c704baf19d6a', 'ecc39a044f0ba5dbd8133c3e623ce06ec0feeb0e0f93058e52f25db38276d5ba');
INSERT INTO public.requests VALUES ('raw.weather', '2024-01-07', '59ef3638b2c848a8969128fb0daa7c690dc675c62b3014bf7215dabed59a2016', 'd4accea682b86b2a1e10fa4ec5477aa393ff03dd827d0abdceb24085b376a88f');
INSERT INTO public.requests VALUES ('raw.weather', '2024-01-08', 'a76123cc20db4e8ea405acbf326b19d99cabc119b5d85998781b416f1217031a', 'e0936d003767832cc79011cd4b9c0a59c45f778da7e31558ce62783bd7b06c15');
INSERT INTO public.requests VALUES ('staging.stg_orders', '2024-01-01', '14e1db251f9907a3f6cc63ee0a929e9b88083f484d0fb8d4903db0a4d179a894', '043a94f77f976e2f47d4cf2c1de893eb94b2f487a0a46d86a2cc2c326bfdc03e');
INSERT INTO public.requests VALUES ('staging.stg_orders', '2024-01-02', 'e4ddc6a8f325f01dc63b993d371affbc6ed1561ef783d92b2dd1ae16002944ab', 'c51d2aa529fc5c455daa1d3270706abb368c67377753d7be6c2e7f54081206b6');
INSERT INTO public.requests VALUES ('staging.stg_orders', '2024-01-03', '93b4ea9a1d088ce596a36ffb328d7098483d9bf767cd413f676727ca7c286caf', 'e11c09ac7ca6a6b8e3649a0b14e46b557fc6396f3855a47d3d5042b94b3ee0ae');
INSERT INTO public.requests VALUES ('staging.stg_orders', '2024-01-04', 'd2064b1cef2e097431961c06be60532b4f6d0511316f1c9660b3d552a80aead2', '50a91557933d33023daa31c64ad724934cb63bbdbf74812c553beec014a558ac');
INSERT INTO public.requests VALUES ('staging.stg_orders', '2024-01-05', '98523477c86e77ff1604c572374be437446433292fc475fa888e1a2ee5bfd1d9', '6a24bd0a0483b1a49b457f228a01806efead955c93cacaa151f97bacd914bca7');
INSERT INTO public.requests VALUES ('staging.stg_weather', '2024-01-01', '8a177db4cd146203646b71373ca66d38ab7e96b5dc3ba34c933e08641b7f3772', '043a94f77f976e2f47d4cf2c1de893eb94b2f487a0a46d86a2cc2c326bfdc03e');
INSERT INTO public.requests VALUES ('staging.stg_weather', '2024-01-02', 'f3a7d81c87e3cf50129dd0cf36844f0602436ac89aa06cdb9ad75d3cc54f9bfb', 'c51d2aa529fc5c455daa1d3270706abb368c67377753d7be6c2e7f54081206b6');
INSERT INTO public.requests VALUES ('staging.stg_weather', '2024-01-03', '291bd3174287946a610983fb8c0b6e837e1a410e076fb020a6229dd3ac496b66', 'e11c09ac7ca6a6b8e3649a0b14e46b557fc6396f3855a47d3d5042b94b3ee0ae');
INSERT INTO public.requests VALUES ('staging.stg_weather', '2024-01-04', '4bd8136cf4e4d5f599381bbcfd6a3fac68b75edc54d0e9ac71e2d80dcfc805b2', '50a91557933d33023daa31c64ad724934cb63bbdbf74812c553beec014a558ac');
INSERT INTO public.requests VALUES ('staging.stg_weather', '2024-01-05', 'dadad29d78d053944b4dff5c0a20a669252f29d030f44aa31d214a2e16f70d07', '6a24bd0a0483b1a49b457f228a01806efead955c93cacaa151f97bacd914bca7');
INSERT INTO public.requests VALUES ('staging.stg_weather', '2024-01-06', 'c1a268959be807ef9282ac75d6af37ca1d6cfce7b6e3ed41f9c3c704baf19d6a', 'ecc39a044f0ba5dbd8133c3e623ce06ec0feeb0e0f93058e52f25db38276d5ba');
INSERT INTO public.requests VALUES ('staging.stg_weather', '2024-01-07', '59ef3638b2c848a8969128fb0daa7c690dc675c62b3014bf7215dabed59a2016', 'd4accea682b86b2a1e10fa4ec5477aa393ff03dd827d0abdceb24085b376a88f');
INSERT INTO public.requests VALUES ('staging.stg_weather', '2024-01-08', 'a76123cc20db4e8ea405acbf326b19d99cabc119b5d85998781b416f1217031a', 'e0936d003767832cc79011cd4b9c0a59c45f778da7e31558ce62783bd7b06c15');
SELECT pg_catalog.setval('public.builds_id_seq', 37, true);
SELECT pg_catalog.setval('public.deliveries_id_seq', 6, true);
SELECT pg_catalog.setval('public.drops_id_seq', 14, true);
SELECT pg_catalog.setval('public.evidence_id_seq', 58, true);
SELECT pg_catalog.setval('public.forgotten_keys_id_seq', 1, false);
SELECT pg_catalog.setval('public.releases_id_seq', 2, true);
ALTER TABLE ONLY public.acknowledgements
    ADD CONSTRAINT acknowledgements_pkey PRIMARY KEY (delivery_id, first_row);
ALTER TABLE ONLY public.bases
    ADD CONSTRAINT bases_pkey PRIMARY KEY (export, scope);
ALTER TABLE ONLY public.builds
    ADD CONSTRAINT builds_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT deliveries_delivery_id_key UNIQUE (delivery_id);
ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT deliveries_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.delivery_notes
    ADD CONSTRAINT delivery_notes_pkey PRIMARY KEY (delivery_id, name);
ALTER TABLE ONLY public.drop_files
    ADD CONSTRAINT drop_files_pkey PRIMARY KEY (drop_id, path);
ALTER TABLE ONLY public.drops
    ADD CONSTRAINT drops_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.drops
    ADD CONSTRAINT drops_source_partition_key_ordinal_key UNIQUE (source, partition_key, ordinal);
ALTER TABLE ONLY public.evidence
    ADD CONSTRAINT evidence_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.forgotten_keys
    ADD CONSTRAINT forgotten_keys_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.holds
    ADD CONSTRAINT holds_pkey PRIMARY KEY (export, partition_key);
ALTER TABLE ONLY public.leases
    ADD CONSTRAINT leases_pkey PRIMARY KEY (object);
ALTER TABLE ONLY public.refusals
    ADD CONSTRAINT refusals_pkey PRIMARY KEY (delivery_id, "row");
ALTER TABLE ONLY public.refused_keys
    ADD CONSTRAINT refused_keys_pkey PRIMARY KEY (export, scope, key);
ALTER TABLE ONLY public.releases
    ADD CONSTRAINT releases_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.requests
    ADD CONSTRAINT requests_pkey PRIMARY KEY (relation, partition_key, made_of);
CREATE INDEX builds_by_table ON public.builds USING btree (relation, partition_key, id);
CREATE INDEX deliveries_by_export ON public.deliveries USING btree (export, partition_key, id);
CREATE INDEX deliveries_by_scope ON public.deliveries USING btree (export, scope, id);
CREATE INDEX evidence_by_check ON public.evidence USING btree (relation, partition_key, check_name, id);
CREATE INDEX forgotten_by_export ON public.forgotten_keys USING btree (export, id);
CREATE INDEX releases_by_partition ON public.releases USING btree (partition_key, id);
ALTER TABLE ONLY public.drop_files
    ADD CONSTRAINT drop_files_drop_id_fkey FOREIGN KEY (drop_id) REFERENCES public.drops(id);
