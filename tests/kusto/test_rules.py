"""What is refused in `kusto/`, and what is not: each rule by a project that breaks it, at line and column.

Belongs here: one problem a project, said as its author reads it. Does not: commands by kind
(`test_commands`), what is kept (`test_parsed`).
"""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from orchestration.core.settings import REPOSITORY
from orchestration.core.stages import Stage
from orchestration.kusto.database_file import SCHEMA_FILE, schema_text
from orchestration.kusto.objects import Fed, Kind
from orchestration.kusto.reading import load_kusto
from tests.kql import FEEDS, SALES, read, write

NOTES = ".create-merge table Notes (city:string, n:long)\n"
F, G, V, T = "functions/F.kql", "functions/G.kql", "views/V.kql", "tables/sales.kql"
NEW = "tables/Notes.kql"
OF_WORK = "// owner: ada@example.com\n// expires: 2027-01-31\n// purpose: What is found out.\n"
SECURE, UPDATE = "policy row_level_security enable", "policy update"


def table(*words: str) -> str:
    """Commands on the table, each `.alter table sales …` unless it begins otherwise."""
    return "\n".join(one if one.startswith(".") else f".alter table sales {one}" for one in words)


def function(name: str = "F", body: str = "sales", parameters: str = "", more: str = "") -> str:
    return f".create-or-alter function {more}{name}({parameters}) {{ {body} }}\n"


def update(of: str, query: str, source: str = "sales", policy: str = UPDATE) -> str:
    """An update policy of a table, in JSON within a literal."""
    said = json.dumps([{"Source": source, "Query": query}])
    return f".alter table {of} {policy} ```{said}```\n"


def view(name: str = "V", query: str = "sales | summarize n=count() by city", of: str = "table sales") -> str:
    return f".create-or-alter materialized-view {name} on {of} {{ {query} }}\n"


