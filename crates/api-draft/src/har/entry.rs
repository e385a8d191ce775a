//! One entry of a recording.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{SHOWN_MAX, Socket, SocketKind};
use crate::traffic::Exchange;

/// An entry as it is written. What a mapping does not need is skipped.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Entry {
    started_date_time: Option<String>,
    request: Request,
    response: Response,
    /// What the browser loaded it as (Chrome).
    #[serde(rename = "_resourceType")]
    resource_type: Option<String>,
    /// Messages of a WebSocket (Chrome).
    #[serde(rename = "_webSocketMessages")]
    messages: Vec<Message>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Request {
    method: String,
    url: String,
    headers: Vec<Named>,
    post_data: Option<PostData>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PostData {
    mime_type: Option<String>,
    text: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Response {
    status: i64,
    headers: Vec<Named>,
    content: Content,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Content {
    mime_type: Option<String>,
    text: Option<String>,
    encoding: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    name: String,
    value: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message {
    data: Option<String>,
}

/// What an entry is.
pub(super) enum Kind {
    /// A request that may be one of the API.
    Request,
    /// A static file: host and path.
    File(String, String),
    /// A socket, or a stream of events.
    Socket(Socket),
    /// A request without a response.
    Unanswered,
    /// A preflight, or nothing that was sent to a server.
    Nothing,
}

/// Methods that a mapping can use.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Types of static files, as browsers name them.
const FILE_TYPES: [&str; 8] = [
    "script",
    "stylesheet",
    "image",
    "font",
    "media",
    "document",
    "manifest",
    "texttrack",
];

/// Endings of static files.
const ENDINGS: [&str; 20] = [
    "js", "mjs", "css", "map", "png", "jpg", "jpeg", "gif", "svg", "webp", "avif", "ico", "woff",
    "woff2", "ttf", "otf", "mp4", "webm", "html", "wasm",
];

impl Entry {
    pub(super) fn started_ms(&self) -> Option<i64> {
        let text = self.started_date_time.as_deref()?;
        let at: jiff::Timestamp = text.parse().ok()?;
        Some(at.as_millisecond())
    }

    pub(super) fn kind(&self) -> Kind {
        let Ok(url) = Url::parse(&self.request.url) else {
            return Kind::Nothing;
        };
        if !["http", "https", "ws", "wss"].contains(&url.scheme()) {
            return Kind::Nothing;
        }
        if let Some(kind) = self.socket(&url) {
            return Kind::Socket(Socket {
                kind,
                origin: origin(&url),
                path: url.path().to_owned(),
                messages: self.message_names(),
            });
        }
        let method = self.request.method.to_uppercase();
        if !METHODS.contains(&method.as_str()) || self.is(&["preflight", "ping", "beacon"]) {
            return Kind::Nothing;
        }
        if self.is_file(&url) {
            return Kind::File(origin(&url), url.path().to_owned());
        }
        if self.response.status < 100 {
            return Kind::Unanswered;
        }
        Kind::Request
    }

    fn is(&self, types: &[&str]) -> bool {
        let own = self.resource_type.as_deref();
        own.is_some_and(|own| types.contains(&own))
    }

    fn mime(&self) -> &str {
        let mime = self.response.content.mime_type.as_deref();
        mime.unwrap_or_default()
    }

    fn socket(&self, url: &Url) -> Option<SocketKind> {
        let is_socket_io =
            url.path().contains("/socket.io") || url.query_pairs().any(|(name, _)| name == "EIO");
        if is_socket_io {
            return Some(SocketKind::SocketIo);
        }
        if url.scheme().starts_with("ws") || self.response.status == 101 || self.is(&["websocket"])
        {
            return Some(SocketKind::WebSocket);
        }
        let is_stream = self.mime().starts_with("text/event-stream") || self.is(&["eventsource"]);
        is_stream.then_some(SocketKind::ServerSentEvents)
    }

    /// The names of a socket's messages: of Socket.IO, `42["name", …]`; else the type that JSON names; of a stream, `event:`.
    fn message_names(&self) -> Vec<String> {
        let texts = self
            .messages
            .iter()
            .filter_map(|message| message.data.as_deref());
        let body = self.response.content.text.as_deref();
        let polled = body
            .into_iter()
            .flat_map(|text| text.split(['\u{1e}', '\n']));
        let mut names = Vec::new();
        for text in texts.chain(polled) {
            let Some(name) = message_name(text) else {
                continue;
            };
            if names.len() < SHOWN_MAX && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    fn is_file(&self, url: &Url) -> bool {
        let ending = url
            .path()
            .rsplit('/')
            .next()
            .and_then(|name| name.rsplit_once('.'));
        let has_ending = ending
            .is_some_and(|(_, ending)| ENDINGS.contains(&ending.to_ascii_lowercase().as_str()));
        let mime = self.mime();
        let is_media = [
            "image/",
            "font/",
            "video/",
            "audio/",
            "text/css",
            "text/javascript",
            "application/javascript",
        ];
        let is_page = mime.starts_with("text/html")
            && self.request.method == "GET"
            && self.response.status < 400;
        self.is(&FILE_TYPES)
            || (has_ending && self.request.method == "GET")
            || is_media.iter().any(|kind| mime.starts_with(kind))
            || is_page
    }

    /// How much JSON the entry has.
    pub(super) fn json_bytes(&self) -> usize {
        let body = self.request.post_data.as_ref();
        let body = body
            .and_then(|data| data.text.as_ref())
            .map_or(0, String::len);
        body + self.response.content.text.as_ref().map_or(0, String::len)
    }

    /// The request and its response; with whether all JSON in it could be read. `None` if its URL is none.
    pub(super) fn exchange(self, keeps_bodies: bool) -> (Option<Exchange>, bool) {
        let Ok(url) = Url::parse(&self.request.url) else {
            return (None, true);
        };
        let mut exchange = Exchange {
            method: self.request.method.to_uppercase(),
            origin: origin(&url),
            path: path(&url),
            query: url
                .query_pairs()
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
            status: u16::try_from(self.response.status).unwrap_or(0),
            ..Exchange::default()
        };
        for Named { name, value } in self.request.headers {
            let name = name.to_lowercase();
            if name == "cookie" {
                let pairs = value.split(';').filter_map(|pair| pair.split_once('='));
                let pairs =
                    pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
                exchange.cookies.extend(pairs);
            } else {
                exchange.headers.push((name, value));
            }
        }
        for Named { name, value } in self.response.headers {
            let name = name.to_lowercase();
            if name == "set-cookie" {
                // Firefox joins several cookies with line breaks.
                let pairs = value.lines().filter_map(|cookie| cookie.split_once('='));
                let pairs = pairs.map(|(name, value)| {
                    let value = value.split(';').next().unwrap_or_default();
                    (name.trim().to_owned(), value.trim().to_owned())
                });
                exchange.set_cookies.extend(pairs);
            } else {
                exchange.answer_headers.push((name, value));
            }
        }
        let mut is_whole = true;
        if let Some(data) = self.request.post_data {
            let mime = data.mime_type.unwrap_or_default();
            let text = data.text.unwrap_or_default();
            let mut json = keeps_bodies
                .then(|| serde_json::from_str(&text).ok())
                .flatten();
            if json.is_none() && !text.is_empty() {
                is_whole &= !mime.contains("json");
                if mime.starts_with("application/x-www-form-urlencoded") && keeps_bodies {
                    json = Some(fields(&text));
                }
                exchange.other_body = Some(if mime.is_empty() {
                    "of an unknown type".to_owned()
                } else {
                    mime
                });
            }
            exchange.body = json;
        }
        if let Some(text) = self.response.content.text.filter(|text| !text.is_empty()) {
            let is_json = self
                .response
                .content
                .mime_type
                .is_some_and(|mime| mime.contains("json"));
            let is_encoded = self.response.content.encoding.as_deref() == Some("base64");
            let text = if is_encoded {
                decoded(&text)
            } else {
                Some(text)
            };
            exchange.answer = text.filter(|_| keeps_bodies).and_then(|text| json(&text));
            is_whole &= exchange.answer.is_some() || !is_json;
        }
        (Some(exchange), is_whole)
    }
}

/// JSON with something in it. A text or a number alone says nothing to a mapping.
fn json(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    (value.is_object() || value.is_array()).then_some(value)
}

/// The fields of a form.
fn fields(form: &str) -> Value {
    let pairs = url::form_urlencoded::parse(form.as_bytes());
    Value::Object(
        pairs
            .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
            .collect(),
    )
}

fn decoded(base64: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(base64).ok()?).ok()
}

/// Scheme, host and port, without a name and a password.
fn origin(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url
        .port()
        .map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{host}{port}", url.scheme())
}

/// The decoded segments of a path; that of `/` has none.
fn path(url: &Url) -> Vec<String> {
    let segments = url.path_segments().into_iter().flatten();
    let segments =
        segments.map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned());
    segments.filter(|segment| !segment.is_empty()).collect()
}

fn message_name(text: &str) -> Option<String> {
    let text = text.trim();
    if let Some(name) = text.strip_prefix("event:") {
        return Some(name.trim().to_owned());
    }
    let json = text.trim_start_matches(|c: char| c.is_ascii_digit());
    match serde_json::from_str(json).ok()? {
        Value::Array(list) if json.len() < text.len() => list.first()?.as_str().map(str::to_owned),
        Value::Object(map) if json.len() == text.len() => {
            let named = ["type", "event", "action"]
                .into_iter()
                .find_map(|key| map.get(key));
            named?.as_str().map(str::to_owned)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_sockets_have_names() {
        assert_eq!(
            message_name(r#"42["queue-updated",{"n":1}]"#).as_deref(),
            Some("queue-updated")
        );
        assert_eq!(
            message_name(r#"{"type":"seat.sold"}"#).as_deref(),
            Some("seat.sold")
        );
        assert_eq!(message_name("event: turn").as_deref(), Some("turn"));
        assert_eq!(message_name("2probe"), None);
    }

    #[test]
    fn segments_are_decoded() {
        let url = Url::parse("http://u:p@h:81/a%20b//%ec%a2%8c%zz/").unwrap();
        assert_eq!(path(&url), ["a b", "좌%zz"]);
        assert_eq!(origin(&url), "http://h:81");
    }
}
