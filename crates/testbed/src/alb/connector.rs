//! Connections of a node to its targets, from the node's own address: the targets admit their load balancer by it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream};
use tower_service::Service;

/// Connects to one target, whatever the host of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connector {
    /// The address of the node.
    pub(super) source: IpAddr,
    /// The target.
    pub(super) target: SocketAddr,
    /// How long a connection may take, in real time.
    pub(super) timeout: Duration,
}

impl Connector {
    async fn connect(self) -> io::Result<TokioIo<TcpStream>> {
        let socket = TcpSocket::new_v4()?;
        bind_without_port(&socket)?;
        socket.bind(SocketAddr::new(self.source, 0))?;
        let stream = tokio::time::timeout(self.timeout, socket.connect(self.target)).await??;
        stream.set_nodelay(true)?;
        Ok(TokioIo::new(stream))
    }
}

/// Leaves the choice of the port to `connect`, which knows the target: each target has the whole range of ports.
#[cfg(target_os = "linux")]
fn bind_without_port(socket: &TcpSocket) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
    setsockopt(socket, IpBindAddressNoPort, &true).map_err(io::Error::from)
}

/// On other systems `bind` chooses the port.
#[cfg(not(target_os = "linux"))]
fn bind_without_port(_socket: &TcpSocket) -> io::Result<()> {
    Ok(())
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<TcpStream>>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _target: Uri) -> Self::Future {
        Box::pin(self.connect())
    }
}
