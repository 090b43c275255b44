"""Attributes of a profile that Braze makes another value of, by their names and kinds.

Belongs here: values that mean something else there, standard attributes with values of their own. Does not:
what no attribute and no property of an event can be (`client`), sizes (`sizes`).

Source: www.braze.com/docs/api/objects_filters/user_attributes_object.
"""

import re
from collections.abc import Iterator
from zoneinfo import available_timezones

from sluicegate.compute.sql import literal
from sluicegate.compute.sql_types import LIST, STRUCT, SqlType

from ..exact_values import TEXTS, Unfit

# An object with one of these at its top is an order to change what is there.
_ORDERS = ("inc", "add", "remove", "update")
# ISO 3166-1 alpha-2.
_COUNTRIES = re.findall(
    r"[A-Z]{2}",
    """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
""",
)
_SUBSCRIPTIONS = ("opted_in", "unsubscribed", "subscribed")
# What is sent of these otherwise is null there, or is not set.
_STANDARD: dict[str, tuple[str, tuple[str, ...]]] = {
    "country": ("codes of ISO 3166-1 alpha-2, in capitals", tuple(_COUNTRIES)),
    "gender": ("M, F, O, N and P", ("M", "F", "O", "N", "P")),
    "email_subscribe": (", ".join(_SUBSCRIPTIONS), _SUBSCRIPTIONS),
    "push_subscribe": (", ".join(_SUBSCRIPTIONS), _SUBSCRIPTIONS),
}
_ZONE = "time_zone"


def unfit_attribute(name: str, value: str, kind: SqlType) -> Iterator[Unfit]:
    """Yield what Braze makes another value of in an attribute, as SQL conditions on `value`."""
    if kind.name == LIST and not kind.members[0][1].members:
        yield Unfit(
            f"len(list_filter({value}, lambda one: one is not null)) <> len(list_distinct({value}))",
            "Braze keeps each value of an array once",
            "list_distinct(…) in the model",
        )
    if kind.name == STRUCT and any(member in _ORDERS for member, _ in kind.members):
        yield Unfit(
            f"{value} is not null",
            f"Braze takes an object with {', '.join(_ORDERS)} for an order to change the attribute",
            "name these otherwise in the model",
        )
    if kind.name in TEXTS and (name in _STANDARD or name == _ZONE):
        said, values = _STANDARD.get(name) or ("the time zones of the IANA", tuple(available_timezones()))
        if values:  # a machine may have no list of zones
            yield Unfit(
                f"{value}::varchar not in ({', '.join(map(literal, values))})",
                f"Braze's {name} has {said} alone",
                "write such a value, or null, in the model",
            )