# (files, where, what of the problem)
WRONG: list[tuple[Mapping[str, str | bytes], str, str]] = [
    # Texts that are none.
    ({F: b"\xff\xfe."}, "functions/F.kql:1", "UTF-8"),
    ({F: b"// a\n// \xe9\n"}, "functions/F.kql:2", "UTF-8"),
    ({F: ""}, "functions/F.kql:1:1", "has no command"),
    ({F: "\ufeff\r\n // nothing\r\n\r\n"}, "functions/F.kql:1:1", "has no command"),
    ({F: function() + " " * 300_000}, "functions/F.kql:1", "300,"),
    ({F: function(body="print 'a\u202eb'")}, "functions/F.kql:1:41", "U+202E"),
    ({F: "// a\rb\n" + function()}, "functions/F.kql:1:5", "U+000D"),
    ({F: function() + "\u2028.drop table X"}, "functions/F.kql:2:1", "U+2028"),
    ({F: function(body="sales\x00")}, "functions/F.kql:1:38", "U+0000"),
    ({F: function(body="print 'AM\u200bES'")}, "functions/F.kql:1:42", "write it as `\\u200b`"),
    ({F: "// \U000e0041\n" + function()}, "functions/F.kql:1:4", "write it as `\\U000e0041`"),
    ({"functions/F.csl": function()}, "functions/F.csl:1", "is not read"),
    ({"functions/deep/F.kql": function()}, "functions/deep/F.kql:1", "is not read"),
    ({"F.kql": function()}, "F.kql:1", "is not read"),
    ({"Functions/F.kql": function()}, "Functions:1", "is not read"),
    ({"Work/functions/F.kql": function()}, "Work:1", "git mv kusto/Work kusto/work"),
    ({"work/database.yml": "connection: telemetry\n"}, "work/database.yml:1", "is not read"),
    # Commands.
    ({F: function() + "\n\n.drop table sales\n"}, "functions/F.kql:4:1", "DropTable"),
    ({F: function() + "// so\n.drop table sales"}, "functions/F.kql:3:1", "DropTable"),
    ({F: function().strip() + "; .drop table sales"}, "functions/F.kql:1:40", "belongs to no command"),
    ({F: function().strip() + ";"}, "functions/F.kql:1:40", "a `;` too"),
    ({F: function().strip() + " .drop table sales"}, "functions/F.kql:1:41", "belongs to no command"),
    ({F: function().strip() + "\n| count"}, "functions/F.kql:2:1", "belongs to no command"),
    ({F: function().strip() + " <| .show tables"}, "functions/F.kql:1:41", "belongs to no command"),
    ({F: function() + "sales"}, "functions/F.kql:2:1", "belongs to no command"),
    ({F: function() + "\u00a0"}, "functions/F.kql:2:1", "belongs to no command"),
    ({F: "#connect 'x'\n" + function()}, "functions/F.kql:1:1", "belongs to no command"),
    ({F: "sales | take 5"}, "functions/F.kql:1:1", "belongs to no command"),
    ({F: function() + function()}, "functions/F.kql:2:1", "has a second command"),
    ({F: ".purge table sales records <| where city == 'a'"}, "functions/F.kql:1:1", "nobody knows"),
    ({F: ".create function F() { sales }"}, "functions/F.kql:1:1", "CreateFunction"),
    ({F: view("F")}, "functions/F.kql:1:1", "move it to views/"),
    ({T: ".alter table sales docstring 'a' .alter table sales folder 'b'"},
     "tables/sales.kql:1:34", "no command"),
    ({T: ".alter table sales docstring 'a'\n\n.alter table sales policy\n"},
     "tables/sales.kql:3:26", "KS005"),
    ({T: ".alter table stores docstring 'a'"}, "tables/sales.kql:1:14", "defines `stores`"),
    ({T: ".alter tables (sales, stores) policy retention '{}'"}, "tables/sales.kql:1:1", "AlterTablesPolicy"),
    ({F: function("f")}, "functions/F.kql:1:27", "defines `f`"),
    ({"functions/a.b/F.kql": function()}, "functions/a.b/F.kql:1", "is not read"),
    ({"functions/F_sluice_staging.kql": function("F_sluice_staging")},
     "F_sluice_staging.kql:1:27", "deliveries"),
    ({F: function(more="with (skipvalidation=true) ")}, "functions/F.kql:1:33", "says `skipvalidation`"),
    ({F: function(more="with (skipValidation='True') ")}, "functions/F.kql:1:33", "says `skipValidation`"),
    ({F: function(more="with (foldr='a') ")}, "functions/F.kql:1:33", "did you mean `folder`?"),
    ({F: function(more="with (folder='a', Folder='b') ")}, "functions/F.kql:1:45", "twice"),
    ({F: function(body="// nothing\n")}, "functions/F.kql:1:31", "has no query"),
    ({F: function(body="let a = 1;")}, "functions/F.kql:1:31", "has no query"),
    ({F: function(parameters="a:int, a:long")}, "functions/F.kql:1:36", "`a` twice"),
    # Queries.
    ({F: function(body="sales | where citty == 'a'")}, "functions/F.kql:1:47", "KS142"),
    ({F: function(body="print x = '😀' | extend y = citty")}, "functions/F.kql:1:60", "KS142"),
    ({F: "// a\r\n" + function(body="sales\r\n\t| where citty == 1")}, "functions/F.kql:3:10", "KS142"),
    ({F: function(body="sales | where bottles")}, "functions/F.kql:1:47", "KS141"),
    ({F: function(body="sales |")}, "functions/F.kql:1:", "KS"),
    ({F: function(body="sales; stores")}, "functions/F.kql:1:", "KS005"),
    ({F: function(body="G('a', 1)"), G: function("G", parameters="a:string")}, "functions/F.kql:1:33", "KS"),
    ({V: view(query="sales | summarize n=count() by town")}, "views/V.kql:1:", "KS142"),
    ({V: view(of="table orders")}, "views/V.kql:1:47", "names `orders`"),
    ({V: view(of="materialized-view W", query="sales | count")}, "views/V.kql:1:59", "names `W`"),
    ({F: "// sample: F(1, 2)\n" + function(parameters="a:string")}, "functions/F.kql:1:12", "KS119"),
    ({F: "// sample: G('x')\n" + function(), G: function("G", parameters="a:string")},
     "F.kql:1:12", "sample"),
    ({F: "// sample: F('x'); sales\n" + function(parameters="a:string")}, "functions/F.kql:1:12", "sample"),
    ({F: "// sample: F(toscalar(sales | count))\n" + function(parameters="a:long")}, "F.kql:1:12", "sample"),
    ({F: "// Sample: F(strcat('a', 'b'))\n" + function(parameters="a:string")}, "F.kql:1:12", "sample"),
    ({F: "// sample: F(now(toscalar(sales | count)))\n" + function(parameters="a:datetime")},
     "functions/F.kql:1:12", "sample"),
    ({F: "// sample: .drop table sales\n" + function()}, "functions/F.kql:1:12", "sample"),
    ({V: "// sample: V()\n" + view()}, "views/V.kql:1:12", "sample"),
    ({F: "// sample: F('x') // F()\n" + function(parameters="a:string")}, "functions/F.kql:1:12", "sample"),
    ({F: function(body="sales | where " + " or ".join(["city == 'a'"] * 5_000))}, "F.kql:1:31", "too deep"),
    ({F: function(body="print " + "(" * 300 + "1" + ")" * 300)}, "functions/F.kql:1:", "200 deep"),
    ({F: function() + "'hunter2 ...'"}, "functions/F.kql:2:1", "`'` belongs to no command"),
    ({V: view().replace("view V", "view with (allowMaterializedViewsWithoutRowLevelSecurity=true) V")},
     "views/V.kql:1:42", "has the property"),
    ({NEW: ".create-merge table Notes (['a\\'b']:int)"}, "tables/Notes.kql:1:28", "no name of Kusto's"),
    ({T: table('policy retention \'{"SoftDeletePeriod": "00:00:01"}\'')},
     "sales.kql:1:37", "less than a day"),
    ({"work/" + F: OF_WORK + function(body="database(a).b", parameters="a:string")},
     "functions/F.kql:4:41", "computed"),
    ({"functions/a+b.kql": function("['a+b']")}, "functions/a+b.kql:1:27", "no name of Kusto's"),
    ({T: table(UPDATE + " @'[{\"Source\": \"s*\", \"SourceIsWildCard\": true, \"Query\": \"sales\"}]'")},
     "tables/sales.kql:1:34", "does not name"),
    # What reaches further.
    ({F: function(body="cluster('a').database('b').c")}, "functions/F.kql:1:33", "`cluster()`"),
    ({F: function(body="['cluster']('a').database('b').c")}, "functions/F.kql:1:33", "`cluster()`"),
    ({F: function(body="database('b').c")}, "functions/F.kql:1:33", "`database()`"),
    ({F: function(body="let d = () { database('b').c }; d()")}, "functions/F.kql:1:46", "`database()`"),
    ({F: function(body="external_table('b')")}, "functions/F.kql:1:33", "`external_table()`"),
    ({F: function(body="stored_query_result('b')")}, "functions/F.kql:1:33", "`stored_query_result()`"),
    ({F: function(body="graph('b') | graph-match (a) project a.x")}, "functions/F.kql:1:33", "`graph()`"),
    ({F: function(body="externaldata (a:int) ['https://x']")}, "functions/F.kql:1:33", "external data"),
    ({F: function(body="evaluate http_request('https://x')")}, "functions/F.kql:1:", "plugin `http_request`"),
    ({F: function(body="evaluate ['http_request']('https://x')")},
     "functions/F.kql:1:", "plugin `http_request`"),
    ({F: function(body="evaluate sql_request('a', 'b')")}, "functions/F.kql:1:", "plugin `sql_request`"),
    ({F: function(body="evaluate cosmosdb_sql_request('a', 'b')")}, "functions/F.kql:1:", "cosmosdb"),
    ({F: function(body="sales | evaluate nobody_knows()")}, "functions/F.kql:1:", "KS124"),
    (
        {F: function(body="sales | evaluate python(typeof(*), 'x', dynamic({}), dynamic({'a':'b'}))")},
        "functions/F.kql:1:50", "plugin `python` with 4 arguments",
    ),
    ({F: function(body="sales | evaluate python(typeof(*), 'x', external_artifacts=dynamic({'a':'b'}))")},
     "functions/F.kql:1:50", "3 arguments, `external_artifacts`"),
    ({F: function(body="sales | evaluate r(typeof(*), 'x', ['external_artifacts']=dynamic({'a':'b'}))")},
     "functions/F.kql:1:50", "plugin `r`"),
    ({F: function(body="macro-expand entity_group [database('b')] as X (X.c)")},
     "functions/F.kql:1:", "macro expand"),
    ({F: function(body="union *")}, "functions/F.kql:1:39", "does not name"),
    ({F: function(body="union s*")}, "functions/F.kql:1:39", "does not name"),
    ({F: function(body="union withsource=a (sales), st*")}, "functions/F.kql:1:", "does not name"),
    ({F: function(body="search 'a'")}, "functions/F.kql:1:33", "does not name"),
    ({F: function(body="find where city == 'a'")}, "functions/F.kql:1:33", "does not name"),
    ({F: function(body="find in (s*) where city == 'a'")}, "functions/F.kql:1:", "does not name"),
    ({F: function(body="union isfuzzy=true sales, Nobodys")}, "functions/F.kql:1:", "KS205"),
    ({F: function(body="table(a)", parameters="a:string")}, "functions/F.kql:1:41", "`table()`"),
    ({F: function(body="__invoke('sales')")}, "functions/F.kql:1:", "__invoke"),
    # Names.
    ({F: function(), "work/" + F: OF_WORK + function()},
     "work/functions/F.kql:4:27", "also defined by kusto/functions/F.kql"),
    ({F: function(), "functions/f.kql": function("f")}, "functions/f.kql:1:27", "also defined by"),
    ({"functions/sales.kql": function("sales", "stores")},
     "functions/sales.kql:1:27", "the export exp_sales"),
    ({"views/F.kql": view("F"), F: function()}, "views/F.kql:1:36", "also a function"),
    ({"functions/strlen.kql": function("strlen", "sales")}, "functions/strlen.kql:1:27", "Kusto's own"),
    # Between files.
    ({F: function(body="F()")}, "functions/F.kql:1:33", "F → F"),
    (
        {G: function("G", "H"), "functions/H.kql": function("H", "F"), F: function(body="G")},
        "functions/F.kql:1:33", "F → G → H → F",
    ),
    ({F: function(body="G"), "work/" + G: OF_WORK + function("G")},
     "functions/F.kql:1:33", "`sluice env promote G`"),
    ({F: function(body="tries")}, "functions/F.kql:1:33", "`sluice env promote exp_tries`"),
    ({"tables/tries.kql": ".alter table tries docstring 'x'"}, "tables/tries.kql:1:14", "which is work"),
    ({F: function(body="table('Nobodys')")}, "functions/F.kql:1:33", "`table()`"),
    ({"work/" + F: OF_WORK.replace("// owner", "// by") + function()},
     "work/functions/F.kql:1:1", "no `owner`"),
    ({"work/" + F: OF_WORK.replace("@", " at ") + function()},
     "work/functions/F.kql:1:11", "`owner` that is"),
    ({"work/" + F: OF_WORK.replace("-31", "-32") + function()},
     "work/functions/F.kql:2:13", "`expires` that"),
    ({"work/" + F: OF_WORK.replace("purpose", "aim") + function()},
     "work/functions/F.kql:1:1", "no `purpose`"),
    # Tables.
    ({NEW: ".alter table Notes docstring 'x'"}, "tables/Notes.kql:1:14", "nothing makes the table `Notes`"),
    ({"tables/salse.kql": ".alter table salse docstring 'x'"}, "salse.kql:1:14", "did you mean `sales`?"),
    ({T: ".create-merge table sales (city:string, town:string)"}, "tables/sales.kql:1:41", "is not sent by"),
    ({T: ".create-merge table sales (city:string, bottles:int)"}, "tables/sales.kql:1:49", "sends long"),
    ({T: ".alter-merge table sales column-docstrings (citty:'x')"}, "tables/sales.kql:1:45", "mean `city`"),
    ({T: ".alter-merge table sales column-docstrings (day:'The day.')"},
     "sales.kql:1:49", "(sluice: date32[day])"),
    ({NEW: ".create-merge table Notes (a:int)\n.alter-merge table Notes column-docstrings (b:'x')"},
     "tables/Notes.kql:2:45", "there is no column `b`"),
    ({T: ".alter-merge table sales policy retention softdelete = 0d"}, "sales.kql:1:56", "less than a day"),
    ({T: ".alter table sales policy retention '{\"SoftDeletePeriod\": \"00:00:00\"}'"},
     "sales.kql:1:37", "less than a day"),
    *(
        ({T: f".alter-merge table sales policy retention softdelete = {span}"}, "sales.kql:1:56", what)
        for span, what in (
            ("time(0.10:00:00)", "less than a day"), ("'23:00:00'", "less than a day"), ("-1d", "less than"),
            ("time(null)", "`time(null)` is no time span"), ("7", "`7` is no time span"),
        )
    ),
    ({T: table("policy retention '{\"softDeletePeriod\": \"10.00:00:00\"}'")},
     "sales.kql:1:37", "retention policy has `softDeletePeriod`"),
    ({T: table("policy retention '{\"SoftDeletePeriod\": 0}'")}, "sales.kql:1:37", "is no time span"),
    # Said twice.
    ({T: table("policy retention '{\"Recoverability\": \"Disabled\"}'")},
     "sales.kql:1:37", "does not say for how long"),
    ({T: table("docstring 'a'", "docstring 'b'")}, "tables/sales.kql:2:1", "says the doc string twice"),
    ({T: table("policy retention '{\"SoftDeletePeriod\": \"9.00:00:00\"}'",
               ".alter-merge table sales policy retention softdelete = 9d")},
     "tables/sales.kql:2:1", "says the policy retention twice"),
    ({T: ".alter-merge table sales column-docstrings (city:'x', city:'y')"},
     "sales.kql:1:55", "docstring of `city` twice"),
    ({NEW: ".create-merge table Notes (a:int, a:int)"}, "tables/Notes.kql:1:35", "column `a` twice"),
    ({T: table(*[".create-or-alter table sales ingestion json mapping 'm' '[]'"] * 2)},
     "tables/sales.kql:2:53", "mapping `m` of json twice"),
    ({T: ".alter table sales policy retention 'x'"}, "tables/sales.kql:1:37", "RetentionPolicy is not JSON"),
    ({T: ".alter table sales policy update '{'"}, "tables/sales.kql:1:34", "UpdatePolicy is not JSON"),
    ({T: ".create-or-alter table sales ingestion json mapping 'sluice_x' '[]'"},
     "sales.kql:1:53", "deliveries"),
    ({T: ".alter table sales policy row_level_security enable \"sales | where citty == 'a'\""},
     "tables/sales.kql:1:68", "KS142"),
    ({T: ".alter table sales policy row_level_security enable 'sales | where city == \"\\u0041\" and x'"},
     "tables/sales.kql:1:89", "KS142"),
    ({T: ".alter table sales policy row_level_security enable @'sales | where city == ''A'' and x'"},
     "tables/sales.kql:1:87", "KS142"),
    ({T: ".alter table sales policy row_level_security enable ```sales\n| where citty == 'a'```"},
     "tables/sales.kql:2:9", "KS142"),
    ({T: ".alter table sales policy row_level_security enable 'stores'"}, "sales.kql:1:53", "does not give"),
    ({T: ".alter table sales policy row_level_security enable \"cluster('a').database('b').c\""},
     "tables/sales.kql:1:54", "`cluster()`"),
    ({T: table(UPDATE + " @'[{\"Source\": \"stores\", \"Query\": \"storess\"}]'")},
     "tables/sales.kql:1:68", "KS142"),
    ({T: ".alter table sales policy update @'[{\"Source\": \"nobodys\", \"Query\": \"sales\"}]'"},
     "sales.kql:1:34", "nobodys"),
    ({T: table(UPDATE + " @'[{\"Source\": \"stores\", \"Query\": \"sales\", \"ManagedIdentity\": \"x\"}]'")},
     "tables/sales.kql:1:34", "`ManagedIdentity`"),
    # Views that Kusto refuses.
    *(
        ({V: view(query=query)}, where, what)
        for query, where, what in (
            ("sales | project city", "V.kql:1:53", "does not end with `summarize`"),
            ("sales | summarize n=count() by city | where n > 1", "V.kql:1:53", "does not end with"),
            ("stores | summarize n=count() by city", "V.kql:1:47", "does not read its source, `sales`"),
            ("sales | where day > ago(1d) | summarize n=count() by city", "V.kql:1:", "has `ago()`"),
            ("let d = now(); sales | where day > d | summarize n=count() by city", "V.kql:1:", "has `now()`"),
            ("sales | top 5 by day | summarize n=count() by city", "V.kql:1:", "has top operator"),
        )
    ),
    # Rows that move by themselves.
    ({V: view(of="table days", query="days | summarize sum(n) by city")},
     "views/V.kql:1:47", "`mode: snapshot`"),
    ({NEW: NOTES + update("Notes", "days", "days")}, "tables/Notes.kql:2:34", "`mode: snapshot`"),
    ({NEW: NOTES + update("Notes", "days", "days", "policy update").replace(".alter ", ".alter-merge ")},
     "tables/Notes.kql:2:40", "exports/exp_days.yml replaces"),
    ({T: update("sales", "stores | project day=now(), city, item=store, bottles=1, rank=toint(1)", "stores")},
     "tables/sales.kql:1:34", "which exports/exp_sales.yml feeds"),
    ({NEW: NOTES + update("Notes", "stores | summarize n=count() by city")},
     "tables/Notes.kql:2:34", "source `sales` does not read it"),
    ({NEW: NOTES + update("Notes", "Notes", "Notes")}, "tables/Notes.kql:2:34", "from itself"),
    ({NEW: NOTES + update("Notes", "sales | summarize n=count() by city | project n, city")},
     "tables/Notes.kql:2:34", "in this order"),
    ({NEW: NOTES + update("Notes", "sales | take hint.remote=left 1 | project city")},
     "tables/Notes.kql:2:34", "does not give"),
    ({NEW: NOTES + update("Notes", "F", "sales") + f".alter table Notes {SECURE} 'Notes'",
      F: function(body="sales | join (G) on city | summarize n=count() by city"),
      G: function("G", "stores"),
      "tables/stores.kql": ".alter table stores policy row_level_security enable 'stores'"},
     "tables/Notes.kql:2:34", "reads `stores`, on which kusto/tables/stores.kql enables row level security"),
    # database.yml.
    ({"database.yml": "conection: telemetry\n"}, "database.yml:1", "did you mean `connection`?"),
    ({"database.yml": "connection: telemetri\n"}, "database.yml:1", "did you mean `telemetry`?"),
    ({"database.yml": "connection: telemetry\nretention: {work: 14 days}\n"}, "database.yml:2", "time span"),
    ({"database.yml": "connection: telemetry\nretention: {work: 0d}\n"}, "database.yml:2", "time span"),
    ({"database.yml": "connection: telemetry\nretention: {wrok: 1d}\n"},
     "database.yml:2", "did you mean `work`?"),
    ({"database.yml": "connection: telemetry\nscratch: 'a;b'\n"}, "database.yml:2", "name of a database"),
    ({"database.yml": "- a\n"}, "database.yml:1", "mapping"),
]  # fmt: skip

