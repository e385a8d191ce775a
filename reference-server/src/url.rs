//! URLs of Redis and PostgreSQL from the command line or the environment. They may contain passwords, so no error
//! message repeats them.

use redis::{ConnectionAddr, IntoConnectionInfo as _};
use tiketi_server::{DatabaseEndpoint, RedisEndpoint, Secret};
use tokio_postgres::config::{Host, SslMode};

/// Default port of PostgreSQL.
const POSTGRES_PORT: u16 = 5_432;

/// A Redis URL: `redis://[user:password@]host[:port][/database]`, or `rediss://` with TLS.
#[derive(Clone, Debug)]
pub(crate) struct RedisUrl(RedisEndpoint);

impl RedisUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let malformed = || "invalid URL (expected for example redis://127.0.0.1:6379)".to_owned();
        let info = text.into_connection_info().map_err(|_| malformed())?;
        let (host, port, tls) = match info.addr() {
            ConnectionAddr::Tcp(host, port) => (host.clone(), *port, false),
            ConnectionAddr::TcpTls {
                insecure: false,
                host,
                port,
                ..
            } => (host.clone(), *port, true),
            _ => return Err(malformed()),
        };
        let identity = info.redis_settings();
        let password = identity.password().map(|word| Secret(word.to_owned()));
        Ok(Self(RedisEndpoint {
            host,
            port,
            username: identity.username().map(ToOwned::to_owned),
            password,
            database: u8::try_from(identity.db()).map_err(|_| malformed())?,
            tls,
            ca_pem: None,
            prefix: String::new(),
        }))
    }

    pub(crate) fn with_prefix(self, prefix: String) -> RedisEndpoint {
        RedisEndpoint { prefix, ..self.0 }
    }
}

/// A PostgreSQL URL: `postgres://user[:password]@host[:port]/database`.
#[derive(Clone, Debug)]
pub(crate) struct DatabaseUrl(DatabaseEndpoint);

impl DatabaseUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let malformed = || {
            "invalid URL (expected for example postgres://user@127.0.0.1:5432/tickets)".to_owned()
        };
        let config: tokio_postgres::Config = text.parse().map_err(|_| malformed())?;
        if config.get_ssl_mode() == SslMode::Require {
            return Err("TLS to PostgreSQL is not supported".to_owned());
        }
        let [Host::Tcp(host)] = config.get_hosts() else {
            return Err(malformed());
        };
        let (Some(user), Some(database)) = (config.get_user(), config.get_dbname()) else {
            return Err(malformed());
        };
        let password = config.get_password().map(String::from_utf8_lossy);
        Ok(Self(DatabaseEndpoint {
            host: host.clone(),
            port: config.get_ports().first().copied().unwrap_or(POSTGRES_PORT),
            user: user.to_owned(),
            password: password.map(|word| Secret(word.into_owned())),
            database: database.to_owned(),
            schema: String::new(),
        }))
    }

    pub(crate) fn with_schema(self, schema: String) -> DatabaseEndpoint {
        DatabaseEndpoint { schema, ..self.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_urls_are_parsed() {
        let url = RedisUrl::parse("rediss://kim:open%20sesame@cache.example:6380/3").unwrap();
        let endpoint = url.with_prefix("sim:".to_owned());
        assert_eq!(
            (&endpoint.host[..], endpoint.port),
            ("cache.example", 6_380)
        );
        assert_eq!((endpoint.database, endpoint.tls), (3, true));
        assert_eq!(endpoint.username.as_deref(), Some("kim"));
        assert_eq!(endpoint.password, Some(Secret("open sesame".to_owned())));
        let plain = RedisUrl::parse("redis://127.0.0.1").unwrap();
        assert_eq!((plain.0.port, plain.0.tls), (6_379, false));
        for bad in [
            "127.0.0.1:6379",
            "http://h",
            "redis+unix:///s",
            "redis://h/999",
        ] {
            assert!(RedisUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn postgresql_urls_are_parsed() {
        let url = DatabaseUrl::parse("postgres://kim:open%20sesame@db.example/tickets").unwrap();
        let endpoint = url.with_schema("sim".to_owned());
        assert_eq!((&endpoint.host[..], endpoint.port), ("db.example", 5_432));
        assert_eq!(
            (&endpoint.user[..], &endpoint.database[..]),
            ("kim", "tickets")
        );
        assert_eq!(endpoint.password, Some(Secret("open sesame".to_owned())));
        let tls = DatabaseUrl::parse("postgres://u@h/d?sslmode=require");
        assert!(tls.unwrap_err().contains("TLS"));
        for bad in ["nonsense", "postgres://h/d", "postgres://u@h1,h2/d"] {
            assert!(DatabaseUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn messages_never_contain_a_password() {
        let secret = "s3cret";
        let urls = [
            format!("redis://:{secret}@h:port"),
            format!("redis://:{secret}@h"),
        ];
        for url in urls {
            assert!(!format!("{:?}", RedisUrl::parse(&url)).contains(secret));
        }
        let urls = [
            format!("postgres://u:{secret}@h:port/d"),
            format!("postgres://u:{secret}@h/d"),
        ];
        for url in urls {
            assert!(!format!("{:?}", DatabaseUrl::parse(&url)).contains(secret));
        }
    }
}
