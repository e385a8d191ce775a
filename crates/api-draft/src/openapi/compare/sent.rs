//! What a request has to send: parameters, credentials, a body.

use std::collections::BTreeSet;

use tiketi_api::{Node, Tree};

use super::near::{header_names, nearest, one_of, place_of, shown};
use super::{Comparison, Step};
use crate::openapi::operation::Credential;

impl Comparison<'_> {
    pub(super) fn parameters(&mut self, step: &Step<'_, '_>, call: &str) {
        let Step { at, operation, .. } = *step;
        let shown = shown(operation);
        let written = call.split_once('?').map_or("", |(_, query)| query);
        let in_call = written
            .split('&')
            .filter_map(|pair| pair.split('=').next())
            .filter(|name| !name.is_empty());
        let table = step
            .tree
            .get("query")
            .map(Tree::entries)
            .unwrap_or_default();
        let sent: BTreeSet<&str> = in_call
            .clone()
            .chain(table.iter().map(|entry| entry.key.name.as_str()))
            .collect();
        let known: Vec<_> = operation
            .parameters
            .iter()
            .filter(|one| one.place == "query")
            .map(|one| one.name)
            .collect();
        let keys = operation
            .security
            .iter()
            .flatten()
            .filter_map(|credential| match credential {
                Credential::Key { place, name } if place == "query" => Some(name.as_str()),
                _ => None,
            });
        let keys: Vec<_> = keys.collect();
        let span_of = |name: &str| {
            let entry = table.iter().find(|entry| entry.key.name == name);
            entry.map_or_else(|| step.span.clone(), place_of)
        };
        for name in sent
            .iter()
            .filter(|name| !known.contains(*name) && !keys.contains(*name))
        {
            let message = format!("`{at}.query` has `{name}`, which `{shown}` does not take");
            let help = nearest(name, &known).map_or_else(
                || "remove it, or compare the name with the document".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            let expected = if known.is_empty() {
                "no query".to_owned()
            } else {
                one_of(&known)
            };
            self.report(&span_of(name), message, expected, help);
        }
        let headers = self.headers(step);
        let cookie = headers
            .iter()
            .find(|(name, _)| name == "cookie")
            .map(|(_, value)| value.clone())
            .unwrap_or_default();
        for parameter in operation.parameters.iter().filter(|one| one.is_required) {
            let name = parameter.name;
            // These three are no parameters, says OpenAPI.
            let is_set =
                ["accept", "content-type", "authorization"].contains(&name.to_lowercase().as_str());
            let (is_there, example) = match parameter.place {
                "query" => (sent.contains(name), format!("query = {{ {name} = … }}")),
                "header" => {
                    let lower = name.to_lowercase();
                    (
                        is_set || headers.iter().any(|(one, _)| *one == lower),
                        format!("headers = {{ {lower} = … }}"),
                    )
                }
                "cookie" => (
                    cookie.contains(&format!("{name}=")),
                    format!("headers = {{ cookie = \"{name}=…\" }}"),
                ),
                _ => (true, String::new()),
            };
            if !is_there {
                let place = parameter.place;
                let message = format!(
                    "`{at}` does not send the {place} parameter `{name}`, which `{shown}` requires"
                );
                self.report(
                    &step.span,
                    message,
                    format!("`{example}`"),
                    format!("add `{example}`"),
                );
            }
        }
    }

    /// The headers of a step: its own, then those of every request.
    fn headers(&self, step: &Step<'_, '_>) -> Vec<(String, String)> {
        let mut headers = step
            .tree
            .get("headers")
            .map(header_names)
            .unwrap_or_default();
        for shared in &self.shared {
            if !headers.iter().any(|(name, _)| *name == shared.0) {
                headers.push(shared.clone());
            }
        }
        headers.retain(|(_, value)| !value.is_empty());
        headers
    }

    pub(super) fn credentials(&mut self, step: &Step<'_, '_>) {
        let headers = self.headers(step);
        let has_header = |name: &str| headers.iter().any(|(one, _)| one == name);
        let query = step.tree.get("query");
        let is_met = |credential: &Credential| match credential {
            Credential::Authorization { .. } => has_header("authorization"),
            Credential::Key { place, name } => match place.as_str() {
                "header" => has_header(&name.to_lowercase()),
                "cookie" => has_header("cookie"),
                _ => query.is_some_and(|query| query.get(name).is_some()),
            },
            Credential::Other => true,
        };
        let alternatives = &step.operation.security;
        if alternatives.is_empty() || alternatives.iter().any(|all| all.iter().all(is_met)) {
            return;
        }
        let names = alternatives
            .iter()
            .flatten()
            .map(|credential| match credential {
                Credential::Authorization { is_bearer: true } => {
                    "`headers = { authorization = \"Bearer {token}\" }`".to_owned()
                }
                Credential::Authorization { is_bearer: false } => {
                    "`headers = { authorization = … }`".to_owned()
                }
                Credential::Key { place, name } => format!("the key `{name}` in the {place}"),
                Credential::Other => "a credential of another kind".to_owned(),
            });
        let names: BTreeSet<_> = names.collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let message = format!(
            "`{}` sends no credential, and `{}` requires one",
            step.at,
            shown(step.operation)
        );
        let help = "add it to `headers` of the mapping, or of the role";
        self.report(&step.span, message, one_of(&names), help.to_owned());
    }

    pub(super) fn body(&mut self, step: &Step<'_, '_>) {
        let (at, shown) = (step.at, shown(step.operation));
        let sent = step.tree.get("body");
        match (&step.operation.body, sent) {
            (None, Some(body)) => {
                let message = format!("`{at}.body` is sent, and `{shown}` takes none");
                self.report(
                    &body.span,
                    message,
                    "no body".to_owned(),
                    "remove it".to_owned(),
                );
            }
            (Some(wanted), None) if wanted.is_required => {
                let fields = wanted.json.map(|schema| {
                    let empty = Tree {
                        node: Node::Table(Vec::new()),
                        span: 0..0,
                    };
                    self.document.absent(schema, &empty)
                });
                let fields: Vec<_> = fields
                    .into_iter()
                    .flatten()
                    .map(|absent| format!("{} = …", absent.field))
                    .collect();
                let message = format!("`{at}` has no body, and `{shown}` requires one");
                let example = format!("`body = {{ {} }}`", fields.join(", "));
                self.report(
                    &step.span,
                    message,
                    example.clone(),
                    format!("add {example}"),
                );
            }
            (Some(wanted), Some(body)) => {
                let Some(schema) = wanted.json else {
                    let message = format!(
                        "`{at}.body` is JSON, and `{shown}` takes {}",
                        wanted.types.join(", ")
                    );
                    let help = "a mapping sends JSON: ask whether the back end takes it, too";
                    self.report(
                        &body.span,
                        message,
                        "application/json in the document".to_owned(),
                        help.to_owned(),
                    );
                    return;
                };
                for absent in self.document.absent(schema, body) {
                    let field = &absent.field;
                    let message =
                        format!("`{at}.body` does not have `{field}`, which `{shown}` requires");
                    let name = field.rsplit('.').next().unwrap_or_default();
                    self.report(
                        &body.span,
                        message,
                        format!("`{name} = …` in it"),
                        "add the field".to_owned(),
                    );
                }
                let Some(known) = self.document.closed_fields(schema) else {
                    return;
                };
                let known: Vec<_> = known.iter().map(String::as_str).collect();
                for entry in body
                    .entries()
                    .iter()
                    .filter(|entry| !known.contains(&entry.key.name.as_str()))
                {
                    let name = &entry.key.name;
                    let message =
                        format!("`{at}.body` has `{name}`, which `{shown}` does not take");
                    let help = nearest(name, &known).map_or_else(
                        || "remove it".to_owned(),
                        |near| format!("did you mean `{near}`?"),
                    );
                    self.report(&place_of(entry), message, one_of(&known), help);
                }
            }
            (None | Some(_), None) => {}
        }
    }
}
