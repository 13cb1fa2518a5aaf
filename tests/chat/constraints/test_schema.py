"""JSON Schemas bound by the grammar, against jsonschema; and every keyword that cannot bind refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from playground.bench.random_schemas import random_schema
from playground.chat.constraints.grammar import Compiled, compiled
from playground.chat.constraints.spec import MAX_DEPTH, Spec, spec_of
from playground.errors import InvalidRequest
from playground.protocol import ChatRequest
from tests.chat.constraints.walks import of_schema, takes, walk


def validator(schema: Any) -> Draft202012Validator:
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


@pytest.mark.parametrize("seed", range(80))
def test_whatever_is_written_for_a_random_schema_validates(seed: int) -> None:
    schema = random_schema(seed)
    oracle, grammar = validator(schema), of_schema(schema)
    written = [text for i in range(2) if (text := walk(grammar, seed * 10 + i)) is not None]
    assert written
    for text in written:
        oracle.validate(json.loads(text))


@pytest.mark.parametrize("seed", range(200))
def test_the_shortest_text_of_a_random_schema_is_written_and_validates(seed: int) -> None:
    schema = random_schema(seed)
    grammar = of_schema(schema)
    assert grammar.schema is not None
    least = grammar.schema.least.of(grammar.schema.root)
    assert least is not None
    validator(schema).validate(json.loads(least))
    assert takes(grammar, least.decode())


TAKEN: list[tuple[Any, list[str], list[str]]] = [
    ({"type": "integer", "minimum": 3, "exclusiveMaximum": 7}, ["3", "6"], ["2", "7", "3.0", "03"]),
    ({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, ["0.5", "1", "0.000001"], ["0", "0.0", "1.1", "1e-3"]),
    ({"type": "number", "multipleOf": 0.25}, ["0.75", "3"], ["0.3"]),
    ({"const": 1.0}, ["1"], ["2", "true"]),
    ({"enum": ["a", None, {"k": [1]}]}, ['"a"', "null", '{"k":[1]}', '{"k": [1]}'], ['"b"', '{"k":[2]}']),
    ({"type": "string", "maxLength": 2}, ['""', '"é🙂"', '"\\n"'], ['"abc"', '"\n"', '"\\u00e9"']),
    ({"type": "string", "pattern": "^a+$", "minLength": 2}, ['"aa"'], ['"a"', '"ab"']),
    ({"type": "string", "pattern": "b"}, ['"abc"'], ['"ac"']),
    ({"type": "string", "format": "date"}, ['"2024-02-29"'], ['"2023-02-29"', '"2024-13-01"', '"0000-01-01"']),
    ({"type": ["string", "null"]}, ['"x"', "null"], ["1"]),
    ({"properties": {"a": {"type": "null"}}}, ["{}", '{"a":null}'], ["null", '{"b":1}']),
    ({"type": "object", "properties": {"b": True, "a": {"const": 1}}, "required": ["a"]},
     ['{"a":1}', '{"b":[{"x":2}],"a":1}'], ["{}", '{"b":1}', '{"a":1,"b":2}']),
    ({"type": "object", "required": ["z"]}, ['{"z":1}'], ["{}", '{"y":1}']),
    ({"type": "object"}, ["{}", '{"any":{"thing":[1]}}'], ["[]"]),
    ({"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 1}, ['{"a":1}'], ["{}"]),
    ({"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": {"const": "x"}},
     ['{"a":1,"b":"x"}', '{"b":"x"}'], ['{"b":1}', '{"a":"x"}', '{"a":1,"\\u0061":"x"}']),
    ({"patternProperties": {"^n": {"type": "integer"}}, "additionalProperties": False}, ['{"no":1}'], ['{"x":1}']),
    ({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2}, ["[1,2]"], ["[]", "[1,1,1]"]),
    ({"prefixItems": [{"const": 1}, {"const": 2}], "items": False}, ["[]", "[1,2]"], ["[2]", "[1,2,3]"]),
    ({"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"const": 1}], "additionalItems": False},
     ["[1]"], ["[1,1]"]),
    ({"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
                {"properties": {"b": {"type": "null"}}, "required": ["b"]}]}, ['{"a":1,"b":null}'], ['{"a":1}']),
    ({"type": "object", "properties": {"a": {"const": 1}, "b": {"const": 2}},
      "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, ['{"a":1}', '{"b":2}', '{"a":1,"b":2}'], ["{}"]),
    ({"type": "object", "properties": {"a": {"const": 1}, "b": {"const": 2}},
      "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, ['{"a":1}', '{"b":2}'], ["{}", '{"a":1,"b":2}']),
    ({"oneOf": [{"type": "integer", "maximum": 3}, {"type": "integer", "minimum": 4}, {"type": "string"}]},
     ["3", "4", '"x"'], ["null"]),
    ({"oneOf": [{"type": "string", "pattern": "^a"}, {"type": "string", "pattern": "^b"}]}, ['"ax"', '"b"'], ['"c"']),
    ({"oneOf": [{"$ref": "#/$defs/cat"}, {"$ref": "#/$defs/dog"}], "discriminator": {"propertyName": "kind"},
      "$defs": {"cat": {"properties": {"kind": {"const": "cat"}}, "required": ["kind"]},
                "dog": {"properties": {"kind": {"const": "dog"}}, "required": ["kind"]}}},
     ['{"kind":"cat"}', '{"kind":"dog"}'], ["{}", '{"kind":"cow"}']),
    ({"$ref": "#/definitions/a~1b", "definitions": {"a/b": {"const": 1}}}, ["1"], ["2"]),
    ({"properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}, "required": ["next"]},
     ['{"next":{"next":null}}'], ["{}"]),
    ({"type": "object", "minProperties": 1, "properties": {"a": {"const": 1}, "b": {"const": 2}}},
     ['{"a":1}', '{"b":2}', '{"a":1,"b":2}'], ["{}"]),
    ({"type": "object", "maxProperties": 1, "properties": {"a": {"const": 1}, "b": {"const": 2}}},
     ["{}", '{"a":1}'], ['{"a":1,"b":2}']),
    (True, ["1", "[null]", '{"a":{}}'], ["nil"]),
    ({"enum": [1, "1", True], "type": "integer"}, ["1"], ['"1"', "true"]),
    ({"type": "string", "enum": ["aa", "b"], "maxLength": 1}, ['"b"'], ['"aa"']),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "good", "bad"), TAKEN, ids=[json.dumps(row[0])[:60] for row in TAKEN])
def test_what_is_written_and_what_is_not(schema: Any, good: list[str], bad: list[str]) -> None:
    grammar = of_schema(schema)
    for text in good:
        assert takes(grammar, text), text
    for text in bad:
        assert not takes(grammar, text), text


REFUSED: list[tuple[Any, str]] = [
    ({"type": "array", "uniqueItems": True}, "'uniqueItems' at #"),
    ({"properties": {"a": {"not": {"type": "null"}}}}, "'not' at #/properties/a"),
    ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, "'if' at #"),
    ({"then": {"required": ["b"]}}, "'then' at #"),
    ({"else": False}, "'else' at #"),
    ({"contains": {"const": 1}}, "'contains' at #"),
    ({"minContains": 1}, "'minContains'"),
    ({"dependentRequired": {"a": ["b"]}}, "'dependentRequired' at #"),
    ({"dependentSchemas": {"a": True}}, "'dependentSchemas'"),
    ({"dependencies": {"a": ["b"]}}, "'dependencies'"),
    ({"propertyNames": {"pattern": "^a"}}, "'propertyNames' at #"),
    ({"unevaluatedProperties": False}, "'unevaluatedProperties'"),
    ({"unevaluatedItems": False}, "'unevaluatedItems'"),
    ({"$dynamicRef": "#x"}, "'$dynamicRef'"),
    ({"$defs": {"a": {"$anchor": "x"}}, "$ref": "#/$defs/a"}, "'$anchor' at #/\\$defs/a"),
    ({"properties": {"a": {"$id": "http://x/"}}}, "'$id' at #/properties/a"),
    ({"contentEncoding": "base64"}, "'contentEncoding'"),
    ({"x-guidance": {"lenient": True}}, "'x-guidance'"),
    ({"uniqueitems": True}, "'uniqueitems'"),
    ({"type": "string", "format": "iri"}, "'format' at #.*'iri'"),
    ({"type": "string", "pattern": "^(?=a)b"}, "'pattern' at #.*lookahead"),
    ({"type": "string", "pattern": "a(?<!b)"}, "'pattern' at #.*lookbehind"),
    ({"type": "string", "pattern": "(a)\\1"}, "'pattern' at #.*backreference"),
    ({"type": "string", "pattern": "\\bword"}, "'pattern' at #.*place between"),
    ({"type": "string", "pattern": "\\p{L}"}, "'pattern' at #.*class of Unicode"),
    ({"type": "string", "pattern": "a^b"}, "'pattern' at #"),
    ({"type": "string", "pattern": "("}, "'pattern' at #"),
    ({"type": "string", "minLength": 100000}, "'minLength' at #"),
    ({"type": "array", "minItems": 100000}, "'minItems' at #"),
    ({"type": "number", "multipleOf": 0.01}, "'multipleOf' at #"),
    ({"type": "number", "minimum": 1e300}, "'minimum' at #"),
    ({"type": "number", "maximum": 1e-300}, "'maximum' at #"),
    ({"const": 2**60}, "'const' at #/const"),
    ({"enum": ["a\u0000"]}, "'enum' at #/enum"),
    ({"$ref": "https://example.com/schema.json"}, "'\\$ref' at #.*no place in this schema"),
    ({"$ref": "#anchor"}, "'\\$ref' at #"),
    ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "'oneOf' at #.*0 and 1"),
    ({"oneOf": [{"properties": {"a": True}}, {"properties": {"b": True}}]}, "'oneOf'"),
    ({"type": "object", "properties": {"a": True, "b": True, "c": True}, "minProperties": 2}, "'minProperties' at #"),
    ({"type": "object", "properties": {"a": True, "b": True, "c": True}, "maxProperties": 2}, "'maxProperties' at #"),
    ({"type": "object", "minProperties": 2}, "'minProperties' at #"),
    ({"additionalItems": False}, "'additionalItems'"),
]


@pytest.mark.parametrize(("schema", "named"), REFUSED, ids=[json.dumps(row[0])[:60] for row in REFUSED])
def test_what_cannot_bind_is_refused_by_name(schema: Any, named: str) -> None:
    if "(" in str(schema.get("pattern", "")):
        Draft202012Validator.check_schema({k: v for k, v in schema.items() if k != "pattern"})
    with pytest.raises(InvalidRequest, match=named.replace("'$", "'\\$")):
        of_schema(schema)


WRONG: list[tuple[Any, str]] = [
    ({"type": "strin"}, "type at # must be one of"),
    ({"type": "string", "minLength": -1}, "minLength at # must be a whole number"),
    ({"type": "string", "maxLength": True}, "maxLength"),
    ({"properties": [1]}, "#/properties must be an object"),
    ({"required": "a"}, "#/required must be a list"),
    ({"anyOf": []}, "anyOf at #/anyOf"),
    ({"items": 3}, "#/items must be an object"),
    ({"minimum": "1"}, "minimum"),
    ({"$ref": "#/$defs/none"}, "refers to '#/\\$defs/none', which is not there"),
    ({"allOf": [{"type": "string"}, {"type": "integer"}]}, "No JSON fits the schema: its types exclude"),
    ({"type": "integer", "minimum": 5, "maximum": 4}, "No JSON fits"),
    ({"type": "string", "minLength": 5, "maxLength": 4}, "minLength 5 is above maxLength 4"),
    ({"properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "No JSON fits the schema: .*never ends"),
    ({"$ref": "#"}, "No JSON fits|refers to itself"),
    ({"type": "string", "pattern": "^a{5}$", "maxLength": 2}, "No JSON fits"),
    (False, "No JSON fits the schema: # is false"),
    ({"properties": {"a": {"$ref": "#", "required": ["b"]}}}, "refers to itself beside other keywords"),
]


@pytest.mark.parametrize(("schema", "said"), WRONG, ids=[json.dumps(row[0])[:60] for row in WRONG])
def test_a_wrong_schema_is_one_sentence(schema: Any, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said) as caught:
        of_schema(schema)
    assert caught.value.message.count("\n") == 0


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "null"}
    for _ in range(depth):
        schema = {"properties": {"a": schema}, "required": ["a"]}
    return schema


def doubled(keyword: str) -> dict[str, Any]:
    parts: dict[str, Any] = {"a0": {"properties": {"x": {"minimum": 3}}}, "b0": {"properties": {"y": {"minimum": 3}}}}
    for i in range(40):
        both = {keyword: [{"$ref": f"#/$defs/a{i}"}, {"$ref": f"#/$defs/b{i}"}]}
        parts |= {f"a{i + 1}": both, f"b{i + 1}": both | {"required": ["x"]}}
    return {"$ref": "#/$defs/a40", "$defs": parts}


def entangled() -> dict[str, Any]:
    names = [f"d{i}" for i in range(60)]
    shapes = {
        name: {"properties": {n: {"$ref": f"#/$defs/{n}"} for n in names}, "required": names[i + 1 : i + 3]}
        for i, name in enumerate(names)
    }
    return {"$ref": "#/$defs/d0", "$defs": shapes}


BOMBS: list[tuple[str, str]] = [
    ("[" * 100_000, "nested 100000 deep"),
    (json.dumps(nested(MAX_DEPTH)), "nested"),
    (json.dumps({"enum": list(range(6000))}), "more than 5,000 values"),
    (json.dumps({"enum": ["x" * 300_000]}), "300,\\d+ characters"),
    (json.dumps({"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"}), "itself|No JSON"),
    (json.dumps({"type": "string", "pattern": "((a{1,100}){1,100}){1,100}"}), "repetitions"),
    (json.dumps({"type": "string", "pattern": "(" * 900 + ")" * 900}), "groups within each other"),
    ('{"type": "string", "minLength": 1e400}', "minLength"),
    ('{"maximum": NaN}', "NaN is no JSON number"),
    ("{", "no JSON"),
    ("[]", "must be an object"),
    ('{"const": "\\ud800"}', "half a character"),
]


def read(text: str) -> Compiled:
    spec = spec_of(ChatRequest("m", (), json_schema=text))
    assert spec is not None
    return compiled(spec)


@pytest.mark.parametrize(("text", "said"), BOMBS, ids=[text[:40] for text, _ in BOMBS])
def test_a_schema_bomb_is_one_sentence(text: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        read(text)


def test_references_that_multiply_are_refused_or_end_soon() -> None:
    with pytest.raises(InvalidRequest, match="grows to more than"):
        read(json.dumps(doubled("anyOf")))
    with pytest.raises(InvalidRequest, match=r"grows to more than|oneOf"):
        read(json.dumps(doubled("oneOf")))
    with pytest.raises(InvalidRequest, match="endlessly long"):
        read(json.dumps(entangled()))
    text = walk(read(json.dumps(doubled("allOf"))), 1)
    assert text is not None
    assert json.loads(text).keys() <= {"x", "y"}


def test_only_one_thing_binds_an_answer() -> None:
    with pytest.raises(InvalidRequest, match="json_schema and regex"):
        spec_of(ChatRequest("m", (), json_schema="{}", regex="a"))
    assert spec_of(ChatRequest("m", ())) is None
    assert spec_of(ChatRequest("m", (), choices=("a",))) == Spec("choices", '["a"]')


def test_the_generator_makes_what_it_says() -> None:
    schemas = [json.dumps(random_schema(seed)) for seed in range(200)]
    for word in ("anyOf", "oneOf", "allOf", "$ref", "enum", "const", "pattern", "format", "required", "prefixItems"):
        assert sum(f'"{word}"' in schema for schema in schemas) >= 10, word
    assert len(set(schemas)) > 180
    assert random_schema(5) == random_schema(5) != random_schema(6)
