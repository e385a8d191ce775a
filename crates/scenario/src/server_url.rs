//! Where a server is, and with which password: the password is kept, and never shown.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What stands in place of a password.
const HIDDEN: &str = "***";

/// Parameters that would send a client to another host than the one that is shown and checked.
const DETOURS: [&str; 3] = ["host", "hostaddr", "port"];

/// Which kind of server a URL names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKind {
    /// A Redis server.
    Redis,
    /// A PostgreSQL server.
    Postgres,
}

impl ServerKind {
    const ALL: [Self; 2] = [Self::Redis, Self::Postgres];

    /// The schemes of its URLs, the plain one first.
    pub const fn schemes(self) -> [&'static str; 2] {
        match self {
            Self::Redis => ["redis", "rediss"],
            Self::Postgres => ["postgres", "postgresql"],
        }
    }

    /// Legal URLs in words, as an error message shows them.
    pub const fn legal(self) -> &'static str {
        match self {
            Self::Redis => {
                "a URL such as \"redis://127.0.0.1:6379\", \"rediss://user:password@localhost:6380\""
            }
            Self::Postgres => "a URL such as \"postgres://user:password@127.0.0.1:5432/tickets\"",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Redis => 6_379,
            Self::Postgres => 5_432,
        }
    }
}

/// The URL of a server that exists already.
///
/// Shown, written and logged without its password; only [`Self::with_password`] has it. What was read back from a
/// report or from measurements is the URL as it was shown there.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl {
    kind: ServerKind,
    text: String,
    host: String,
    port: u16,
}

/// Why a text is no URL of a server. It does not repeat the text, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadServerUrl {
    /// It begins with no scheme of this kind of server.
    #[error("does not begin with `{0}://`")]
    Scheme(&'static str),
    /// It has no host, or one that is neither a name nor an address.
    #[error("names no host, or one that is neither a name nor an address")]
    Host,
    /// Its port is none.
    #[error("has a port that is no number from 1 to 65535")]
    Port,
    /// A parameter would lead elsewhere.
    #[error("has the parameter `{0}`: host and port belong before the path")]
    Detour(&'static str),
    /// A character that no URL has.
    #[error("holds a space or a control character")]
    Space,
}

impl ServerUrl {
    /// Reads the URL of a server of this kind.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without the text.
    pub fn parse(text: &str, kind: ServerKind) -> Result<Self, BadServerUrl> {
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(BadServerUrl::Space);
        }
        let [plain, secured] = kind.schemes();
        let rest = [plain, secured]
            .into_iter()
            .find_map(|scheme| text.strip_prefix(scheme)?.strip_prefix("://"))
            .ok_or(BadServerUrl::Scheme(plain))?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let address = authority.rsplit('@').next().unwrap_or_default();
        let (host, port) = host_and_port(address)?;
        let query = rest.split_once('?').map_or("", |(_, query)| query);
        let keys = || query.split('&').map(|pair| pair.split('=').next());
        let detour = |key: &&&str| keys().any(|written| written == Some(**key));
        if let Some(key) = DETOURS.iter().find(detour) {
            return Err(BadServerUrl::Detour(key));
        }
        Ok(Self {
            kind,
            text: text.to_owned(),
            host: host.to_owned(),
            port: port.unwrap_or(kind.default_port()),
        })
    }

    /// The URL as a client needs it, with its password. For connecting alone: never to be shown or logged.
    pub fn with_password(&self) -> &str {
        &self.text
    }

    /// Whether it holds a password.
    pub fn has_password(&self) -> bool {
        self.to_string() != self.text
    }

    /// The host: a name or an address, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; that of the kind of server if the URL names none.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The kind of server.
    pub const fn kind(&self) -> ServerKind {
        self.kind
    }
}

fn host_and_port(address: &str) -> Result<(&str, Option<u16>), BadServerUrl> {
    let (host, port) = if let Some(rest) = address.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(BadServerUrl::Host)?;
        let is_address = |c: char| c.is_ascii_hexdigit() || c == ':' || c == '.';
        if !host.chars().all(is_address) {
            return Err(BadServerUrl::Host);
        }
        match rest {
            "" => (host, None),
            _ => (
                host,
                Some(rest.strip_prefix(':').ok_or(BadServerUrl::Host)?),
            ),
        }
    } else {
        let (host, port) = address
            .split_once(':')
            .map_or((address, None), |(host, port)| (host, Some(port)));
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if !host.chars().all(is_name) {
            return Err(BadServerUrl::Host);
        }
        (host, port)
    };
    if host.is_empty() {
        return Err(BadServerUrl::Host);
    }
    let legal = |port: &str| port.parse().ok().filter(|port| *port > 0);
    let port = port.map(|port| legal(port).ok_or(BadServerUrl::Port));
    Ok((host, port.transpose()?))
}

/// Prints the URL with `***` in place of its password.
impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_passwords(&self.text, |_| HIDDEN.to_owned()))
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerUrl({self})")
    }
}

impl Serialize for ServerUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ServerUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let read = ServerKind::ALL
            .into_iter()
            .find_map(|kind| Self::parse(&text, kind).ok());
        read.ok_or_else(|| D::Error::custom("no URL of a Redis or PostgreSQL server"))
    }
}

/// Any text, a file or a message, with `***` in place of the passwords of the URLs in it.
pub fn redacted(text: &str) -> String {
    without_passwords(text, |_| HIDDEN.to_owned())
}

