"""Expectations -> SQL: what the warehouse itself judges, without Great Expectations.

Each module compiles a family of expectations into steps (`steps.py`): aggregates that share one scan with
those of other rules, or a query of their own. Semantics are those of Great Expectations' pandas engine; where
that engine is not sane, the compiling function says so. Does not belong here: running steps (`judging.py`),
and what only Great Expectations can judge (`gx_engine.py`).
"""
