//! What a schema says about one place of a document, and which fields it needs.

use std::collections::BTreeSet;

use serde_json::Value;
use tiketi_api::{Node, Tree};

use super::Document;
use crate::traffic::unescaped;

/// Deepest schema that is looked at. A deeper one contains itself.
const DEPTH_MAX: usize = 48;

/// Whether a schema has a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// It has, or does not say.
    There,
    /// It has not; with the names that it has where the pointer leaves it.
    Missing(BTreeSet<String>),
}

/// A field that a body needs and does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Absent {
    /// Where it should be, such as `items[0].tierId`.
    pub(super) field: String,
}

impl Document {
    /// Returns whether a JSON pointer with `*` leads to something that the schema describes.
    pub(super) fn reach(&self, schema: &Value, pointer: &str) -> Reach {
        let segments: Vec<_> = pointer.split('/').skip(1).map(unescaped).collect();
        self.reach_in(schema, &segments, 0)
    }

    fn reach_in(&self, schema: &Value, segments: &[String], depth: usize) -> Reach {
        let schema = self.resolved(schema);
        let Some((first, rest)) = segments.split_first() else {
            return Reach::There;
        };
        let Some(map) = schema.as_object() else {
            // `true` permits everything, and what leads in a circle says nothing.
            return Reach::There;
        };
        if depth == DEPTH_MAX {
            return Reach::There;
        }
        let mut known = BTreeSet::new();
        let mut merge = |reach: Reach| match reach {
            Reach::There => true,
            Reach::Missing(names) => {
                known.extend(names);
                false
            }
        };
        let mut says_something = false;
        for key in ["allOf", "oneOf", "anyOf"] {
            for branch in map.get(key).and_then(Value::as_array).into_iter().flatten() {
                says_something = true;
                // A branch such as `{ type: "null" }` or one that only adds a description has no place for the rest.
                if self.is_open(branch) {
                    continue;
                }
                if merge(self.reach_in(branch, segments, depth + 1)) {
                    return Reach::There;
                }
            }
        }
        let is_index = first == "*" || first.parse::<usize>().is_ok();
        if let Some(items) = map.get("items")
            && is_index
        {
            return self.reach_in(items, rest, depth + 1);
        }
        if let Some(properties) = map.get("properties").and_then(Value::as_object) {
            says_something = true;
            known.extend(properties.keys().cloned());
            let fits = properties
                .iter()
                .filter(|(name, _)| first == "*" || *name == first);
            for (_, property) in fits {
                match self.reach_in(property, rest, depth + 1) {
                    Reach::There => return Reach::There,
                    Reach::Missing(names) if first != "*" => return Reach::Missing(names),
                    Reach::Missing(_) => {}
                }
            }
        }
        match map.get("additionalProperties") {
            Some(Value::Bool(false)) => says_something = true,
            Some(more) if map.get("items").is_none() => {
                return self.reach_in(more, rest, depth + 1);
            }
            Some(_) | None => {}
        }
        if map.contains_key("patternProperties") || map.contains_key("prefixItems") {
            return Reach::There;
        }
        let is_free = match types(schema).as_slice() {
            [] => !says_something && map.get("items").is_none(),
            types => {
                (types.contains(&"object") && !says_something)
                    || (types.contains(&"array") && is_index)
            }
        };
        if is_free {
            Reach::There
        } else {
            Reach::Missing(known)
        }
    }

    /// Whether a branch says nothing about structure.
    fn is_open(&self, branch: &Value) -> bool {
        const STRUCTURE: [&str; 8] = [
            "properties",
            "items",
            "allOf",
            "oneOf",
            "anyOf",
            "additionalProperties",
            "patternProperties",
            "prefixItems",
        ];
        let branch = self.resolved(branch);
        let names = |map: &serde_json::Map<String, Value>| {
            STRUCTURE.iter().any(|key| map.contains_key(*key))
        };
        let is_object = types(branch).contains(&"object");
        branch.as_object().is_some_and(|map| !names(map)) && !is_object
    }

    /// Returns the fields that the schema needs and a body of a mapping does not have.
    pub(super) fn absent(&self, schema: &Value, body: &Tree) -> Vec<Absent> {
        self.absent_in(schema, body, "", 0)
    }

