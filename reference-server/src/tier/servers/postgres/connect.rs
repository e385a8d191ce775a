//! Connections to the writer. Each connect resolves the name again, and rejects a node that is read-only.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use crate::tier::servers::names::Names;
use crate::tier::servers::{DatabaseEndpoint, ServersConfig, dial};

/// Idle time before the first keepalive probe, and the interval between two probes.
///
/// With [`KEEPALIVE_RETRIES`], a lost host is detected in 5 s, as the Aurora user guide recommends. Real time, because the
/// kernel measures it.
const KEEPALIVE: Duration = Duration::from_secs(1);

/// Unanswered probes after which the connection counts as broken.
const KEEPALIVE_RETRIES: u32 = 4;

/// Time after which unacknowledged data breaks the connection: the same as for keepalive.
const UNCONFIRMED_MAX: Duration = Duration::from_secs(5);

/// Maximum length of a PostgreSQL identifier in bytes. Longer ones are truncated.
const NAME_MAX: usize = 63;

/// Opens connections to the writer endpoint.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    names: Names,
    source: Option<Ipv4Addr>,
    host: String,
    port: u16,
    config: Config,
    opened: AtomicU64,
}

/// Why a connect failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// The name cannot be resolved, or the server cannot be reached.
    #[error("{0}")]
    Unreachable(#[from] io::Error),
    /// The server is read-only: it is not the writer, or no longer.
    #[error("the database does not allow writes")]
    ReadOnly,
    /// The server rejected the connection.
    #[error("{}", describe(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// The server didn't respond in time.
    #[error("no response within {0:?}")]
    Timeout(Duration),
}

impl Connector {
    pub(super) fn new(config: &ServersConfig) -> io::Result<Self> {
        let endpoint = &config.database;
        Ok(Self {
            shared: Arc::new(Shared {
                names: Names::new(config.name_server)?,
                source: config.source,
                host: endpoint.host.clone(),
                port: endpoint.port,
                config: session(endpoint),
                opened: AtomicU64::new(0),
            }),
        })
    }

    /// Returns the number of connections opened so far.
    pub(super) fn opened(&self) -> u64 {
        self.shared.opened.load(Ordering::Relaxed)
    }

    /// Connects to the node that the name resolves to now. The task ends with the connection.
    pub(super) async fn connect(&self) -> Result<(Client, JoinHandle<()>), ConnectError> {
        let shared = &self.shared;
        let address = shared.names.address(&shared.host, shared.port).await?;
        let stream = self.open(address).await?;
        let (client, mut connection) = shared.config.connect_raw(stream, NoTls).await?;
        tokio::select! {
            checked = check_writer(&client) => checked?,
            broken = &mut connection => {
                broken?;
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = describe(&error), "connection to PostgreSQL broke");
            }
        });
        self.shared.opened.fetch_add(1, Ordering::Relaxed);
        Ok((client, task))
    }

    /// Connects, with a timeout of `wait` in real time.
    pub(super) async fn connect_within(
        &self,
        wait: Duration,
    ) -> Result<(Client, JoinHandle<()>), ConnectError> {
        let connected = tokio::time::timeout(wait, self.connect()).await;
        connected.unwrap_or(Err(ConnectError::Timeout(wait)))
    }

    /// Opens a connection that notices when its server falls silent.
    async fn open(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let stream = dial::connect(self.shared.source, address).await?;
        let socket = SockRef::from(&stream);
        let keepalive = TcpKeepalive::new()
            .with_time(KEEPALIVE)
            .with_interval(KEEPALIVE)
            .with_retries(KEEPALIVE_RETRIES);
        socket.set_tcp_keepalive(&keepalive)?;
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(UNCONFIRMED_MAX))?;
        Ok(stream)
    }
}

/// Checks that the server accepts writes.
async fn check_writer(client: &Client) -> Result<(), ConnectError> {
    let answer = client.simple_query("SHOW transaction_read_only").await?;
    let is_read_only = answer.iter().any(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0) == Some("on"),
        _ => false,
    });
    if is_read_only {
        return Err(ConnectError::ReadOnly);
    }
    Ok(())
}