RIGHT: list[Mapping[str, str | bytes]] = [
    {},
    {F: function()},
    {F: "\ufeff" + function().replace("\n", "\r\n")},
    {F: "// owner: ada@example.com\n\n" + function() + "// end\n"},
    {F: function(body='print "a // b .drop table sales"\n\n// } ;\n\n| take 1')},
    {F: function(body="print '👩\u200d👩\u200d👧'")},
    {F: function(more="with (folder='a', docstring='b', view=true, hidden=true, skipvalidation=false) ")},
    {F: function(parameters="a:int=1, b:string='x', c:dynamic=dynamic({})")},
    {F: function(body="T | where city == c", parameters="T:(city:string), c:string")},
    {F: "// sample: F(sales, 'AMES')\n"
        + function(body="T | where city == c", parameters="T:(city:string), c:string")},
    {F: "// sample: F(-1, dynamic([1]), datetime(2024-01-01), 1h)\n"
        + function(parameters="a:long, b:dynamic, c:datetime, d:timespan")},
    {F: "// Sample: F(ago(1d), now(), c=1)\n"
        + function(parameters="a:datetime, b:datetime, c:long", body="sales | where day between (a .. b)")},
    {F: function(body="T | take 1", parameters="T:(*)"), G: function("G", "F(sales)")},
    {"functions/my f.kql": function("['my f']"), G: function("G", '["my f"]() | count')},
    {"functions/a.b.kql": function("['a.b']")},
    {F: function(body="sales | extend d=dynamic({}) | evaluate bag_unpack(d)")},
    {F: function(body="sales | project city, day | evaluate pivot(city)")},
    {F: function(body="sales | evaluate python(typeof(*), 'x')")},
    {F: function(body="sales | evaluate python(typeof(*), 'x', script_parameters=dynamic({'a': 1}))")},
    {F: function(body="search in (sales, stores) 'a'")},
    {F: function(body="sales | search 'a'")},
    {F: function(body="table('sales') | join (materialized_view('V')) on city"), V: view()},
    {F: function(body="let T = sales; union T, (stores | project-away s*)")},
    {F: function(body="G() | invoke H()"), G: function("G"), "functions/H.kql": function("H", "T", "T:(*)")},
    {F: function(body="G(1) + 1"), G: function("G", "a + 1", "a:long")},
    {V: view(), "views/W.kql": view("W", "V | summarize take_any(*) by city", "materialized-view V")},
    {"views/A.kql": view("A", "V | summarize take_any(*) by city", "materialized-view V"), V: view()},
    {"work/" + F: OF_WORK + function(body="database('Production').sales | count"), G: function("G")},
    {"work/" + F: OF_WORK + function(body="database('Production').sales | where city == 'a' | project city")},
    {"work/" + F: OF_WORK + function(body="G"), G: function("G")},
    {NEW: ".create-merge table Notes (a:int, ['b c']:string) with (folder='x')\n\n"
          ".alter-merge table Notes column-docstrings (['b c']:'x')\n"
          ".alter-merge table Notes policy retention softdelete = 0d",
     F: function(body="Notes | project ['b c']")},
    {T: ".create-merge table sales (city:string, rank:long)\n// more\n.alter table sales docstring 'x'",
     F: function(body="sales | project tolong(rank)")},
    {T: ".alter-merge table sales column-docstrings (day:'The day. (sluice: date32[day])', city:'A city.')"},
    {T: table(SECURE + ' "F"'), F: function(body="sales | where city == 'a'")},
    {NEW: ".create-merge table Notes (n:long)\n.alter table Notes policy update "
          "@'[{\"IsEnabled\": true, \"Source\": \"sales\", \"Query\": \"F()\"}]'",
     F: function(body="sales | summarize n=count()")},
    {T: ".create-or-alter table sales ingestion json mapping 'm' '[{\"column\": \"city\"}]'\n"
        ".alter table sales policy caching hot = 3d\n.alter table sales folder 'x'"},
    {"database.yml": "connection: telemetry\nscratch: Scratch\n"
                     "retention: {work: 14d, scratch: 1.12:00:00}\ncaching: {work: 36h}\n"},
    {"filled/Daily.yml": "function: F\n", F: function()},
    *(
        {T: f".alter-merge table sales policy retention softdelete = {span}"}
        for span in ("10d", "time(10.00:00:00)", "timespan(10)", "'10.00:00:00'", "24h")
    ),
    {T: table(*(f".create-or-alter table sales ingestion {of} mapping 'm' '[]'" for of in ("csv", "json")))},
    {NEW: NOTES + "".join(
        update("Notes", "sales | summarize n=count() by city", of).replace(".alter ", ".alter-merge ")
        for of in ("sales", "stores")
    ).replace('"stores", "Query": "sales', '"stores", "Query": "stores')},
    {V: view(query="let d = 1; sales | where rank > d | lookup stores on city | summarize max(day) by city")},
    {F: function(body="V | where n > 1 | top 5 by n"), V: view()},
    # A table is work if what makes it is.
    {F: function(), "work/" + T: OF_WORK + ".alter table sales docstring 'x'"},
    {"work/" + F: OF_WORK + function(body="tries")},
    {NEW: NOTES + update("Notes", "sales | summarize n=count() by city")},
    {T: table(UPDATE + " '[]'")},
    {T: table(SECURE + ' "sales | project-reorder city"')},
    {F: function(body="days | summarize sum(n) by city")},
]  # fmt: skip


