//! Requests and responses made up from the schemas of a document, for drafts.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Document;
use super::operation::{Credential, Operation, Parameter};
use super::schema::types;
use crate::traffic::{Basis, Call, Exchange, Part, Traffic};
use crate::value::{telling, words};

/// Deepest value that is made up.
const DEPTH_MAX: usize = 10;

/// Most responses of one status that are made up, so that each value of an enumeration is in one of them.
const VARIANTS_MAX: usize = 8;

/// The host where the document names none.
const NO_ORIGIN: &str = "URL";

/// Makes up the traffic of a document.
pub(super) fn traffic(document: &Document) -> Traffic {
    let mut traffic = Traffic {
        basis: Basis::Document,
        exchanges: Vec::new(),
        calls: Vec::new(),
        speaks_tiketi: false,
        notes: Vec::new(),
    };
    let info = |key: &str| {
        document
            .root
            .pointer(&format!("/info/{key}"))
            .and_then(Value::as_str)
    };
    let title = [info("title"), info("version")]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ");
    if !title.is_empty() {
        traffic.notes.push(format!("Document: {title}."));
    }
    let origin = origin(document);
    for operation in document.operations() {
        let path = parts(&operation);
        let mut call = Call {
            method: operation.method.clone(),
            origin: origin.clone(),
            path,
            takes: Vec::new(),
        };
        for (status, answer) in answers(document, &operation) {
            let mut exchange = request(document, &operation, &call);
            exchange.status = status;
            exchange.answer = answer.filter(|answer| answer.is_object() || answer.is_array());
            call.takes.push(traffic.exchanges.len());
            traffic.exchanges.push(exchange);
        }
        traffic.calls.push(call);
    }
    traffic
}

fn origin(document: &Document) -> String {
    let url = document
        .root
        .pointer("/servers/0/url")
        .and_then(Value::as_str);
    let parsed = url.and_then(|url| url::Url::parse(url).ok());
    parsed.map_or_else(
        || NO_ORIGIN.to_owned(),
        |url| url.origin().ascii_serialization(),
    )
}

/// The segments of a path. A parameter such as `id` is named after the segment before it.
fn parts(operation: &Operation<'_>) -> Vec<Part> {
    let path = format!("{}{}", operation.prefixes[0], operation.path);
    let mut before = "value".to_owned();
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    let parts = segments.map(|segment| {
        let name = segment
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        match name {
            Some(name) if telling(&words(name)).next().is_none() => {
                Part::Value(format!("{before}_{name}"))
            }
            Some(name) => Part::Value(name.to_owned()),
            None => {
                before = words(segment).pop().unwrap_or_else(|| before.clone());
                Part::Text(segment.to_owned())
            }
        }
    });
    parts.collect()
}

fn answers(document: &Document, operation: &Operation<'_>) -> Vec<(u16, Option<Value>)> {
    let mut answers = Vec::new();
    for (status, answer) in &operation.responses {
        let Ok(status) = status.to_lowercase().replace("xx", "00").parse::<u16>() else {
            continue;
        };
        answers.extend(
            answer
                .examples
                .iter()
                .map(|example| (status, Some((*example).clone()))),
        );
        let Some(schema) = answer.json else {
            answers.push((status, None));
            continue;
        };
        let variants = variants(document, schema, 0).min(VARIANTS_MAX);
        let made_up = (0..variants).map(|variant| {
            let maker = Maker {
                document,
                variant,
                is_request: false,
            };
            (status, Some(maker.value(schema, 0)))
        });
        answers.extend(made_up);
    }
    if answers.is_empty() {
        answers.push((200, None));
    }
    answers
}

/// How many responses it takes until each value of each enumeration is in one.
fn variants(document: &Document, schema: &Value, depth: usize) -> usize {
    let schema = document.resolved(schema);
    if depth == DEPTH_MAX {
        return 1;
    }
    let length = |key: &str| {
        schema
            .get(key)
            .and_then(Value::as_array)
            .map_or(1, Vec::len)
    };
    let own = match types(schema).first() {
        Some(&"boolean") => 2,
        _ => length("enum").max(length("oneOf")).max(length("anyOf")),
    };
    let branches = ["allOf", "oneOf", "anyOf"]
        .into_iter()
        .filter_map(|key| schema.get(key)?.as_array())
        .flatten();
    let properties = schema.get("properties").and_then(Value::as_object);
    let properties = properties.into_iter().flatten().map(|(_, value)| value);
    let below = branches.chain(properties).chain(schema.get("items"));
    below
        .map(|schema| variants(document, schema, depth + 1))
        .max()
        .unwrap_or(1)
        .max(own)
        .max(1)
}

