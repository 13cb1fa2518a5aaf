"""JSON as XML, by its schema: properties become elements, items elements within theirs.

Names that are no names in XML are escaped as SQL/XML does it (ISO/IEC 9075-14): `_x0020_` for a space.
"""

from __future__ import annotations

import re
from typing import Any

from playground.errors import PlaygroundError

ROOT, ITEM = "answer", "item"  # where the schema has no title for them
MAX_HOPS = 16  # references in a row

# Letters of names in every edition of XML 1.0, without colons, which would speak of namespaces: Latin, Greek, Cyrillic,
# kana, Han and Hangul. What else the fifth edition takes is escaped, since readers of the fourth are common.
_LETTERS = "A-Za-z_\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u0131\u0134-\u013e\u0141-\u0148\u014a-\u017e\u0391-\u03a1"
_LETTERS += "\u03a3-\u03ce\u0401-\u040c\u040e-\u044f\u0451-\u045c\u3041-\u3094\u30a1-\u30fa\u4e00-\u9fa5\uac00-\ud7a3"
_NAME_START = re.compile(f"[{_LETTERS}]")
_NAME_REST = re.compile(f"[{_LETTERS}0-9.-]")
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_xml(value: Any, schema: Any = True) -> str:
    """The XML text of a JSON value; `schema` (parsed) gives titles, by which the root and items are called.

    `null` is an empty element with `nil="true"`; an empty array, object or text is an empty element.

    Raises:
        PlaygroundError: a text holds a character that XML has no way to write.
    """
    writer = _Writer(schema)
    writer.element(_title(writer.followed(schema), ROOT), value, schema, 0)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + "".join(writer.lines)


def xml_name(name: str) -> str:
    """The name as XML takes it, in a way that can be turned back."""
    found = []
    for at, character in enumerate(name):
        good = (_NAME_REST if at else _NAME_START).match(character)
        looks_escaped = character == "_" and re.match(r"_x[0-9A-Fa-f]{4,6}_", name[at:])
        reserved = at == 0 and name[:3].lower() == "xml"
        found.append(character if good and not looks_escaped and not reserved else _escaped(character))
    return "".join(found) or "_x_"


def plain_name(name: str) -> str:
    """What `xml_name` was given."""
    return "" if name == "_x_" else re.sub(r"_x([0-9A-F]{4}|[0-9A-F]{6})_", lambda m: chr(int(m[1], 16)), name)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"_x{code:04X}_" if code <= 0xFFFF else f"_x{code:06X}_"


class _Writer:
    def __init__(self, root: Any) -> None:
        self._root = root
        self.lines: list[str] = []

    def element(self, name: str, value: Any, schema: Any, depth: int) -> None:
        """Writes one element, with a line for each that it holds."""
        pad, tag = "  " * depth, xml_name(name)
        schema = self.followed(schema)
        parts = self._parts(value, schema)
        if value is None:
            self.lines.append(f'{pad}<{tag} nil="true"/>\n')
        elif parts:
            self.lines.append(f"{pad}<{tag}>\n")
            for part_name, part, of in parts:
                self.element(part_name, part, of, depth + 1)
            self.lines.append(f"{pad}</{tag}>\n")
        elif value in ("", [], {}):
            self.lines.append(f"{pad}<{tag}/>\n")
        else:
            self.lines.append(f"{pad}<{tag}>{_text(name, value)}</{tag}>\n")

    def followed(self, schema: Any) -> Any:
        """The schema that a reference leads to, as far as it is one."""
        for _ in range(MAX_HOPS):
            if not isinstance(schema, dict) or not str(schema.get("$ref", "")).startswith("#"):
                return schema
            target = self._root
            for step in str(schema["$ref"]).split("/")[1:]:
                key = step.replace("~1", "/").replace("~0", "~")
                target = target.get(key) if isinstance(target, dict) else None
            schema = target
        return schema

    def _parts(self, value: Any, schema: Any) -> list[tuple[str, Any, Any]]:
        keywords = schema if isinstance(schema, dict) else {}
        if isinstance(value, dict):
            of = keywords.get("properties", {})
            return [(name, part, of.get(name, True)) for name, part in value.items()]
        if isinstance(value, list):
            first, rest = keywords.get("prefixItems", []), keywords.get("items", True)
            schemas = [first[i] if i < len(first) else rest for i in range(len(value))]
            return [(_title(self.followed(of), ITEM), part, of) for part, of in zip(value, schemas, strict=True)]
        return []


def _title(schema: Any, default: str) -> str:
    title = schema.get("title") if isinstance(schema, dict) else None
    return title if isinstance(title, str) and title else default


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    found = _NO_XML.search(value)
    if found:
        raise PlaygroundError(
            f"The text of {name!r} holds U+{ord(found[0]):04X}, which XML cannot write.", "Take the JSON instead."
        )
    text = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("\r", "&#13;")
