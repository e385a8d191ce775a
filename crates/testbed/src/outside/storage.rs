//! S3 as a server: it accepts uploads, and keeps nothing of them.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use tokio::net::TcpListener;

use super::Shared;
use crate::lock;

/// Serves S3 for ever.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    super::serve_http(listener, move |request| {
        let status = answer(&shared, &request);
        async move { status }
    })
    .await;
}

fn answer(shared: &Shared, request: &Request<Bytes>) -> StatusCode {
    if request.method() != Method::PUT {
        return StatusCode::METHOD_NOT_ALLOWED;
    }
    lock(&shared.log).handle_upload();
    StatusCode::OK
}
