"""Sluice: one Dagster asset graph, from landed file to destination.

A folder a stage, in the order in which data flows: `contracts`, `ingestion`, `transformation`, `quality`,
`gate`, `delivery`, `destinations`. `project` reads the four folders, `operations` says what is due and what
is wrong, `graph` is all of Dagster. They stand on `warehouse`, `state`, `compute` (the local engine), `areas`
and `core`. `cli` and `definitions` are the two doors. Imports run one way, from the doors down; `make lint`
checks it. Nothing here knows a company: that is what the four folders of a project directory are for (`demo`
alone knows the demo company's feeds).
"""
