"""`format` of JSON Schema as regular expressions that write only valid texts, shorter than all that are.

Narrower than the specifications where these allow what readers refuse: no leap second, no 29th of February outside leap
years, no year 0, no address of more than a line.
"""

from __future__ import annotations

_YEAR = r"[1-9][0-9]{3}"
_LEAP = r"(?:[1-9][0-9](?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)"
_DATE = (
    rf"(?:{_YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    rf"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP}-02-29)"
)
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
_HOUR = r"(?:[0-9]{1,4}H(?:[0-9]{1,4}M(?:[0-9]{1,4}S)?)?|[0-9]{1,4}M(?:[0-9]{1,4}S)?|[0-9]{1,4}S)"
_DAY = r"(?:[0-9]{1,4}Y(?:[0-9]{1,4}M(?:[0-9]{1,4}D)?)?|[0-9]{1,4}M(?:[0-9]{1,4}D)?|[0-9]{1,4}D)"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL}){{0,4}}"
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_HEX = r"[0-9a-fA-F]"
_ATOM = r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,32}"
_PART = r"(?:[a-zA-Z0-9._~!$&'()*+,;=:@-]|%[0-9a-fA-F]{2})"
_IPV6 = "|".join([
    rf"(?:{_HEX}{{1,4}}:){{7}}{_HEX}{{1,4}}",
    *(rf"(?:{_HEX}{{1,4}}:){{{n}}}(?::{_HEX}{{1,4}}){{1,{7 - n}}}" for n in range(1, 7)),
    rf":(?::{_HEX}{{1,4}}){{1,7}}",
    rf"(?:{_HEX}{{1,4}}:){{1,7}}:",
    "::",
])  # fmt: skip

# RFC 3339, 5321, 1123, 2673, 4291, 4122 and 3986, as JSON Schema names them.
FORMATS: dict[str, str] = {
    "date": f"^{_DATE}$",
    "time": f"^{_TIME}$",
    "date-time": f"^{_DATE}T{_TIME}$",
    "duration": f"^P(?:{_DAY}(?:T{_HOUR})?|T{_HOUR}|[0-9]{{1,4}}W)$",
    "email": rf"^{_ATOM}(?:\.{_ATOM}){{0,3}}@{_LABEL}(?:\.{_LABEL}){{1,3}}$",
    "hostname": f"^{_HOST}$",
    "ipv4": rf"^(?:{_BYTE}\.){{3}}{_BYTE}$",
    "ipv6": f"^(?:{_IPV6})$",
    "uuid": f"^{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}$",
    "uri": rf"^[a-z][a-z0-9+.-]{{1,15}}://{_HOST}(?::[0-9]{{1,5}})?(?:/{_PART}{{0,40}}){{0,8}}"
    rf"(?:\?{_PART}{{0,80}})?(?:#{_PART}{{0,40}})?$",
}
