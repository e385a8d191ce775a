//! The address of an instance: held before anybody listens on it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

/// An address that is held as long as the instance exists, without listening: before its server listens, and when it has
/// ended, connections are refused, and nobody else gets the port.
#[derive(Debug)]
pub(super) struct Reserved {
    _socket: Socket,
    address: SocketAddr,
}

impl Reserved {
    /// Holds a free port of `ip`.
    pub(super) fn new(ip: Ipv4Addr) -> io::Result<Self> {
        let socket = bound(SocketAddr::from((ip, 0)))?;
        let address = socket.local_addr()?.as_socket();
        Ok(Self {
            _socket: socket,
            address: address.expect("an IPv4 socket has an IPv4 address"),
        })
    }

    /// The address.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A socket for the server whose address is held here or in another process. Connections are refused until it listens.
pub(crate) fn listener_at(address: SocketAddr) -> io::Result<TcpListener> {
    bound(address).map(TcpListener::from)
}

/// Two sockets of one user share an address if both say so (`SO_REUSEPORT`); connections go to those that listen.
fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