    fn absent_in(&self, schema: &Value, body: &Tree, at: &str, depth: usize) -> Vec<Absent> {
        let schema = self.resolved(schema);
        let Some(map) = schema.as_object().filter(|_| depth < DEPTH_MAX) else {
            return Vec::new();
        };
        let mut absent = Vec::new();
        let branches = |key: &str| map.get(key).and_then(Value::as_array).into_iter().flatten();
        for branch in branches("allOf") {
            absent.extend(self.absent_in(branch, body, at, depth + 1));
        }
        for key in ["oneOf", "anyOf"] {
            let each = branches(key).map(|branch| self.absent_in(branch, body, at, depth + 1));
            // One branch is enough: the one that needs least is the one that is meant.
            absent.extend(each.min_by_key(Vec::len).unwrap_or_default());
        }
        match &body.node {
            Node::Table(entries) => {
                let needed = branches("required").filter_map(Value::as_str);
                let property = |name: &str| map.get("properties")?.get(name);
                for name in needed {
                    // What only responses have is no part of a request.
                    let is_read_only = property(name).is_some_and(|property| {
                        self.resolved(property).get("readOnly") == Some(&Value::Bool(true))
                    });
                    if body.get(name).is_none() && !is_read_only {
                        absent.push(Absent {
                            field: field(at, name),
                        });
                    }
                }
                for entry in entries {
                    if let Some(property) = property(&entry.key.name) {
                        let at = field(at, &entry.key.name);
                        absent.extend(self.absent_in(property, &entry.value, &at, depth + 1));
                    }
                }
            }
            Node::List(list) => {
                if let Some(items) = map.get("items") {
                    for (place, value) in list.iter().enumerate() {
                        absent.extend(self.absent_in(
                            items,
                            value,
                            &format!("{at}[{place}]"),
                            depth + 1,
                        ));
                    }
                }
            }
            Node::Text(_) | Node::Whole(_) | Node::Number(_) | Node::Flag(_) => {}
        }
        absent.dedup();
        absent
    }

    /// Returns the fields that a schema names, if no others are permitted.
    pub(super) fn closed_fields(&self, schema: &Value) -> Option<BTreeSet<String>> {
        let map = self.resolved(schema).as_object()?;
        if map.get("additionalProperties") != Some(&Value::Bool(false)) {
            return None;
        }
        let properties = map.get("properties").and_then(Value::as_object);
        Some(
            properties
                .into_iter()
                .flatten()
                .map(|(name, _)| name.clone())
                .collect(),
        )
    }
}

fn field(at: &str, name: &str) -> String {
    if at.is_empty() {
        name.to_owned()
    } else {
        format!("{at}.{name}")
    }
}

/// The types that a schema names: one in OpenAPI 3.0, several from 3.1 on.
pub(super) fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Document {
        let text = r##"
openapi: 3.1.0
paths: { /x: {} }
components:
  schemas:
    Base: { type: object, required: [id], properties: { id: { type: integer, readOnly: true }, name: { type: string } } }
    Tree: { allOf: [ { $ref: "#/components/schemas/Base" }, { type: object, required: [parts], properties: {
      parts: { type: array, items: { $ref: "#/components/schemas/Tree" } } } } ] }
    Either: { oneOf: [ { $ref: "#/components/schemas/Base" }, { type: "null" } ] }
    Closed: { type: object, additionalProperties: false, properties: { a: { type: [string, "null"] } } }
    Free: { type: object }
    Map: { type: object, additionalProperties: { $ref: "#/components/schemas/Base" } }
    Loop: { $ref: "#/components/schemas/Loop" }
"##;
        Document::parse(text).unwrap()
    }

    fn reach(name: &str, pointer: &str) -> Reach {
        let document = document();
        let schema = &document.root["components"]["schemas"][name];
        document.reach(schema, pointer)
    }

    #[test]
    fn pointers_are_followed_through_references_and_branches() {
        for (name, pointer) in [
            ("Tree", "/parts/*/parts/0/name"),
            ("Tree", "/id"),
            ("Either", "/name"),
            ("Closed", "/a"),
            ("Free", "/anything/at/all"),
            ("Map", "/some/name"),
            ("Map", "/*/id"),
            ("Loop", "/x"),
        ] {
            assert_eq!(reach(name, pointer), Reach::There, "{name} {pointer}");
        }
        for (name, pointer, expected) in [
            ("Tree", "/parts/*/nam", "id name parts"),
            ("Either", "/nope", "id name"),
            ("Closed", "/b", "a"),
            ("Closed", "/a/b", ""),
            ("Map", "/some/nope", "id name"),
            ("Base", "/name/x", ""),
        ] {
            let Reach::Missing(names) = reach(name, pointer) else {
                panic!("{name} has {pointer}");
            };
            let names: Vec<_> = names.into_iter().collect();
            assert_eq!(names.join(" "), expected, "{name} {pointer}");
        }
    }

    #[test]
    fn fields_that_a_body_needs_are_found_at_any_depth() {
        let document = document();
        let body = |text: &str| {
            let table = toml::de::DeTable::parse(text).unwrap();
            Tree::from_table(table.get_ref(), 0..0)
        };
        let schema = &document.root["components"]["schemas"]["Tree"];
        let absent = |text| {
            let absent = document.absent(schema, &body(text));
            absent.into_iter().map(|one| one.field).collect::<Vec<_>>()
        };
        assert_eq!(absent("name = \"x\""), ["parts"]);
        assert_eq!(
            absent("parts = [{ parts = [] }, { name = \"y\" }]"),
            ["parts[1].parts"]
        );
    }
}
