//! The operations of a document: what each one takes and returns.

use serde_json::Value;

use super::Document;

/// Methods that a mapping can use.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// A method of a path.
#[derive(Debug)]
pub(super) struct Operation<'d> {
    /// In upper case.
    pub(super) method: String,
    /// The path as it is written.
    pub(super) path: &'d str,
    /// What servers put before the path; nothing for one that puts nothing.
    pub(super) prefixes: Vec<String>,
    pub(super) parameters: Vec<Parameter<'d>>,
    pub(super) body: Option<Body<'d>>,
    /// By status: `200`, `4XX` or `default`.
    pub(super) responses: Vec<(&'d str, Answer<'d>)>,
    /// Alternatives of credentials that are needed; empty if none is.
    pub(super) security: Vec<Vec<Credential>>,
}

/// A parameter.
#[derive(Clone, Debug)]
pub(super) struct Parameter<'d> {
    pub(super) name: &'d str,
    /// `query`, `header`, `path` or `cookie`.
    pub(super) place: &'d str,
    pub(super) is_required: bool,
    pub(super) value: &'d Value,
}

/// The body of a request.
#[derive(Debug)]
pub(super) struct Body<'d> {
    pub(super) is_required: bool,
    /// The schema, if it can be JSON.
    pub(super) json: Option<&'d Value>,
    /// The media types.
    pub(super) types: Vec<&'d str>,
}

/// The body of a response.
#[derive(Debug)]
pub(super) struct Answer<'d> {
    /// The schema, if it is JSON.
    pub(super) json: Option<&'d Value>,
    /// Examples of the media type.
    pub(super) examples: Vec<&'d Value>,
}

/// A credential that an operation asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Credential {
    /// `authorization`, with a bearer token or not.
    Authorization { is_bearer: bool },
    /// A key, by the place and the name.
    Key { place: String, name: String },
    /// Something that no mapping can send, such as a client certificate.
    Other,
}

