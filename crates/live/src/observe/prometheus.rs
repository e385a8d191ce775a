//! The HTTP API of Prometheus: instant queries.

use std::fmt::Write as _;

use http::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;

use tiketi_api::mask;

/// Returns path and query string of an instant query.
pub(super) fn path(query: &str) -> String {
    format!("/api/v1/query?query={}", encoded(query))
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
