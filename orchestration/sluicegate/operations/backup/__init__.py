"""Backups: taken of one moment while work goes on, verified, restored so that nothing is sent unlooked-at.

Belongs here: the folder of backups, what is in one, and the three things that are done with it. Does not
belong here: how the records copy themselves (`state.copying`), who may send after a restore
(`delivery.restored`).
"""
