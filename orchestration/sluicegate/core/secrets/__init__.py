"""Secrets by reference: `secret+azkv://vault/name`, `secret+file:/path`, `secret+env:NAME`, other people's.

What stands in the environment is where a secret is, and not what it is. It is read when it is used: so it is
in no child's environment, and one that was renewed is taken up without a restart. What was read is taken out
of whatever this process writes (`redaction`). Belongs here: how a reference is written and read. Does not
belong here: which settings are secrets (`core.settings`), what a destination does with one.
"""

from .by_reference import ByReference as ByReference
from .by_reference import secret_of as secret_of
from .errors import SecretError as SecretError  # what other people's kinds raise, too
