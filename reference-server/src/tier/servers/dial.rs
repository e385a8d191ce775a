//! Opens connections to the servers of the data tier.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpSocket, TcpStream};

/// Connects to a server from this address, or from the one that the operating system chooses. Messages are small and complete,
/// so Nagle's algorithm, which would only delay them, is off.
pub(super) async fn connect(source: Option<Ipv4Addr>, server: SocketAddr) -> io::Result<TcpStream> {
    let stream = match source {
        None => TcpStream::connect(server).await?,
        Some(source) => {
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::from((source, 0)))?;
            socket.connect(server).await?
        }
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}