fn request(document: &Document, operation: &Operation<'_>, call: &Call) -> Exchange {
    let maker = Maker {
        document,
        variant: 0,
        is_request: true,
    };
    let path = call.path.iter().map(|part| match part {
        Part::Text(text) | Part::Value(text) => text.clone(),
    });
    let mut exchange = Exchange {
        method: call.method.clone(),
        origin: call.origin.clone(),
        path: path.collect(),
        ..Exchange::default()
    };
    for parameter in &operation.parameters {
        let is_key = words(parameter.name)
            .iter()
            .any(|word| word == "idempotency");
        if !parameter.is_required && !is_key {
            continue;
        }
        let value = maker.parameter(parameter);
        match parameter.place {
            "query" => exchange.query.push((parameter.name.to_owned(), value)),
            "header" => exchange
                .headers
                .push((parameter.name.to_lowercase(), value)),
            "cookie" => exchange.cookies.push((parameter.name.to_owned(), value)),
            _ => {}
        }
    }
    for credential in operation.security.first().into_iter().flatten() {
        let named = |name: &str| (name.to_owned(), "secret".to_owned());
        match credential {
            Credential::Authorization { is_bearer: true } => {
                exchange
                    .headers
                    .push(("authorization".to_owned(), "Bearer secret".to_owned()));
            }
            Credential::Authorization { is_bearer: false } => {
                exchange.headers.push(named("authorization"));
            }
            Credential::Key { place, name } => match place.as_str() {
                "header" => exchange.headers.push(named(&name.to_lowercase())),
                "query" => exchange.query.push(named(name)),
                _ => exchange.cookies.push(named(name)),
            },
            Credential::Other => {}
        }
    }
    if let Some(body) = &operation.body {
        match body.json {
            Some(schema) => exchange.body = Some(maker.value(schema, 0)),
            None => exchange.other_body = body.types.first().map(|kind| (*kind).to_owned()),
        }
    }
    exchange
}

/// Makes up values.
struct Maker<'d> {
    document: &'d Document,
    /// Which value of each enumeration.
    variant: usize,
    is_request: bool,
}

impl Maker<'_> {
    fn parameter(&self, parameter: &Parameter<'_>) -> String {
        let schema = parameter.value.get("schema").unwrap_or(&Value::Null);
        let example = parameter.value.get("example").cloned();
        match example.unwrap_or_else(|| self.value(schema, 0)) {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }

    fn value(&self, schema: &Value, depth: usize) -> Value {
        let schema = self.document.resolved(schema);
        if depth == DEPTH_MAX {
            return Value::Null;
        }
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(all) = schema.get("enum").and_then(Value::as_array)
            && !all.is_empty()
        {
            return all[self.variant % all.len()].clone();
        }
        let mut object = Map::new();
        for branch in schema
            .get("allOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            match self.value(branch, depth + 1) {
                Value::Object(more) => object.extend(more),
                Value::Null => {}
                other => return other,
            }
        }
        for key in ["oneOf", "anyOf"] {
            let branches = schema.get(key).and_then(Value::as_array);
            let branches: Vec<_> = branches
                .into_iter()
                .flatten()
                .filter(|branch| types(branch) != ["null"])
                .collect();
            if branches.is_empty() {
                continue;
            }
            match self.value(branches[self.variant % branches.len()], depth + 1) {
                Value::Object(more) => object.extend(more),
                other => return other,
            }
        }
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            let needed: BTreeSet<_> = schema
                .get("required")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            // A request has only what it needs, a response everything.
            let is_left_out = |name: &String| {
                self.is_request && !needed.is_empty() && !needed.contains(name.as_str())
            };
            for (name, property) in properties.iter().filter(|(name, _)| !is_left_out(name)) {
                object.insert(name.clone(), self.value(property, depth + 1));
            }
        }
        if !object.is_empty() {
            return Value::Object(object);
        }
        self.single(schema, depth)
    }

    fn single(&self, schema: &Value, depth: usize) -> Value {
        let example = schema
            .get("example")
            .or_else(|| schema.pointer("/examples/0"))
            .or_else(|| schema.get("default"));
        let kinds = types(schema);
        let kind = kinds
            .into_iter()
            .find(|kind| *kind != "null")
            .unwrap_or_default();
        match (kind, example) {
            ("boolean", _) => Value::Bool(self.variant.is_multiple_of(2)),
            ("array", _) => match schema.get("items") {
                Some(items) => Value::Array(vec![self.value(items, depth + 1)]),
                None => Value::Array(Vec::new()),
            },
            (_, Some(example)) => example.clone(),
            ("integer" | "number", None) => 1.into(),
            ("object", None) => Value::Object(Map::new()),
            ("", None) => Value::Null,
            (_, None) => match schema.get("format").and_then(Value::as_str) {
                Some("uuid") => "00000000-0000-4000-8000-000000000000".into(),
                Some("date-time") => "2026-01-01T00:00:00Z".into(),
                _ => "text".into(),
            },
        }
    }
}