@pytest.mark.parametrize(
    ("files", "where", "what"), WRONG, ids=[f"{where} {what}" for _, where, what in WRONG]
)
def test_refused(tmp_path: Path, files: Mapping[str, str | bytes], where: str, what: str) -> None:
    _, problems = read(tmp_path, files)
    said = [str(problem) for problem in problems]
    assert any(where in one and what in one for one in said), said
    assert len({problem.file for problem in problems}) == 1, said


@pytest.mark.parametrize("files", RIGHT, ids=[" ".join(files) or "nothing" for files in RIGHT])
def test_taken(tmp_path: Path, files: Mapping[str, str | bytes]) -> None:
    project, problems = read(tmp_path, files)
    assert not problems, [str(problem) for problem in problems]
    assert project is not None
    named = {file.rpartition("/")[2] for file in files if file.endswith(".kql")}
    assert {f"{one.name}.kql" for one in project.objects} == named
    # What is deployed is each command alone.
    assert all(one.text.startswith(".") for made in project.objects for one in made.statements)
    assert not any(
        "//" in one.text[:2] or "\r" in one.text for made in project.objects for one in made.statements
    )


def test_nothing_is_loaded_without_the_folder(tmp_path: Path) -> None:
    assert load_kusto(tmp_path, feeds=FEEDS) == (None, [])


