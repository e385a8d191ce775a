//! Opens connections: TCP, with TLS if the system under test uses it.
//!
//! This is the only file of the load generator that connects, and it connects to [`Allowed`] addresses only.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use nix::errno::Errno;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::reach::{Allowed, Forbidden};
use super::resolver::Names;
use super::tls::{Problem, Tls};
use tiketi_buyer::observation::Failure;

/// Opens connections to one host.
pub(super) struct Dialer {
    names: Names,
    /// `None` without TLS.
    tls: Option<Tls>,
    /// Source addresses: a single one has only about 28,000 ports.
    sources: Vec<Ipv4Addr>,
    turn: Cell<usize>,
    connect_timeout: Duration,
    refused: Cell<u64>,
    /// Why the last connection that failed or broke did so; `None` if none has.
    problem: RefCell<Option<Problem>>,
}

impl Dialer {
    /// Builds a dialer that gives each address `connect_timeout` of real time.
    pub(super) const fn new(
        names: Names,
        tls: Option<Tls>,
        sources: Vec<Ipv4Addr>,
        connect_timeout: Duration,
    ) -> Self {
        Self {
            names,
            tls,
            sources,
            turn: Cell::new(0),
            connect_timeout,
            refused: Cell::new(0),
            problem: RefCell::new(None),
        }
    }

    /// Returns the address for the next connection.
    pub(super) async fn address(&self) -> Result<Allowed, Failure> {
        self.names.address().await
    }

    /// Returns the first address of the host that may not be connected to; `None` if all may.
    pub(super) fn forbidden(&self) -> Option<Forbidden> {
        self.names.forbidden()
    }

    /// Returns the number of connections that this machine could not even try, for lack of file descriptors or ports.
    pub(super) fn refused(&self) -> u64 {
        self.refused.get()
    }

    /// Returns whether connections use TLS.
    pub(super) const fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Returns whether HTTP/2 is offered to the server.
    pub(super) fn offers_http2(&self) -> bool {
        let tls = self.tls.as_ref();
        tls.is_some_and(|tls| tls.offering.is_some())
    }

    /// Returns whether nothing but HTTP/2 is spoken.
    pub(super) fn insists_on_http2(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.insists)
    }

    /// Returns why the last connection that failed or broke did so; `None` if none has.
    pub(super) fn problem(&self) -> Option<Problem> {
        self.problem.borrow().clone()
    }

    /// Notes why a connection failed or broke.
    pub(super) fn note(&self, problem: Problem) {
        self.problem.replace(Some(problem));
    }

    /// Connects to `first`, or, if that fails, to the other addresses, as browsers do.
    pub(super) async fn connect(&self, first: Allowed) -> Result<(Allowed, Connected), Failure> {
        self.connect_by(&self.names, first).await
    }

    /// As [`Self::connect`], with the addresses that `names` knows.
    pub(super) async fn connect_by(
        &self,
        names: &Names,
        first: Allowed,
    ) -> Result<(Allowed, Connected), Failure> {
        let connector = self.tls.as_ref().map(|tls| &tls.connector);
        self.connect_with(names, first, connector).await
    }

    /// As [`Self::connect`], and offers to speak HTTP/2.
    pub(super) async fn connect_offering(
        &self,
        first: Allowed,
    ) -> Result<(Allowed, Connected), Failure> {
        let tls = self.tls.as_ref();
        let connector = tls.and_then(|tls| tls.offering.as_ref());
        self.connect_with(&self.names, first, connector).await
    }

    async fn connect_with(
        &self,
        names: &Names,
        first: Allowed,
        connector: Option<&TlsConnector>,
    ) -> Result<(Allowed, Connected), Failure> {
        let mut address = first;
        loop {
            match self.open(address, connector).await {
                Ok(connected) => return Ok((address, connected)),
                Err(failure) => {
                    address = names
                        .handle_connect_failure(address)
                        .filter(|other| *other != address)
                        .ok_or(failure)?;
                }
            }
        }
    }

    /// Returns the names of the host.
    pub(super) const fn names(&self) -> &Names {
        &self.names
    }

    /// Connects to one address.
    pub(super) async fn connect_to(&self, address: Allowed) -> Result<Connected, Failure> {
        let connector = self.tls.as_ref().map(|tls| &tls.connector);
        self.open(address, connector).await
    }

    async fn open(
        &self,
        address: Allowed,
        connector: Option<&TlsConnector>,
    ) -> Result<Connected, Failure> {
        let address = address.address();
        let opening = async {
            let socket = self
                .socket_for(address)
                .map_err(|error| self.count(&error))?;
            let tcp = socket
                .connect(address)
                .await
                .map_err(|error| self.count(&error))?;
            tcp.set_nodelay(true).map_err(|_| Failure::Reset)?;
            let (Some(connector), Some(tls)) = (connector, &self.tls) else {
                return Ok(Connected::Plain(tcp));
            };
            let tls = Box::pin(connector.connect(tls.name.clone(), tcp)).await;
            let tls = tls.map_err(|error| {
                self.note(Problem::of_handshake(&error));
                Failure::Handshake
            })?;
            Ok(Connected::Tls(Box::new(tls)))
        };
        timeout(self.connect_timeout, opening)
            .await
            .unwrap_or(Err(Failure::ConnectTimeout))
    }

    fn count(&self, error: &io::Error) -> Failure {
        let own = [
            Errno::EMFILE,
            Errno::ENFILE,
            Errno::EADDRNOTAVAIL,
            Errno::EADDRINUSE,
        ];
        let errno = error.raw_os_error().map(Errno::from_raw);
        let is_own = errno.is_some_and(|errno| own.contains(&errno));
        if is_own {
            self.refused.set(self.refused.get() + 1);
        }
        self.note(Problem::of_tcp(error, is_own));
        match error.kind() {
            io::ErrorKind::ConnectionReset => Failure::Reset,
            io::ErrorKind::TimedOut => Failure::ConnectTimeout,
            _ => Failure::ConnectRefused,
        }
    }

    fn socket_for(&self, address: SocketAddr) -> io::Result<TcpSocket> {
        if address.is_ipv6() {
            return TcpSocket::new_v6();
        }
        let socket = TcpSocket::new_v4()?;
        if address.ip().is_loopback() && !self.sources.is_empty() {
            let turn = self.turn.get();
            self.turn.set(turn.wrapping_add(1));
            bind_without_port(&socket)?;
            let source = self.sources[turn % self.sources.len()];
            socket.bind(SocketAddr::new(IpAddr::V4(source), 0))?;
        }
        Ok(socket)
    }
}

/// Leaves the choice of the port to `connect`, which knows the destination: a port can then be reused for another address,
/// and the source does not run out of ports in TIME_WAIT.
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

/// An open connection.
pub(super) enum Connected {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connected {
    /// Returns whether the server has chosen HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }
}

impl AsyncRead for Connected {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Connected {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
