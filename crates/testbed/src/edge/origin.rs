//! S3: answers each request after the latency of the scenario, with the file, or with *not modified*.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ETAG, HeaderValue, IF_NONE_MATCH};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::net::TcpListener;

use super::server::{self, Answer, entity_tag};
use crate::clock::{Clock, pause};
use tiketi_scenario::topology;

/// The bucket.
struct Bucket {
    /// Path, content and entity tag of each file.
    files: Vec<(String, Bytes, HeaderValue)>,
    /// Real time to a response.
    latency: Duration,
}

/// Serves the static files of `plan` with these contents.
pub(super) fn spawn(
    listener: TcpListener,
    plan: &topology::Edge,
    (contents, clock): (&[Bytes], Clock),
) {
    let files = plan.files.iter().zip(contents).map(|(file, content)| {
        let tag = HeaderValue::try_from(entity_tag(file)).expect("digits are valid in a header");
        (file.path.clone(), content.clone(), tag)
    });
    let bucket = Bucket {
        files: files.collect(),
        latency: clock.wall(plan.origin_latency),
    };
    server::spawn(listener, Arc::new(bucket), answer);
}

async fn answer(bucket: Arc<Bucket>, request: Request<Incoming>) -> Answer {
    pause(bucket.latency).await;
    let path = request.uri().path();
    let Some((_, content, tag)) = bucket.files.iter().find(|(known, ..)| known == path) else {
        return with_status(StatusCode::NOT_FOUND);
    };
    let mut answer = if request.headers().get(IF_NONE_MATCH) == Some(tag) {
        with_status(StatusCode::NOT_MODIFIED)
    } else {
        Response::new(Full::new(content.clone()))
    };
    answer.headers_mut().insert(ETAG, tag.clone());
    answer
}

/// Returns a response without a body.
pub(super) fn with_status(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}