impl deadpool_postgres::Connect for Connector {
    fn connect(
        &self,
        _: &Config,
    ) -> Pin<
        Box<
            dyn Future<Output = Result<(Client, JoinHandle<()>), tokio_postgres::Error>>
                + Send
                + '_,
        >,
    > {
        Box::pin(async move {
            match Self::connect(self).await {
                Ok(connected) => Ok(connected),
                Err(ConnectError::Postgres(error)) => Err(error),
                Err(
                    error @ (ConnectError::Unreachable(_)
                    | ConnectError::ReadOnly
                    | ConnectError::Timeout(_)),
                ) => {
                    tracing::debug!(%error, host = self.shared.host, "cannot connect");
                    // The pool accepts only errors of this type, whose constructors are private. An attempt without a host makes one.
                    let error = Config::new().connect(NoTls).await.err();
                    Err(error.expect("a connect without a host fails"))
                }
            }
        })
    }
}

/// Returns the application name of sessions that use a schema, by which another run sees that it is in use.
pub(super) fn session_name(schema: &str) -> String {
    // PostgreSQL replaces other characters, so that the name would not be found again.
    let plain = |letter: char| match letter {
        ' '..='~' => letter,
        _ => '?',
    };
    let name = "tiketi ".chars().chain(schema.chars().map(plain));
    name.take(NAME_MAX).collect()
}

/// Quotes an SQL identifier.
pub(super) fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// Describes an error, including the message of PostgreSQL. It never contains a password.
pub(super) fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(refusal) = error.as_db_error() {
        return format!("{} ({})", refusal.message(), refusal.code().code());
    }
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

fn session(endpoint: &DatabaseEndpoint) -> Config {
    let mut config = Config::new();
    config
        .user(&endpoint.user)
        .dbname(&endpoint.database)
        .application_name(session_name(&endpoint.schema))
        .options(search_path(&endpoint.schema));
    if let Some(password) = &endpoint.password {
        config.password(&password.0);
    }
    config
}

/// Returns the connection option that makes this schema the only one in the search path. A backslash escapes the next
/// character.
fn search_path(schema: &str) -> String {
    let protected = quoted(schema)
        .chars()
        .flat_map(|letter| {
            let needs_it = letter.is_whitespace() || letter == '\\';
            needs_it.then_some('\\').into_iter().chain([letter])
        })
        .collect::<String>();
    format!("-c search_path={protected}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tier::{RedisEndpoint, Secret};

    fn config() -> ServersConfig {
        ServersConfig {
            redis: RedisEndpoint {
                host: "127.0.0.1".to_owned(),
                port: 1,
                username: None,
                password: None,
                database: 0,
                tls: false,
                ca_pem: None,
                prefix: String::new(),
            },
            database: DatabaseEndpoint {
                host: "127.0.0.1".to_owned(),
                // Nothing listens on the discard port.
                port: 9,
                user: "kim".to_owned(),
                password: Some(Secret("hunter2".to_owned())),
                database: "tiketi".to_owned(),
                schema: "석 \\ \"x\"".to_owned(),
            },
            name_server: None,
            source: None,
            origin_unix_ns: 0,
        }
    }

    #[tokio::test]
    async fn passwords_are_not_shown() {
        let config = config();
        let connector = Connector::new(&config).unwrap();
        let error = connector.connect().await.map(drop).unwrap_err();
        for shown in [
            format!("{config:?}"),
            format!("{connector:?}"),
            format!("{error:?} {error}"),
        ] {
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn names_of_schemas_are_quoted_and_recognized() {
        let schema = &config().database.schema;
        assert_eq!(quoted(schema), r#""석 \ ""x""""#);
        assert_eq!(search_path(schema), r#"-c search_path="석\ \\\ ""x""""#);
        assert_eq!(session_name(schema), r#"tiketi ? \ "x""#);
        assert_eq!(session_name(&"s".repeat(63)).len(), NAME_MAX);
    }
}
