//! What URLs of both kinds of server have in common.

use percent_encoding::percent_decode_str;

/// Why a text is not the URL of a server. Never repeats the text, which may contain a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadServerUrl {
    /// It does not start with a scheme of this kind of server.
    #[error("does not start with `{0}://`")]
    Scheme(&'static str),
    /// It has no host, several hosts, or a host that is neither a name nor an address.
    #[error("needs exactly one host, a name or an address")]
    Host,
    /// Its port is not a port number.
    #[error("has an invalid port (expected 1 to 65535)")]
    Port,
    /// It contains a space or a control character.
    #[error("contains a space or a control character")]
    Space,
    /// A `%` is not followed by two hexadecimal digits of UTF-8 text.
    #[error("has an invalid percent-encoding")]
    Encoding,
    /// A PostgreSQL URL without a user.
    #[error("names no user")]
    User,
    /// The Redis database is not a number that is supported.
    #[error("has an invalid database number (expected 0 to 255)")]
    DatabaseNumber,
    /// The PostgreSQL database is not a single name.
    #[error("has an invalid database name")]
    DatabaseName,
    /// A parameter or fragment that would have no effect, or would lead the client to another server.
    #[error("has an unsupported parameter (supported: {supported})")]
    Parameter {
        /// The parameters that are supported, in words.
        supported: &'static str,
    },
    /// `sslmode` asks for TLS, which is not available for PostgreSQL.
    #[error(
        "asks for TLS with `sslmode`, which is not supported for PostgreSQL (expected `disable` or `prefer`)"
    )]
    Tls,
    /// `sslmode` has an unknown value.
    #[error("has an unknown `sslmode` (expected `disable` or `prefer`)")]
    SslMode,
}

/// A URL, taken apart; everything percent-decoded except the path and the parameters.
pub(crate) struct Parts<'t> {
    /// Index of the scheme in the list that was given.
    pub(crate) scheme: usize,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    /// The path without its first `/`; empty if there is none.
    pub(crate) path: &'t str,
    /// Names and values after the `?`.
    pub(crate) parameters: Vec<(&'t str, &'t str)>,
}

impl<'t> Parts<'t> {
    /// Takes `text` apart, which starts with one of `schemes`.
    pub(crate) fn of(text: &'t str, schemes: &[&'static str]) -> Result<Self, BadServerUrl> {
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(BadServerUrl::Space);
        }
        let (scheme, rest) = schemes
            .iter()
            .enumerate()
            .find_map(|(index, scheme)| {
                let rest = text.strip_prefix(scheme)?.strip_prefix("://")?;
                Some((index, rest))
            })
            .ok_or(BadServerUrl::Scheme(schemes[0]))?;
        // No fragment has a meaning here; that of `redis` crates, `#insecure`, switches certificate checks off.
        if rest.contains('#') {
            return Err(BadServerUrl::Parameter {
                supported: "none after `#`",
            });
        }
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = place.split_once('/').unwrap_or((place, ""));
        let (user_info, address) = authority
            .rsplit_once('@')
            .map_or((None, authority), |(user, address)| (Some(user), address));
        let (host, port) = host_and_port(address)?;
        let (user, password) =
            match user_info.map(|info| info.split_once(':').unwrap_or((info, ""))) {
                Some((user, password)) => (stated(user)?, stated(password)?),
                None => (None, None),
            };
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let parameters = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Ok(Self {
            scheme,
            user,
            password,
            host: host.to_owned(),
            port,
            path,
            parameters: parameters.collect(),
        })
    }
}

/// The decoded text, or `None` if it is empty.
fn stated(text: &str) -> Result<Option<String>, BadServerUrl> {
    Ok(Some(decoded(text)?).filter(|text| !text.is_empty()))
}

/// The text with its percent-encoding resolved.
pub(crate) fn decoded(text: &str) -> Result<String, BadServerUrl> {
    let is_encoded = |at: usize| {
        let digits = text.as_bytes().get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.match_indices('%').all(|(at, _)| is_encoded(at)) {
        return Err(BadServerUrl::Encoding);
    }
    let bytes = percent_decode_str(text);
    let decoded = bytes.decode_utf8().map_err(|_| BadServerUrl::Encoding)?;
    Ok(decoded.into_owned())
}

/// The host, an IPv6 address without its brackets, and the port if there is one.
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
    let number = |port: &str| port.parse().ok().filter(|port| *port > 0);
    let port = port.map(|port| number(port).ok_or(BadServerUrl::Port));
    Ok((host, port.transpose()?))
}

/// Implements what both URLs share: shown, logged and serialized without their passwords.
macro_rules! hidden_password {
    ($type:ident, $what:literal) => {
        /// Prints the URL with `***` in place of its password.
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&$crate::redacted(&self.text))
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self)
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::BadServerUrl;

            fn from_str(text: &str) -> Result<Self, $crate::BadServerUrl> {
                Self::parse(text)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use serde::de::Error as _;
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                Self::parse(&text).map_err(|error| {
                    D::Error::custom(format_args!(
                        concat!("the URL of a ", $what, " server {}"),
                        error
                    ))
                })
            }
        }
    };
}

pub(crate) use hidden_password;
