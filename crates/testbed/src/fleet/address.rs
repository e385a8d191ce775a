//! The address of an instance, reserved before anything listens on it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

/// An address that is reserved as long as the instance exists, without listening: before its server listens, and after it
/// has ended, connections are refused, and no other process gets the port.
#[derive(Debug)]
pub(super) struct Reserved {
    _socket: Socket,
    address: SocketAddr,
}

impl Reserved {
    /// Reserves a free port of `ip`.
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

/// Opens a listening socket for a server whose address is reserved here or in another process.
pub(crate) fn listener_at(address: SocketAddr) -> io::Result<TcpListener> {
    bound(address).map(TcpListener::from)
}

/// Two sockets of one user can share an address if both set `SO_REUSEPORT`; connections go to those that listen.
fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
