"""Notices posted as JSON by our own HTTP client: what its answers mean for a channel.

Belongs here: one request, within its time. Does not belong here: what is posted.
"""

import json
from collections.abc import Collection, Mapping
from contextlib import contextmanager
from collections.abc import Generator
from typing import Any

from orchestration.destinations.answers import Answer
from orchestration.destinations.batches import TryAgain
from orchestration.destinations.errors import DeliveryError
from orchestration.destinations.http import VendorClient
from orchestration.incidents.channels.base import (
    LONGEST_SECONDS,
    SILENCE_SECONDS,
    ChannelBusy,
    ChannelRefused,
)

_MOST_BYTES = 100_000
