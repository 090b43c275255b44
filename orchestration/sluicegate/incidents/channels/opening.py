"""A recipient -> the channel that it is told by, with this deployment's connection."""

from collections.abc import Callable

from sluicegate.core.loopback import hosts_in
from sluicegate.core.problems import did_you_mean
from sluicegate.core.secrets import SecretError
from sluicegate.core.settings import Settings
from sluicegate.incidents.alerts_file import FILE, Alerts
from sluicegate.incidents.alerts_spec import OWNER, EmailChannel
from sluicegate.incidents.channels.base import Channel, ChannelRefused
from sluicegate.incidents.channels.by_apprise import AppriseChannel
from sluicegate.incidents.channels.log import LogChannel, to_output
from sluicegate.incidents.channels.pagerduty import PagerDutyChannel
from sluicegate.incidents.channels.webhook import WebhookChannel
from sluicegate.incidents.trouble import Notice


def tell(
    alerts: Alerts,
    recipient: str,
    settings: Settings,
    notice: Notice,
    write: Callable[[str], None] = to_output,
) -> str:
    """Tell a recipient a notice, and once more where its connection is a reference that was renewed since.

    Raises:
        ChannelBusy: not now.
        ChannelRefused: never like this.
    """
    channel = open_channel(alerts, recipient, settings, write)
    connection = getattr(alerts.channel_of(recipient)[1], "connection", "")
    used = settings.connection(connection) or ""
    try:
        return channel.send(notice)
    except ChannelRefused:
        if settings.renewed(connection, used) is None:
            raise
    return open_channel(alerts, recipient, settings, write).send(notice)


def open_channel(
    alerts: Alerts, recipient: str, settings: Settings, write: Callable[[str], None] = to_output
) -> Channel:
    """Return the channel of a recipient (`Alerts.recipients`); `write` takes a line of the log.

    Raises:
        ChannelRefused: the file has no such channel, or this deployment no such connection.
    """
    name, spec, address = alerts.channel_of(recipient)
    if spec is None:
        raise ChannelRefused(f"{FILE} has no channel `{name}`", did_you_mean(name, alerts.channels))
    if spec.type == "log":
        return LogChannel(write)
    variable = settings.variable_of(spec.connection)
    try:
        url = settings.connection(spec.connection)
    except SecretError as error:
        raise ChannelRefused(error.what, f"{error.fix} (expected {error.expected})") from None
    if url is None:
        raise ChannelRefused(f"channel `{name}` has no connection here", f"set {variable} to its URL")
    if wrong := settings.led_elsewhere(spec.connection, hosts_in(url)):
        raise ChannelRefused(wrong.what, f"expected {wrong.expected}; {wrong.fix}")
    if spec.type == "pagerduty":
        return PagerDutyChannel(url, variable)
    if spec.type == "webhook":
        return WebhookChannel(url, variable)
    to = [one for one in spec.to if one != OWNER] if isinstance(spec, EmailChannel) else []
    to += [address] if address else []
    if isinstance(spec, EmailChannel) and not to:  # Apprise would write to the sender
        raise ChannelRefused(
            f"channel `{name}` writes to owners alone", f"name one, as `{name}:you@your.example`"
        )
    return AppriseChannel(spec.type, url, variable, to)