def test_parents_come_first_whatever_the_files_are_called(tmp_path: Path) -> None:
    project, problems = read(tmp_path, {
        "functions/A.kql": function("A", "B | union (W)"),
        "functions/B.kql": function("B", "Z() | project city"),
        "functions/Z.kql": function("Z"), "views/W.kql": view("W", "sales | summarize n=count() by city"),
        T: ".alter table sales policy row_level_security enable 'Z'",
    })  # fmt: skip
    assert project is not None, problems
    assert [one.name for one in project.objects] == ["sales", "Z", "B", "W", "A"]
    assert {one.name: list(one.reads) for one in project.objects} == {
        "sales": [(Kind.FUNCTION, "Z")],
        "Z": [(Kind.TABLE, "sales")],
        "B": [(Kind.FUNCTION, "Z")],
        "W": [(Kind.TABLE, "sales")],
        "A": [(Kind.FUNCTION, "B"), (Kind.VIEW, "W")],
    }
    assert project.objects[-1].columns == [("city", "string"), ("n", "long")]
    assert project.objects[0].columns == list(SALES.columns)


def test_a_table_that_a_function_fills_has_its_columns(tmp_path: Path) -> None:
    files = {
        F: function(body="sales | summarize n=count() by city"),
        G: function("G", "Daily | project n, town"),
    }
    _, problems = read(tmp_path, files, filled={"Daily": "F"})
    assert ["town" in str(one) for one in problems] == [True]
    project, problems = read(tmp_path, {G: function("G", "Daily | project n")}, filled={"Daily": "F"})
    assert project is not None, problems
    assert project.objects[-1].columns == [("n", "long")]


