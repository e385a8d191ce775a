//! The URL of a Redis server.

use crate::parts::{BadServerUrl, Parts, hidden_password};

/// The URL of a Redis server: `redis://[user:password@]host[:port][/number]`, or `rediss://` with TLS.
///
/// Shown, logged and serialized without its password. A URL that was read back from a report has `***` instead of the
/// password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    text: String,
    host: String,
    port: u16,
    user: Option<String>,
    password: Option<String>,
    database: u8,
    is_encrypted: bool,
}

hidden_password!(RedisUrl, "Redis");

impl RedisUrl {
    /// Valid URLs in words, for error messages.
    pub const EXPECTED: &'static str =
        "a URL such as \"redis://127.0.0.1:6379\" or \"rediss://user:password@localhost:6380/1\"";

    /// Port of Redis if the URL names none.
    const DEFAULT_PORT: u16 = 6_379;

    /// Parses the URL of a Redis server. Errors do not repeat the text.
    pub fn parse(text: &str) -> Result<Self, BadServerUrl> {
        let parts = Parts::of(text, &["redis", "rediss"])?;
        if !parts.parameters.is_empty() {
            return Err(BadServerUrl::Parameter { supported: "none" });
        }
        let database = match parts.path.trim_end_matches('/') {
            "" => 0,
            number => number.parse().map_err(|_| BadServerUrl::DatabaseNumber)?,
        };
        Ok(Self {
            text: text.to_owned(),
            host: parts.host,
            port: parts.port.unwrap_or(Self::DEFAULT_PORT),
            user: parts.user,
            password: parts.password,
            database,
            is_encrypted: parts.scheme == 1,
        })
    }

    /// The host: a name or an address, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 6379 if the URL names none.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The user; `None` for the default user.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The password, for connecting only: do not show or log it. `None` if the URL has none.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// Number of the logical database; 0 if the URL names none.
    pub const fn database(&self) -> u8 {
        self.database
    }

    /// Whether the connection uses TLS.
    pub const fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_server_user_and_database() {
        let url = RedisUrl::parse("rediss://kim:open%20sesame@cache.example:6380/3").unwrap();
        assert_eq!((url.host(), url.port()), ("cache.example", 6_380));
        assert_eq!(
            (url.user(), url.password()),
            (Some("kim"), Some("open sesame"))
        );
        assert_eq!((url.database(), url.is_encrypted()), (3, true));
        let plain = RedisUrl::parse("redis://127.0.0.1").unwrap();
        assert_eq!(
            (plain.port(), plain.database(), plain.is_encrypted()),
            (6_379, 0, false)
        );
        assert_eq!((plain.user(), plain.password()), (None, None));
        let only_password = RedisUrl::parse("redis://:pw@[::1]/").unwrap();
        assert_eq!((only_password.host(), only_password.user()), ("::1", None));
        assert_eq!(only_password.password(), Some("pw"));
    }

    #[test]
    fn a_database_number_above_255_is_an_error() {
        assert_eq!(RedisUrl::parse("redis://h/255").unwrap().database(), 255);
        for number in ["256", "999", "-1", "tickets", "1/2"] {
            let url = format!("redis://h/{number}");
            assert_eq!(
                RedisUrl::parse(&url),
                Err(BadServerUrl::DatabaseNumber),
                "{url}"
            );
        }
    }

    #[test]
    fn invalid_urls_are_rejected_with_a_reason() {
        let unsupported = BadServerUrl::Parameter { supported: "none" };
        let cases = [
            ("postgres://localhost", BadServerUrl::Scheme("redis")),
            ("redis:localhost", BadServerUrl::Scheme("redis")),
            ("127.0.0.1:6379", BadServerUrl::Scheme("redis")),
            ("redis+unix:///s", BadServerUrl::Scheme("redis")),
            ("redis://", BadServerUrl::Host),
            ("redis://u:pw@", BadServerUrl::Host),
            ("redis://a,b", BadServerUrl::Host),
            ("redis://%2Ftmp", BadServerUrl::Host),
            ("redis://[::1", BadServerUrl::Host),
            ("redis://localhost:0", BadServerUrl::Port),
            ("redis://localhost:x", BadServerUrl::Port),
            ("redis://local host", BadServerUrl::Space),
            ("redis://:50%@h", BadServerUrl::Encoding),
            ("redis://:%ff@h", BadServerUrl::Encoding),
            ("redis://localhost?host=example.org", unsupported.clone()),
            ("redis://localhost?protocol=resp3", unsupported),
            (
                "rediss://localhost#insecure",
                BadServerUrl::Parameter {
                    supported: "none after `#`",
                },
            ),
        ];
        for (text, error) in cases {
            assert_eq!(RedisUrl::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_password_is_kept_for_connecting_and_never_shown() {
        let url = RedisUrl::parse("redis://user:s3cret@127.0.0.1:6380/2").unwrap();
        assert_eq!(url.password(), Some("s3cret"));
        let json = serde_json::to_string(&url).unwrap();
        assert_eq!(json, "\"redis://user:***@127.0.0.1:6380/2\"");
        for shown in [url.to_string(), format!("{url:?}"), json.clone()] {
            assert!(!shown.contains("s3cret"), "{shown}");
        }
        let read: RedisUrl = serde_json::from_str(&json).unwrap();
        assert_eq!(read.to_string(), url.to_string());
        let failed = serde_json::from_str::<RedisUrl>("\"redis://u:s3cret@h/999\"");
        for error in [
            format!("{:?}", RedisUrl::parse("redis://:s3cret@h:port")),
            format!("{:?}", RedisUrl::parse("redis://u:s3cret")),
            failed.unwrap_err().to_string(),
        ] {
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
