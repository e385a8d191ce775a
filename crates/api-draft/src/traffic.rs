//! What is known of a back end: requests with their responses, grouped into calls.
//!
//! A recording has real ones. Those of an OpenAPI document are made up from its schemas, so that everything behind this treats
//! both alike; only the values that come back are matched by their names there, and not by equality.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::value::{is_number, is_opaque, words};

/// Where the traffic is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basis {
    /// A recording.
    Recording,
    /// A document.
    Document,
}

/// Everything that is known of a back end.
#[derive(Debug)]
pub(crate) struct Traffic {
    pub(crate) basis: Basis,
    /// In the order in which they were sent.
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) calls: Vec<Call>,
    /// Whether the messages of a TIKETI deployment were seen on a socket.
    pub(crate) speaks_tiketi: bool,
    /// What the file says besides, as lines of a comment.
    pub(crate) notes: Vec<String>,
}

/// One request with its response.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exchange {
    pub(crate) method: String,
    /// Scheme, host and port.
    pub(crate) origin: String,
    /// Segments of the path, decoded.
    pub(crate) path: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) cookies: Vec<(String, String)>,
    pub(crate) body: Option<Value>,
    /// The type of a body that is not JSON.
    pub(crate) other_body: Option<String>,
    /// 0 if there was no response.
    pub(crate) status: u16,
    pub(crate) answer_headers: Vec<(String, String)>,
    pub(crate) set_cookies: Vec<(String, String)>,
    pub(crate) answer: Option<Value>,
}

/// One segment of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// Always the same.
    Text(String),
    /// A value, with the name that is most likely.
    Value(String),
}

/// What the same method and path stand for.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) origin: String,
    pub(crate) path: Vec<Part>,
    /// The exchanges, by their places.
    pub(crate) takes: Vec<usize>,
}

impl Call {
    /// Returns method and path for people, with `{name}` for values.
    pub(crate) fn shown(&self) -> String {
        let parts = self.path.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Value(name) => format!("{{{name}}}"),
        });
        format!("{} /{}", self.method, parts.collect::<Vec<_>>().join("/"))
    }

    /// Returns the words of the segments that are always the same.
    pub(crate) fn words(&self) -> Vec<String> {
        self.texts().flat_map(words).collect()
    }

    /// Returns the words of the last segment that is always the same.
    pub(crate) fn last_words(&self) -> Vec<String> {
        self.texts().last().map(words).unwrap_or_default()
    }

    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.path.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Value(_) => None,
        })
    }

    pub(crate) fn ends_with_value(&self) -> bool {
        matches!(self.path.last(), Some(Part::Value(_)))
    }
}

impl Traffic {
    /// Returns the exchanges of a call.
    pub(crate) fn takes<'t>(&'t self, call: &'t Call) -> impl Iterator<Item = &'t Exchange> {
        call.takes.iter().map(|take| &self.exchanges[*take])
    }

    /// Returns the statuses of a call's responses, each once.
    pub(crate) fn statuses(&self, call: &Call) -> BTreeSet<u16> {
        let statuses = self.takes(call).map(|take| take.status);
        statuses.filter(|status| *status >= 100).collect()
    }
}

/// Groups exchanges by what they ask.
pub(crate) fn calls(exchanges: &[Exchange]) -> Vec<Call> {
    let mut known = BTreeSet::new();
    let mut calls: Vec<Call> = Vec::new();
    let mut places: BTreeMap<(String, String, Vec<Option<String>>), usize> = BTreeMap::new();
    for (take, exchange) in exchanges.iter().enumerate() {
        let is_value = |text: &String| is_number(text) || is_opaque(text) || known.contains(text);
        let texts = exchange.path.iter();
        let key = texts.map(|text| (!is_value(text)).then(|| text.clone()));
        let key: Vec<_> = key.collect();
        let named = named(&key);
        let key = (exchange.method.clone(), exchange.origin.clone(), key);
        let place = *places.entry(key).or_insert(calls.len());
        if place == calls.len() {
            calls.push(Call {
                method: exchange.method.clone(),
                origin: exchange.origin.clone(),
                path: named,
                takes: Vec::new(),
            });
        }
        calls[place].takes.push(take);
        if let Some(answer) = &exchange.answer {
            learn(answer, &mut known);
        }
    }
    calls
}

