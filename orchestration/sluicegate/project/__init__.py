"""The project directory: its four folders read and checked together, and the rules that look across them.

Belongs here: what holds of several files at once. Does not belong here: what one file says (`contracts`,
`transformation`, `quality.suites`, `delivery.export_files`).
"""
