"""Sluice: one Dagster asset graph, from landed file to destination.

A folder a stage, in the order in which data flows: `contracts`, `ingestion`, `transformation`,
`quality`, `delivery`. They stand on `warehouse` (the engine), `state` (small transactional records),
`settings`, `problems` and `yaml_files`. `operations` runs the whole; `cli` and `definitions` are its two
doors. Imports run one way, from the doors down. Nothing here knows a company: that is what the four
folders of a project directory are for (`demo` alone knows the demo company's feeds).
"""
