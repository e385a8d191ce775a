//! The URL of a PostgreSQL server.

use crate::parts::{BadServerUrl, Parts, decoded, hidden_password};

/// The URL of a PostgreSQL server: `postgres://user[:password]@host[:port][/database]`.
///
/// Like libpq, takes `user`, `password`, `dbname` and `sslmode` as parameters too. Connections are not encrypted:
/// `sslmode=disable` and `prefer` are accepted, modes that require TLS are errors.
///
/// Shown, logged and serialized without its password. A URL that was read back from a report has `***` instead of the
/// password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    text: String,
    host: String,
    port: u16,
    user: String,
    password: Option<String>,
    database: String,
}

hidden_password!(PostgresUrl, "PostgreSQL");

impl PostgresUrl {
    /// Valid URLs in words, for error messages.
    pub const EXPECTED: &'static str =
        "a URL such as \"postgres://user:password@127.0.0.1:5432/tickets\"";

    /// Port of PostgreSQL if the URL names none.
    const DEFAULT_PORT: u16 = 5_432;

    /// Parses the URL of a PostgreSQL server. Errors do not repeat the text.
    pub fn parse(text: &str) -> Result<Self, BadServerUrl> {
        let parts = Parts::of(text, &["postgres", "postgresql"])?;
        let (mut user, mut password) = (parts.user, parts.password);
        let mut database = Some(decoded(parts.path)?).filter(|name| !name.is_empty());
        for (name, value) in parts.parameters {
            match name {
                "user" => user = Some(decoded(value)?),
                "password" => password = Some(decoded(value)?),
                "dbname" => database = Some(decoded(value)?),
                "sslmode" => admit_ssl_mode(value)?,
                _ => {
                    return Err(BadServerUrl::Parameter {
                        supported: "user, password, dbname, sslmode",
                    });
                }
            }
        }
        let user = user
            .filter(|user| !user.is_empty())
            .ok_or(BadServerUrl::User)?;
        // As in libpq, the database has the name of the user if none is given.
        let database = database.unwrap_or_else(|| user.clone());
        if database.is_empty() || database.contains('/') {
            return Err(BadServerUrl::DatabaseName);
        }
        Ok(Self {
            text: text.to_owned(),
            host: parts.host,
            port: parts.port.unwrap_or(Self::DEFAULT_PORT),
            user,
            password,
            database,
        })
    }

    /// The host: a name or an address, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 5432 if the URL names none.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The user.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password, for connecting only: do not show or log it. `None` if the URL has none.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// Name of the database; that of the user if the URL names none.
    pub fn database(&self) -> &str {
        &self.database
    }
}

/// Rejects modes that need TLS. `allow` and `prefer` try without TLS too, so they work with plain connections.
fn admit_ssl_mode(mode: &str) -> Result<(), BadServerUrl> {
    match mode {
        "disable" | "allow" | "prefer" => Ok(()),
        "require" | "verify-ca" | "verify-full" => Err(BadServerUrl::Tls),
        _ => Err(BadServerUrl::SslMode),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_server_user_and_database() {
        let url = PostgresUrl::parse("postgres://kim:open%20sesame@db.example/tickets").unwrap();
        assert_eq!((url.host(), url.port()), ("db.example", 5_432));
        assert_eq!((url.user(), url.database()), ("kim", "tickets"));
        assert_eq!(url.password(), Some("open sesame"));
        let url = PostgresUrl::parse("postgresql://kim@[::1]:6000?password=pw&dbname=d").unwrap();
        assert_eq!((url.host(), url.port()), ("::1", 6_000));
        assert_eq!((url.password(), url.database()), (Some("pw"), "d"));
        let url = PostgresUrl::parse("postgres://kim@h").unwrap();
        assert_eq!((url.database(), url.password()), ("kim", None));
    }

    #[test]
    fn modes_that_require_tls_are_errors() {
        for mode in ["require", "verify-ca", "verify-full"] {
            let read = PostgresUrl::parse(&format!("postgres://u@h/d?sslmode={mode}"));
            let error = read.expect_err("needs TLS");
            assert_eq!(error, BadServerUrl::Tls, "{mode}");
            assert!(error.to_string().contains("TLS"), "{error}");
        }
        for mode in ["disable", "prefer"] {
            let read = PostgresUrl::parse(&format!("postgres://u@h/d?sslmode={mode}"));
            assert!(read.is_ok(), "{mode}");
        }
        let unknown = PostgresUrl::parse("postgres://u@h/d?sslmode=maybe");
        assert_eq!(unknown, Err(BadServerUrl::SslMode));
    }

    #[test]
    fn invalid_urls_are_rejected_with_a_reason() {
        let unsupported = BadServerUrl::Parameter {
            supported: "user, password, dbname, sslmode",
        };
        let cases = [
            ("nonsense", BadServerUrl::Scheme("postgres")),
            ("host=h user=u", BadServerUrl::Space),
            ("postgres://h/d", BadServerUrl::User),
            ("postgres://u@h1,h2/d", BadServerUrl::Host),
            ("postgres://u@h/d/e", BadServerUrl::DatabaseName),
            ("postgres://u@h/d?host=example.org", unsupported.clone()),
            ("postgres://u@h/d?application_name=x", unsupported),
        ];
        for (text, error) in cases {
            assert_eq!(PostgresUrl::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        for text in [
            "postgres://u:s3cret@h/d",
            "postgres://u@h/d?password=s3cret",
        ] {
            let url = PostgresUrl::parse(text).unwrap();
            assert_eq!(url.password(), Some("s3cret"));
            let json = serde_json::to_string(&url).unwrap();
            let read: PostgresUrl = serde_json::from_str(&json).unwrap();
            assert_eq!(read.to_string(), url.to_string());
            for shown in [url.to_string(), format!("{url:?}"), json] {
                assert!(!shown.contains("s3cret"), "{shown}");
            }
        }
        let wrong = PostgresUrl::parse("postgres://u:s3cret@h:port/d");
        assert!(!format!("{wrong:?}").contains("s3cret"));
    }
}
