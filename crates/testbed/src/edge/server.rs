//! What a location and S3 have in common: an HTTP/1.1 server.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tiketi_scenario::topology::StaticFile;
use tokio::net::{TcpListener, TcpSocket};

/// Connections that may wait to be accepted: all workers open theirs in the first second of a sale.
const BACKLOG: u32 = 1_024;
/// Real time to wait when a connection cannot be accepted, mostly for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// A response with a body of its own.
pub(super) type Answer = Response<Full<Bytes>>;

/// The address of the client of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client(pub(super) IpAddr);

/// Listens on an address of the current runtime.
pub(super) fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves all connections until the runtime ends.
pub(super) fn spawn<S, F>(
    listener: TcpListener,
    shared: Arc<S>,
    answer: fn(Arc<S>, Request<Incoming>) -> F,
) where
    S: Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    tokio::spawn(async move {
        loop {
            let Ok((stream, peer)) = listener.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            if stream.set_nodelay(true).is_err() {
                continue;
            }
            let shared = Arc::clone(&shared);
            let service = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(Client(peer.ip()));
                let answering = answer(Arc::clone(&shared), request);
                async move { Ok::<_, Infallible>(answering.await) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(async move {
                // A client that hangs up is none of the server's problems.
                drop(connection.await);
            });
        }
    });
}

/// Returns the content of a file: as many bytes as it has, of text that compresses as little as what it stands for.
pub(super) fn content(file: &StaticFile) -> Bytes {
    let mut state = 0x9e37_79b9_u32;
    let bytes = (0..file.bytes).map(|_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    });
    bytes.collect::<Vec<u8>>().into()
}

/// Returns the entity tag of a file.
pub(super) fn entity_tag(file: &StaticFile) -> String {
    format!("\"{:x}-{}\"", file.bytes, file.path.len())
}
