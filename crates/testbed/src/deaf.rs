//! Addresses at which nothing answers, as after a loss of power: the kernel drops the handshakes of new connections.
//!
//! A refused connection needs somebody who refuses; a host without power does not. Without root, a full queue has the same
//! effect: the kernel drops the first packet of every connection to a listening socket whose queue is full, and the client
//! repeats it until its own timeout. A queue holds one connection more than its backlog.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, SockRef, Socket, Type};

/// Lets nobody into a listening socket from now on. The connection that fills its queue is returned, and must be kept. If the
/// owner of the socket still accepts it, one other connection gets in, and stays silent.
pub(crate) fn deafen(listener: &SockRef<'_>) -> io::Result<Socket> {
    // A second `listen` on a listening socket only changes its backlog.
    listener.listen(0)?;
    let filler = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    filler.set_nonblocking(true)?;
    // It is in progress, or the queue is full already.
    drop(filler.connect(&listener.local_addr()?));
    Ok(filler)
}

/// An address that nobody else listens at, and at which nothing answers until this is dropped.
#[derive(Debug)]
pub(crate) struct DeadAddress {
    _listener: Socket,
    _filler: Socket,
}

impl DeadAddress {
    /// Takes over an address.
    ///
    /// # Errors
    ///
    /// When somebody still listens there.
    pub(crate) fn take(address: SocketAddr) -> io::Result<Self> {
        let listener = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        // Connections of the server that has ended may linger.
        listener.set_reuse_address(true)?;
        listener.bind(&address.into())?;
        let filler = deafen(&SockRef::from(&listener))?;
        Ok(Self {
            _listener: listener,
            _filler: filler,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;

    /// Far longer than a handshake on loopback takes.
    const MOMENT: Duration = Duration::from_millis(300);

    fn connects(address: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect_timeout(&address, MOMENT)
    }

    #[test]
    fn a_connection_to_a_deaf_socket_times_out_and_those_before_stay_open() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let before = connects(address).unwrap();
        let (_accepted, _) = listener.accept().unwrap();
        let _filler = deafen(&SockRef::from(&listener)).unwrap();
        for _ in 0..3 {
            let error = connects(address).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
        }
        before.set_read_timeout(Some(MOMENT)).unwrap();
        let error = io::Read::read(&mut &before, &mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "it hears nothing");
    }

    #[test]
    fn a_dead_address_refuses_again_when_it_is_given_back() {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = free.local_addr().unwrap();
        assert!(DeadAddress::take(address).is_err(), "it is not free");
        drop(free);
        let dead = DeadAddress::take(address).unwrap();
        let error = connects(address).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
        drop(dead);
        let error = connects(address).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{error}");
        assert!(
            TcpListener::bind(address).is_ok(),
            "the next server can have it"
        );
    }
}
