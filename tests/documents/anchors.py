"""Anchors of the runbook from before there were codes: texts on record and bookmarks name them."""

_NAMES = """
    a-copy adx adx-table after-restore append backups blob blob-rows braze budget-spent certificate
    channel check-did-not-run check-failed class connection-url credentials dbt-failed delivery-id
    delivery-waits demo destination-object disk-full environment erasure-journal exception-ended
    export-key export-type forget future-marker gate-not-built gate-stale gate-window held-delivery
    hubspot in-doubt incident inexact kusto-check kusto-checks kusto-deploy kusto-drift kusto-fill
    last-mile lease-lost load-memory long-silence lost-data manifest masking-key newer-records no-backup
    no-store not-configured not-emptied not-validated not-whole nothing-landed nothing-moves older-sql
    on-their-way open-rows operations-data original-changed other-contract other-export overdue postgres
    postgres-table productions-place project publishing pull-request quarantine reconciled
    refused-changed refused-columns refused-damaged refused-gone refused-otherwise refused-rows
    refused-type rejected-delivery release reload restore restored restoring rows-refused run-killed
    salesforce salesforce-jobs secret sensor settings shard shard-lost silent staging-out-of-reach
    strange-answer the-page too-old vendor-down waiting warehouse-locked warned-columns webhook
    what-it-is work-ended wrong-delivery wrong-marker
"""
BEFORE_CODES = tuple(_NAMES.split())