def test_a_table_that_a_function_fills_is_made_by_no_file(tmp_path: Path) -> None:
    files = {F: function(), "tables/Daily.kql": ".create-merge table Daily (n:long)"}
    _, problems = read(tmp_path, files, filled={"Daily": "F"})
    assert ["no columns: they are the function's" in str(one) for one in problems] == [True]


def test_nothing_else_takes_rows_of_a_table_that_a_function_fills_nor_fills_it(tmp_path: Path) -> None:
    files = {
        F: function(body="sales | summarize n=count() by city"),
        V: view(of="table Daily", query="Daily | summarize sum(n) by city"),
        NEW: NOTES + update("Notes", "Daily", "Daily"),
        "tables/Daily.kql": update("Daily", "sales | summarize n=count() by city"),
    }
    _, problems = read(tmp_path, files, filled={"Daily": "F"})
    told = {one.file: one.what for one in problems}
    assert "which a function fills, partition" in told["kusto/" + V]
    assert "which a function fills, partition" in told["kusto/" + NEW]
    assert "an update policy fills `Daily`" in told["kusto/tables/Daily.kql"]


def test_what_is_only_warned_of_is_told_and_refuses_nothing(tmp_path: Path) -> None:
    files = {
        F: function(body="G\n| summarize n=count() by city"),
        G: function("G", "sales | take hint.remote=left 9"),
        T: table("docstring 'x'", SECURE + ' "sales | where hint.remote=left city == \'a\'"'),
    }  # fmt: skip
    project, problems = read(tmp_path, files, filled={"Daily": "F"})
    assert project is not None, problems
    assert [one.rpartition("kusto/")[2].partition(" ")[0] for one in project.warnings] == [
        "tables/sales.kql:2:68:", "functions/G.kql:1:46:", "tables/sales.kql:2:1:",
    ]  # fmt: skip
    assert "KS179: The name 'hint.remote'" in project.warnings[0]
    said = "which compares what exp_sales has delivered and calls F() to fill `Daily`"
    assert said in project.warnings[2]
    (tmp_path / "kusto" / T).write_text(table(SECURE.replace("enable", "disable") + ' "sales"'))
    project, problems = load_kusto(tmp_path, feeds=FEEDS, filled={"Daily": "F"})
    assert project is not None, problems
    assert ["KS179" in one for one in project.warnings] == [True]


