//! The WebSocket handshake of a buyer: one request, one small response.
//!
//! After the loss of a zone thousands of handshakes run at once, so this one uses a buffer of the response's size; the
//! client handshake of the WebSocket library needs several kilobytes each.

use std::fmt::Write as _;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, SET_COOKIE};
use http::{HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::dialer::Connected;
use crate::http::{Identity, sticky_value};
use tiketi_buyer::observation::Failure;

/// Initial buffer for the head of a response; load balancers and servers send a few hundred bytes.
const HEAD_BYTES: usize = 512;
/// Longest response head that is read.
const HEAD_BYTES_MAX: usize = 8 << 10;
/// Most headers of a response.
const HEADERS_MAX: usize = 24;
/// Bytes of a refusal that are read.
const WORDS_BYTES_MAX: usize = 2 << 10;
/// Real time that the rest of a refusal may take.
const WORDS_WITHIN: Duration = Duration::from_secs(1);

/// A WebSocket connection, and the stickiness cookie of the response if it had one.
pub(crate) type Upgraded = (WebSocketStream<Connected>, Option<HeaderValue>);

/// The request for an upgrade.
pub(crate) struct Upgrade<'a> {
    pub(crate) host: &'a HeaderValue,
    /// Path with query.
    pub(crate) path: &'a str,
    pub(crate) identity: &'a Identity,
    /// Whether the identity's token is sent.
    pub(crate) has_bearer: bool,
    /// Other headers.
    pub(crate) headers: &'a [(HeaderName, HeaderValue)],
}

/// Why there is no WebSocket.
#[derive(Debug)]
pub(crate) struct Unwilling {
    pub(crate) failure: Failure,
    /// The beginning of the response's body; empty without one.
    pub(crate) words: String,
}

impl From<Failure> for Unwilling {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            words: String::new(),
        }
    }
}

/// Requests an upgrade and reads the response.
pub(crate) async fn upgrade(
    mut stream: Connected,
    request: &Upgrade<'_>,
    config: WebSocketConfig,
) -> Result<Upgraded, Unwilling> {
    let key = generate_key();
    let request = request.text(&key).ok_or(Failure::Handshake)?;
    stream
        .write_all(request.as_bytes())
        .await
        .map_err(|_| Failure::Reset)?;
    let mut received = Vec::with_capacity(HEAD_BYTES);
    loop {
        let read = stream
            .read_buf(&mut received)
            .await
            .map_err(|_| Failure::Reset)?;
        if read == 0 {
            return Err(Failure::Reset.into());
        }
        let answer = match answer(&received, &key) {
            Ok(answer) => answer,
            Err(failure @ Failure::Status(_)) => {
                let words = Box::pin(words(&mut stream, received)).await;
                return Err(Unwilling { failure, words });
            }
            Err(failure) => return Err(failure.into()),
        };
        if let Some((head_bytes, cookie)) = answer {
            let rest = received.split_off(head_bytes);
            let frames =
                WebSocketStream::from_partially_read(stream, rest, Role::Client, Some(config))
                    .await;
            return Ok((frames, cookie));
        }
        if received.len() > HEAD_BYTES_MAX {
            return Err(Failure::Handshake.into());
        }
    }
}

impl Upgrade<'_> {
    /// Returns the request as text; `None` if a header value is not plain text.
    fn text(&self, key: &str) -> Option<String> {
        let mut text = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n",
            self.path,
            self.host.to_str().ok()?,
        );
        let authorization = self.identity.authorization.as_ref();
        if let Some(authorization) = authorization.filter(|_| self.has_bearer) {
            write!(text, "Authorization: {}\r\n", authorization.to_str().ok()?).ok()?;
        }
        if let Some(cookie) = &self.identity.cookie {
            write!(text, "Cookie: {}\r\n", cookie.to_str().ok()?).ok()?;
        }
        for (name, value) in self.headers {
            write!(text, "{name}: {}\r\n", value.to_str().ok()?).ok()?;
        }
        text.push_str("\r\n");
        Some(text)
    }
}

/// Reads the beginning of the body of a refusal, whose head has been received.
async fn words(stream: &mut Connected, mut received: Vec<u8>) -> String {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(head_bytes)) = response.parse(&received) else {
        return String::new();
    };
    let length = response.headers.iter();
    let mut length =
        length.filter(|header| header.name.eq_ignore_ascii_case(CONTENT_LENGTH.as_str()));
    let length = length
        .next()
        .and_then(|header| str::from_utf8(header.value).ok()?.parse().ok());
    let wanted = head_bytes + length.unwrap_or(WORDS_BYTES_MAX).min(WORDS_BYTES_MAX);
    let reading = async {
        while received.len() < wanted
            && stream
                .read_buf(&mut received)
                .await
                .is_ok_and(|read| read > 0)
        {}
    };
    // What has come until then is enough.
    let _is_complete = timeout(WORDS_WITHIN, reading).await.is_ok();
    let end = received.len().min(wanted);
    String::from_utf8_lossy(&received[head_bytes..end]).into_owned()
}

/// Parses a response. Returns the length of its head and its stickiness cookie; `None` while the head is incomplete.
fn answer(bytes: &[u8], key: &str) -> Result<Option<(usize, Option<HeaderValue>)>, Failure> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(bytes).map_err(|_| Failure::Handshake)?;
    let httparse::Status::Complete(head_bytes) = parsed else {
        return Ok(None);
    };
    match response.code {
        Some(101) => {}
        Some(code) => return Err(Failure::Status(code)),
        None => return Err(Failure::Handshake),
    }
    let of = |name: &HeaderName| {
        let named =
            |header: &&httparse::Header<'_>| header.name.eq_ignore_ascii_case(name.as_str());
        response
            .headers
            .iter()
            .filter(named)
            .map(|header| header.value)
            .collect::<Vec<_>>()
    };
    let accept = derive_accept_key(key.as_bytes());
    if of(&SEC_WEBSOCKET_ACCEPT) != [accept.as_bytes()] {
        return Err(Failure::Handshake);
    }
    let cookie = of(&SET_COOKIE).into_iter().find_map(sticky_value);
    Ok(Some((head_bytes, cookie)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn accepted() -> String {
        let accept = derive_accept_key(KEY.as_bytes());
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\
             set-cookie: AWSALB=i-0.9; Path=/\r\n\r\n"
        )
    }

    #[test]
    fn a_response_may_arrive_in_pieces_and_with_the_first_frame() {
        let head = accepted();
        assert_eq!(answer(&head.as_bytes()[..40], KEY), Ok(None));
        let with_frame = [head.as_bytes(), &[0x81, 0x01, b'2']].concat();
        let (length, cookie) = answer(&with_frame, KEY)
            .unwrap()
            .expect("the head is complete");
        assert_eq!(length, head.len());
        assert_eq!(cookie.unwrap(), "AWSALB=i-0.9");
    }

    #[test]
    fn refusals_and_wrong_keys_are_distinguished() {
        let refused = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(answer(refused, KEY), Err(Failure::Status(502)));
        assert_eq!(
            answer(accepted().as_bytes(), "another"),
            Err(Failure::Handshake)
        );
        assert_eq!(
            answer(b"no HTTP at all\r\n\r\n", KEY),
            Err(Failure::Handshake)
        );
    }
}