/// Names the values of a path after the segment before them.
fn named(path: &[Option<String>]) -> Vec<Part> {
    let mut before = "value".to_owned();
    let parts = path.iter().map(|text| match text {
        Some(text) => {
            before = words(text).pop().unwrap_or_else(|| before.clone());
            Part::Text(text.clone())
        }
        None => Part::Value(before.clone()),
    });
    parts.collect()
}

/// Remembers the ids of a response: a segment that is one of them is a value, even if it looks like a word.
fn learn(answer: &Value, known: &mut BTreeSet<String>) {
    visit(answer, &mut |pointer, value| {
        let key = pointer.rsplit('/').next().unwrap_or_default();
        if let Value::String(text) = value
            && crate::value::is_identifying(key)
            && (2..=128).contains(&text.len())
        {
            known.insert(text.clone());
        }
    });
}

/// Calls `each` for every single value of a document, with its pointer.
pub(crate) fn visit(value: &Value, each: &mut dyn FnMut(&str, &Value)) {
    fn walk(value: &Value, pointer: &mut String, each: &mut dyn FnMut(&str, &Value)) {
        let length = pointer.len();
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    pointer.push('/');
                    pointer.push_str(&escaped(key));
                    walk(value, pointer, each);
                    pointer.truncate(length);
                }
            }
            Value::Array(list) => {
                for (place, value) in list.iter().enumerate() {
                    pointer.push('/');
                    pointer.push_str(&place.to_string());
                    walk(value, pointer, each);
                    pointer.truncate(length);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                each(pointer, value);
            }
        }
    }
    walk(value, &mut String::new(), each);
}

/// Returns a key as a segment of a JSON pointer.
pub(crate) fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Returns a key from a segment of a JSON pointer.
pub(crate) fn unescaped(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

/// Returns the pointer with `*` for places in lists.
pub(crate) fn general(pointer: &str) -> String {
    let segments = pointer
        .split('/')
        .map(|segment| if is_number(segment) { "*" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

/// Returns a single value as text; `None` for others, and for what can be no id.
pub(crate) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn get(path: &str, answer: Value) -> Exchange {
        Exchange {
            method: "GET".to_owned(),
            path: path.split('/').skip(1).map(str::to_owned).collect(),
            status: 200,
            answer: Some(answer),
            ..Exchange::default()
        }
    }

    #[test]
    fn paths_become_templates() {
        let exchanges = [
            get("/events", json!([{"id": "rock-night", "title": "Rock"}])),
            get("/events/rock-night", json!({})),
            get("/events/7", json!({})),
            get(
                "/events/6b1f0c9e-9d4b-4f5e-8a53-0d1d0e0a1b2c/seats",
                json!({}),
            ),
            get("/events/popular", json!({})),
        ];
        let shown: Vec<_> = calls(&exchanges).iter().map(Call::shown).collect();
        let expected = [
            "GET /events",
            "GET /events/{event}",
            "GET /events/{event}/seats",
            "GET /events/popular",
        ];
        assert_eq!(shown, expected);
        assert_eq!(calls(&exchanges)[1].takes, [1, 2]);
    }

    #[test]
    fn pointers_are_visited_and_generalized() {
        let mut seen = Vec::new();
        visit(&json!({"a/b": [{"id": 1}, true]}), &mut |pointer, value| {
            seen.push((general(pointer), text_of(value)));
        });
        let expected = [
            ("/a~1b/*/id".to_owned(), Some("1".to_owned())),
            ("/a~1b/*".to_owned(), None),
        ];
        assert_eq!(seen, expected);
    }
}
