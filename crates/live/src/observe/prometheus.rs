//! The HTTP API of Prometheus: instant queries.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST, HeaderValue};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::time::timeout;

use super::Source;
use crate::clock::Clock;
use crate::dialer::Dialer;
use crate::resolver::Names;
use crate::session::in_words;
use crate::setup::{SetupError, host_header};
use crate::tls::{Problem, Tls};
use tiketi_api::mask;
use tiketi_buyer::observation::Failure;

/// Real time for one query: a reading that is older than this says little about now.
const QUERY_TIMEOUT: Duration = Duration::from_secs(4);

/// Real time for a connection to one address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Size of the largest response that is read: one series has a few hundred bytes.
const BODY_BYTES_MAX: usize = 1 << 20;

/// A server that is asked. Each query has a connection of its own, so that a broken one affects no other.
pub(super) struct Server {
    dialer: Dialer,
    host: HeaderValue,
    base: String,
}

impl Server {
    /// Prepares the questions. Nothing is sent yet.
    pub(super) fn new(source: &Source, clock: Clock) -> Result<Self, SetupError> {
        let entry = &source.entry;
        let names = Names::new(entry, clock)?;
        Ok(Self {
            dialer: Dialer::new(names, Tls::to(entry)?, Vec::new(), CONNECT_TIMEOUT),
            host: host_header(format!("{}:{}", entry.host, entry.port))?,
            base: entry.base.clone(),
        })
    }

    /// Returns the value of a query now.
    ///
    /// # Errors
    ///
    /// Why there is none, as a sentence fragment.
    pub(super) async fn query(&self, query: &str) -> Result<f64, String> {
        let asked = timeout(QUERY_TIMEOUT, self.ask(query)).await;
        asked.unwrap_or_else(|_| Err(format!("no response within {} s", QUERY_TIMEOUT.as_secs())))
    }

    async fn ask(&self, query: &str) -> Result<f64, String> {
        let address = self.dialer.address().await.map_err(|failure| {
            let forbidden = self.dialer.forbidden();
            forbidden.map_or_else(
                || words(failure, None),
                |forbidden| format!("its name resolves to {forbidden}"),
            )
        })?;
        let connected = self.dialer.connect(address).await;
        let failed = |failure| words(failure, self.dialer.problem().as_ref());
        let (_, connected) = connected.map_err(failed)?;
        let broken = |error: hyper::Error| {
            let problem = Problem::of_tls(&error).map(|problem| problem.words);
            problem.unwrap_or_else(|| format!("the connection broke: {error}"))
        };
        let (mut channel, connection) = http1::handshake(TokioIo::new(connected))
            .await
            .map_err(broken)?;
        tokio::task::spawn_local(connection);
        let uri = format!("{}/api/v1/query?query={}", self.base, encoded(query));
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = uri
            .parse::<Uri>()
            .map_err(|error| format!("the query cannot be sent: {error}"))?;
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let response = channel.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), BODY_BYTES_MAX);
        let body = body
            .collect()
            .await
            .map_err(|error| format!("the response cannot be read: {error}"))?;
        read(status, &body.to_bytes())
    }
}

/// Encodes a value of a query string.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a String cannot fail");
        }
    }
    encoded
}

/// A response to a query.
#[derive(Deserialize)]
struct Answer {
    status: String,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Vector(Vec<Series>),
    Scalar(Point),
    Matrix(IgnoredAny),
    String(IgnoredAny),
}

#[derive(Deserialize)]
struct Series {
    /// `None` for a native histogram.
    #[serde(default)]
    value: Option<Point>,
}

/// A time in seconds since 1970, and a value as text.
#[derive(Deserialize)]
struct Point(
    #[expect(dead_code, reason = "it is the time of the query")] f64,
    String,
);

/// Reads a response.
///
/// # Errors
///
/// Why it has no value, as a sentence fragment.
pub(crate) fn read(status: StatusCode, body: &[u8]) -> Result<f64, String> {
    let answer: Result<Answer, _> = serde_json::from_slice(body);
    let answer = match (answer, status.is_success()) {
        (Ok(answer), _) => answer,
        (Err(_), false) => return Err(format!("HTTP status {}", status.as_u16())),
        (Err(error), true) => return Err(format!("the response is not Prometheus': {error}")),
    };
    if answer.status != "success" || !status.is_success() {
        let error = answer.error.unwrap_or_default();
        let error = mask::body(error.as_bytes(), &[]);
        return Err(format!(
            "the server rejects the query (HTTP status {}): {error}",
            status.as_u16()
        ));
    }
    let point = match answer.data {
        Some(Data::Scalar(point)) => point,
        Some(Data::Vector(mut series)) => match (series.pop(), series.len()) {
            (Some(one), 0) => one
                .value
                .ok_or_else(|| "the query returns a histogram".to_owned())?,
            (None, _) => return Err("the query returns no series".to_owned()),
            (Some(_), others) => {
                return Err(format!(
                    "the query returns {} series: join them, such as with `sum(…)`",
                    others + 1
                ));
            }
        },
        Some(Data::Matrix(_) | Data::String(_)) | None => {
            return Err("the query returns neither a number nor a vector".to_owned());
        }
    };
    let value = point.1.parse::<f64>();
    value.map_err(|_| format!("the value is {}", mask::body(point.1.as_bytes(), &[])))
}

/// A failure as a fragment of a sentence. The times are those of this client.
fn words(failure: Failure, problem: Option<&Problem>) -> String {
    match failure {
        Failure::ConnectTimeout => "connecting timed out".to_owned(),
        Failure::Timeout => "no response in time".to_owned(),
        failure => in_words(failure, problem),
    }
}
