//! Connections from an address of one's own: targets admit their load balancer by it, and the load balancer knows the edge by
//! it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream};
use tower_service::Service;

/// Connects to the address in a URI.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connector {
    /// The address of the client.
    pub(crate) source: IpAddr,
    /// How long a connection may take, in real time.
    pub(crate) timeout: Duration,
}

impl Connector {
    async fn connect(self, target: Option<SocketAddr>) -> io::Result<TokioIo<TcpStream>> {
        let target = target.ok_or(io::ErrorKind::AddrNotAvailable)?;
        let socket = TcpSocket::new_v4()?;
        bind_without_port(&socket)?;
        socket.bind(SocketAddr::new(self.source, 0))?;
        let stream = tokio::time::timeout(self.timeout, socket.connect(target)).await??;
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

    fn call(&mut self, target: Uri) -> Self::Future {
        let target = target.authority().and_then(|to| to.as_str().parse().ok());
        Box::pin(self.connect(target))
    }
}
