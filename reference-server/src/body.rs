//! The bodies of requests, read before their handlers run: small, and in time.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use tokio::sync::Semaphore;

use crate::error::ApiError;

/// Maximum size of a request body, in bytes: the default of Express's JSON parser.
pub(crate) const BODY_MAX: u64 = 100 * 1_024;

/// Size up to which a body counts as small, in bytes. Those of the contract have a few hundred.
const SMALL_MAX: u64 = 4 * 1_024;

/// Maximum number of large bodies that an instance reads at the same time; others wait for their turn. Clients that send
/// them slowly cost 6 MiB at most.
const LARGE_AT_ONCE: usize = 64;

/// Bytes of a body beyond the maximum that are read and thrown away, so that its client gets a response: one that is still
/// sending when the connection closes sees a broken connection instead.
const DISCARDED_MAX: u64 = 4 << 20;

/// Reads the bodies of an instance's requests.
#[derive(Debug)]
pub(crate) struct Bodies {
    large: Semaphore,
}

impl Default for Bodies {
    fn default() -> Self {
        Self {
            large: Semaphore::new(LARGE_AT_ONCE),
        }
    }
}

impl Bodies {
    /// Reads the body of a request. `timeout` is the real time that the client has to send all of it; `None` means no limit.
    pub(crate) async fn complete(
        &self,
        request: Request<Incoming>,
        timeout: Option<Duration>,
    ) -> Result<Request<Body>, ApiError> {
        let (head, body) = request.into_parts();
        if body.is_end_stream() {
            return Ok(Request::from_parts(head, Body::empty()));
        }
        let read = match timeout {
            Some(timeout) => tokio::time::timeout(timeout, self.read(body))
                .await
                .unwrap_or(Err(ApiError::TooSlow)),
            None => self.read(body).await,
        };
        read.map(|bytes| Request::from_parts(head, Body::from(bytes)))
    }

    async fn read(&self, mut body: Incoming) -> Result<Bytes, ApiError> {
        let announced = body.size_hint();
        if announced.lower() > BODY_MAX {
            discard(&mut body).await;
            return Err(ApiError::TooLarge);
        }
        let is_small = announced.upper().is_some_and(|size| size <= SMALL_MAX);
        // Nothing closes the semaphore.
        let _turn = if is_small {
            None
        } else {
            self.large.acquire().await.ok()
        };
        let limit = usize::try_from(BODY_MAX).unwrap_or(usize::MAX);
        match Limited::new(&mut body, limit).collect().await {
            Ok(whole) => Ok(whole.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {
                discard(&mut body).await;
                Err(ApiError::TooLarge)
            }
            Err(_) => {
                let reason = "The request body is incomplete or malformed";
                Err(ApiError::BadRequest(reason.to_owned()))
            }
        }
    }
}

/// Reads the rest of a body and throws it away, unless it is announced as longer than that is worth.
async fn discard(body: &mut Incoming) {
    if body.size_hint().lower() > DISCARDED_MAX {
        return;
    }
    let mut left = DISCARDED_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
        let Some(rest) = left.checked_sub(bytes) else {
            return;
        };
        left = rest;
    }
}
