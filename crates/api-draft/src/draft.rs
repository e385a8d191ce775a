//! A drafted mapping before it is written: its requests, what their responses mean, and the open questions.

use std::collections::BTreeSet;

use serde_json::Value;
use tiketi_api::{Entry, Meaning, Node, Tree, mask};

use crate::traffic::{Basis, Traffic, text_of, visit};
use crate::value::{is_jwt, is_password, is_personal, is_secret};

/// Characters of a response that are shown in a question.
const SHOWN_MAX: usize = 160;

/// A drafted mapping.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) name: String,
    /// What the file begins with, as a comment.
    pub(crate) head: Vec<String>,
    pub(crate) base: String,
    /// What is sent with every request.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) pushes_tiketi: bool,
    /// What a generated token claims.
    pub(crate) claims: Vec<(String, String)>,
    /// Where a given token names its user.
    pub(crate) user_claim: Option<String>,
    /// In the order of a visit.
    pub(crate) steps: Vec<Step>,
    /// Questions about no request in particular.
    pub(crate) questions: Vec<String>,
}

/// A request of the mapping.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// Its table, such as `queue_enter` or `before_queue.terms`.
    pub(crate) table: String,
    /// The call that it was drafted from; `None` for a placeholder.
    pub(crate) place: Option<usize>,
    pub(crate) call: String,
    pub(crate) query: Vec<(String, Tree)>,
    pub(crate) headers: Vec<(String, Tree)>,
    pub(crate) body: Option<Tree>,
    pub(crate) each: Option<String>,
    pub(crate) keep: Vec<(String, Tree)>,
    pub(crate) prefer: Vec<(String, Tree)>,
    pub(crate) free: Vec<(String, Tree)>,
    pub(crate) held: Vec<(String, Tree)>,
    pub(crate) poll_after: Option<Tree>,
    pub(crate) rows: Vec<Row>,
    pub(crate) poll: Option<Box<Self>>,
    /// What is certain, as comments.
    pub(crate) notes: Vec<String>,
    /// What is not.
    pub(crate) questions: Vec<String>,
}

/// A row of `means`.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) conditions: Vec<(String, Tree)>,
    pub(crate) meaning: Meaning,
}

impl Row {
    /// Writes the row on one line.
    pub(crate) fn to_inline(&self) -> String {
        let is = ("is".to_owned(), text(self.meaning.name()));
        table(self.conditions.iter().cloned().chain([is])).to_inline()
    }
}

/// A text as a value of a mapping.
pub(crate) fn text(text: &str) -> Tree {
    tree(Node::Text(text.to_owned()))
}

/// A table of a mapping.
pub(crate) fn table(entries: impl IntoIterator<Item = (String, Tree)>) -> Tree {
    let entries = entries.into_iter().map(|(name, value)| Entry {
        key: name.into(),
        value,
    });
    tree(Node::Table(entries.collect()))
}

/// A list of a mapping.
pub(crate) fn list(values: impl IntoIterator<Item = Tree>) -> Tree {
    tree(Node::List(values.into_iter().collect()))
}

pub(crate) const fn tree(node: Node) -> Tree {
    Tree { node, span: 0..0 }
}

/// A single value as it is written in a row, where braces are no variables.
pub(crate) fn literal(value: &Value) -> Tree {
    match value {
        Value::Bool(flag) => tree(Node::Flag(*flag)),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => tree(Node::Whole(whole)),
            (None, Some(number)) => tree(Node::Number(number)),
            (None, None) => text(&number.to_string()),
        },
        Value::String(string) => text(string),
        Value::Null | Value::Array(_) | Value::Object(_) => text(""),
    }
}

/// One value as it is, several as a list.
pub(crate) fn one_or_list(values: &[Value]) -> Tree {
    match values {
        [value] => literal(value),
        _ => list(values.iter().map(literal)),
    }
}

/// The condition on the status: these, or any success if none was seen.
pub(crate) fn statuses(statuses: &[u16]) -> (String, Tree) {
    let whole = |status: &u16| tree(Node::Whole(i64::from(*status)));
    let value = match statuses {
        [] => text("2xx"),
        [one] => whole(one),
        _ => list(statuses.iter().map(whole)),
    };
    ("status".to_owned(), value)
}

/// Texts that no comment may show: tokens, cookies, passwords, and what belongs to a person.
pub(crate) fn secrets(traffic: &Traffic) -> Vec<String> {
    let mut secrets = BTreeSet::new();
    // What is made up from a document is no secret.
    if traffic.basis == Basis::Document {
        return Vec::new();
    }
    for exchange in &traffic.exchanges {
        let cookies = exchange.cookies.iter().chain(&exchange.set_cookies);
        secrets.extend(cookies.map(|(_, value)| value.clone()));
        let named = exchange
            .headers
            .iter()
            .chain(&exchange.answer_headers)
            .chain(&exchange.query);
        for (name, value) in named {
            if is_secret(name) || is_jwt(value) {
                secrets.insert(crate::link::scheme(value).1.to_owned());
                secrets.insert(value.clone());
            }
        }
        for json in exchange.body.iter().chain(&exchange.answer) {
            visit(json, &mut |pointer, value| {
                let key = pointer
                    .rsplit('/')
                    .find(|segment| !crate::value::is_number(segment));
                let key = key.unwrap_or_default();
                let Some(text) = text_of(value) else {
                    return;
                };
                if is_secret(key)
                    || is_password(key)
                    || is_jwt(&text)
                    || (is_personal(key) && text.contains(['@', ' ', '-']))
                {
                    secrets.insert(text);
                }
            });
        }
    }
    // Longer ones first: one may be a part of another.
    let mut secrets: Vec<_> = secrets
        .into_iter()
        .filter(|secret| secret.len() >= 4)
        .collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
}

/// Returns a response as it may be shown, on one line.
pub(crate) fn shown(status: u16, answer: Option<&Value>, secrets: &[String]) -> String {
    let Some(answer) = answer else {
        return status.to_string();
    };
    let known: Vec<_> = secrets.iter().map(String::as_str).collect();
    let body = mask::body(answer.to_string().as_bytes(), &known);
    let mut short: String = body.chars().take(SHOWN_MAX).collect();
    if short.len() < body.len() {
        short.push('…');
    }
    format!("{status} {short}")
}