impl Document {
    /// Returns all operations, in the order of the document.
    pub(super) fn operations(&self) -> Vec<Operation<'_>> {
        let paths = self.root.get("paths").and_then(Value::as_object);
        let mut operations = Vec::new();
        for (path, item) in paths.into_iter().flatten() {
            let item = self.resolved(item);
            for method in METHODS {
                if let Some(value) = item.get(method) {
                    operations.push(self.operation(method, path, item, self.resolved(value)));
                }
            }
        }
        operations
    }

    fn operation<'d>(
        &'d self,
        method: &str,
        path: &'d str,
        item: &'d Value,
        value: &'d Value,
    ) -> Operation<'d> {
        let own = |key: &str| value.get(key);
        let servers = own("servers")
            .or(item.get("servers"))
            .or(self.root.get("servers"));
        let security = own("security").or(self.root.get("security"));
        let mut parameters: Vec<Parameter<'d>> = Vec::new();
        for one in [item.get("parameters"), own("parameters")]
            .into_iter()
            .flatten()
        {
            for one in one.as_array().into_iter().flatten() {
                let Some(parameter) = self.parameter(one) else {
                    continue;
                };
                // That of the operation replaces that of the path.
                parameters
                    .retain(|known| (known.place, known.name) != (parameter.place, parameter.name));
                parameters.push(parameter);
            }
        }
        let responses = own("responses").and_then(Value::as_object);
        let responses = responses.into_iter().flatten().map(|(status, answer)| {
            let content = self.resolved(answer).get("content");
            let media = content.and_then(|content| self.json_media(content));
            let examples = media.into_iter().flat_map(examples).collect();
            // Without a schema, the body may be anything.
            let json = media.map(|media| media.get("schema").unwrap_or(&Value::Bool(true)));
            (status.as_str(), Answer { json, examples })
        });
        Operation {
            method: method.to_uppercase(),
            path,
            prefixes: prefixes(servers),
            parameters,
            body: own("requestBody").map(|body| self.body(body)),
            responses: responses.collect(),
            security: security.map_or_else(Vec::new, |security| self.security(security)),
        }
    }

    fn parameter<'d>(&'d self, value: &'d Value) -> Option<Parameter<'d>> {
        let value = self.resolved(value);
        let is_required = value.get("required").and_then(Value::as_bool) == Some(true);
        Some(Parameter {
            name: value.get("name")?.as_str()?,
            place: value.get("in")?.as_str()?,
            is_required,
            value,
        })
    }

    fn body<'d>(&'d self, value: &'d Value) -> Body<'d> {
        let value = self.resolved(value);
        let content = value.get("content");
        let types = content.and_then(Value::as_object);
        let media = content.and_then(|content| self.json_media(content));
        Body {
            is_required: value.get("required").and_then(Value::as_bool) == Some(true),
            json: media.map(|media| media.get("schema").unwrap_or(&Value::Bool(true))),
            types: types
                .into_iter()
                .flatten()
                .map(|(name, _)| name.as_str())
                .collect(),
        }
    }

    fn json_media<'d>(&'d self, content: &'d Value) -> Option<&'d Value> {
        let is_json = |name: &str| name.contains("json") || name.starts_with("*/");
        let found = content.as_object()?.iter().find(|(name, _)| is_json(name));
        found.map(|(_, media)| self.resolved(media))
    }

    fn security(&self, value: &Value) -> Vec<Vec<Credential>> {
        let alternatives = value.as_array().into_iter().flatten();
        let alternatives: Vec<Vec<Credential>> = alternatives
            .map(|all| {
                let names = all.as_object().into_iter().flatten().map(|(name, _)| name);
                names.map(|name| self.credential(name)).collect()
            })
            .collect();
        // With an empty one, credentials are optional.
        if alternatives.iter().any(Vec::is_empty) {
            return Vec::new();
        }
        alternatives
    }

    fn credential(&self, name: &str) -> Credential {
        let schemes = self.root.pointer("/components/securitySchemes");
        let scheme = schemes
            .and_then(|schemes| schemes.get(name))
            .map(|scheme| self.resolved(scheme));
        let text = |key: &str| {
            scheme
                .and_then(|scheme| scheme.get(key))
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        match text("type") {
            "http" => Credential::Authorization {
                is_bearer: text("scheme").eq_ignore_ascii_case("bearer"),
            },
            "oauth2" | "openIdConnect" => Credential::Authorization { is_bearer: true },
            "apiKey"
                if text("in") == "header" && text("name").eq_ignore_ascii_case("authorization") =>
            {
                Credential::Authorization { is_bearer: false }
            }
            "apiKey" => Credential::Key {
                place: text("in").to_owned(),
                name: text("name").to_owned(),
            },
            _ => Credential::Other,
        }
    }
}

fn examples(media: &Value) -> Vec<&Value> {
    let named = media
        .get("examples")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let named = named.filter_map(|(_, example)| example.get("value"));
    media.get("example").into_iter().chain(named).collect()
}

/// The paths of the servers' URLs, such as `/v1` of `https://api.example.com/v1/`.
fn prefixes(servers: Option<&Value>) -> Vec<String> {
    let mut prefixes = Vec::new();
    for server in servers.and_then(Value::as_array).into_iter().flatten() {
        let Some(url) = server.get("url").and_then(Value::as_str) else {
            continue;
        };
        let mut url = url.to_owned();
        for (name, variable) in server
            .get("variables")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let default = variable
                .get("default")
                .and_then(Value::as_str)
                .unwrap_or_default();
            url = url.replace(&format!("{{{name}}}"), default);
        }
        let path = match url.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]).to_owned(),
            None => url,
        };
        let path = path.trim_end_matches('/').to_owned();
        if !prefixes.contains(&path) {
            prefixes.push(path);
        }
    }
    if prefixes.is_empty() {
        prefixes.push(String::new());
    }
    prefixes
}