/// The same, with as many bytes in place of each password as it has, so that places in the text stay what they are.
pub(super) fn masked(text: &str) -> String {
    without_passwords(text, |password| "*".repeat(password.len()))
}

/// Finds the URLs of a text by their `://`; what is one only by half is hidden rather than shown.
fn without_passwords(text: &str, hidden: impl Fn(&str) -> String) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let ends = |c: char| c.is_whitespace() || c.is_control() || "\"'`<>".contains(c);
        let (url, behind) = after.split_at(after.find(ends).unwrap_or(after.len()));
        push_url(&mut shown, url, &hidden);
        rest = behind;
    }
    shown.push_str(rest);
    shown
}

/// Adds what follows the `://` of a URL, without the password of its user and those of its parameters.
fn push_url(shown: &mut String, url: &str, hidden: impl Fn(&str) -> String) {
    let (user, rest) = url
        .rfind('@')
        .map_or_else(|| unfinished_user(url), |at| (&url[..at], &url[at..]));
    match user.split_once(':') {
        Some((name, password)) if !password.is_empty() => {
            shown.push_str(name);
            shown.push(':');
            shown.push_str(&hidden(password));
        }
        Some(_) | None => shown.push_str(user),
    }
    let mut first = true;
    for part in rest.split_inclusive(['?', '&']) {
        let is_parameter = !std::mem::take(&mut first);
        let (value, mark) = part
            .strip_suffix(['?', '&'])
            .map_or((part, ""), |value| (value, &part[value.len()..]));
        match value.split_once('=') {
            Some((key, secret)) if is_parameter && key.to_lowercase().contains("pass") => {
                shown.push_str(key);
                shown.push('=');
                shown.push_str(&hidden(secret));
            }
            Some(_) | None => shown.push_str(value),
        }
        shown.push_str(mark);
    }
}

/// Without an `@`, what stands behind the first colon is a port, or else a password that somebody forgot to end.
fn unfinished_user(url: &str) -> (&str, &str) {
    let authority = url.split(['/', '?', '#']).next().unwrap_or_default();
    let is_port = |port: &str| port.chars().all(|c| c.is_ascii_digit());
    match authority.split_once(':') {
        Some((_, port)) if !is_port(port) && !authority.starts_with('[') => (url, ""),
        Some(_) | None => ("", url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redis(text: &str) -> Result<ServerUrl, BadServerUrl> {
        ServerUrl::parse(text, ServerKind::Redis)
    }

    #[test]
    fn a_password_is_kept_for_connecting_and_shown_nowhere() {
        let written = "redis://user:s3cret@127.0.0.1:6380/2";
        let url = redis(written).unwrap();
        assert_eq!(url.with_password(), written);
        assert_eq!((url.host(), url.port()), ("127.0.0.1", 6_380));
        assert!(url.has_password());
        let json = serde_json::to_string(&url).unwrap();
        assert_eq!(json, "\"redis://user:***@127.0.0.1:6380/2\"");
        for shown in [url.to_string(), format!("{url:?}"), json.clone()] {
            assert!(!shown.contains("s3cret"), "{shown}");
        }
        let read: ServerUrl = serde_json::from_str(&json).unwrap();
        assert_eq!(read.to_string(), url.to_string());
    }

    #[test]
    fn passwords_hide_in_users_parameters_and_urls_that_are_none() {
        let cases = [
            ("redis://:pw@localhost", "redis://:***@localhost"),
            ("redis://localhost:6379", "redis://localhost:6379"),
            ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
            ("postgres://u:p@w@h/d", "postgres://u:***@h/d"),
            ("postgres://u:a/b@h/d", "postgres://u:***@h/d"),
            (
                "postgres://u@h/d?password=pw&a=b",
                "postgres://u@h/d?password=***&a=b",
            ),
            ("redis://user:secret", "redis://user:***"),
            (
                "set redis = \"redis://u:pw@h\" # x",
                "set redis = \"redis://u:***@h\" # x",
            ),
            ("no URL: a@b", "no URL: a@b"),
        ];
        for (text, shown) in cases {
            assert_eq!(redacted(text), shown);
            assert_eq!(masked(text).len(), text.len(), "{text}");
            assert!(!masked(text).contains("pw"), "{text}");
        }
    }

    #[test]
    fn what_is_no_url_of_the_server_is_refused_without_being_repeated() {
        let cases = [
            ("postgres://localhost", BadServerUrl::Scheme("redis")),
            ("redis:localhost", BadServerUrl::Scheme("redis")),
            ("redis://", BadServerUrl::Host),
            ("redis://u:pw@", BadServerUrl::Host),
            ("redis://a,b", BadServerUrl::Host),
            ("redis://%2Ftmp", BadServerUrl::Host),
            ("redis://[::1", BadServerUrl::Host),
            ("redis://localhost:0", BadServerUrl::Port),
            ("redis://localhost:x", BadServerUrl::Port),
            ("redis://local host", BadServerUrl::Space),
            (
                "redis://localhost?host=example.org",
                BadServerUrl::Detour("host"),
            ),
        ];
        for (text, error) in cases {
            assert_eq!(redis(text), Err(error), "{text}");
        }
        let url = ServerUrl::parse("postgresql://[::1]/d", ServerKind::Postgres).unwrap();
        assert_eq!((url.host(), url.port()), ("::1", 5_432));
        assert!(!url.has_password());
    }
}