def test_two_tables_do_not_fill_each_other(tmp_path: Path) -> None:
    files = {
        f"tables/{one}.kql": NOTES.replace("Notes", one) + update(one, other, other)
        for one, other in (("A", "B"), ("B", "A"))
    }
    _, problems = read(tmp_path, files)
    assert ["from itself" in one.what for one in problems] == [True, True]


def test_a_link_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    (write(tmp_path, {G: function("G")}) / "kusto" / F).symlink_to(tmp_path / "nowhere")
    _, problems = load_kusto(tmp_path, feeds=FEEDS)
    assert ["functions/F.kql:1: cannot be read" in str(one) for one in problems] == [True]


def test_production_is_read_without_work(tmp_path: Path) -> None:
    files = {F: function(), "work/" + G: OF_WORK + function("G", "no such table")}
    project, problems = read(tmp_path, files, stages=(Stage.PRODUCTION,))
    assert not problems
    assert project is not None
    assert [one.name for one in project.objects] == ["F"]


def test_exports_by_another_connection_feed_another_database(tmp_path: Path) -> None:
    feeds = [SALES, Fed("stores", "exp_x", "elsewhere", Stage.PRODUCTION, [("store", "string")])]
    _, problems = read(tmp_path, {F: function(body="stores")}, feeds)
    assert ["KS204" in str(one) or "KS142" in str(one) for one in problems] == [True]


def test_the_schema_is_that_of_the_file() -> None:
    assert (REPOSITORY / SCHEMA_FILE).read_text() == schema_text(), "python -m tests.documents.renew"
    validator = Draft202012Validator(json.loads(schema_text()))
    for files in RIGHT:
        if "database.yml" in files:
            assert validator.is_valid(yaml.safe_load(files["database.yml"]))
    said = [
        files["database.yml"]
        for files, _, what in WRONG
        if "database.yml" in files and "telemetry" not in what
    ]
    assert not any(validator.is_valid(yaml.safe_load(one)) for one in said)
