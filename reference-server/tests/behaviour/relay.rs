//! An address that follows the primary, as its name would: it relays connections to a target that can be changed.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Relays connections until it is dropped.
pub(crate) struct Relay {
    address: SocketAddr,
    target: Arc<Mutex<Option<SocketAddr>>>,
    accepting: JoinHandle<()>,
}

impl Relay {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let target = Arc::new(Mutex::new(Some(target)));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&target)));
        Self {
            address,
            target,
            accepting,
        }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the target; with `None`, new connections are closed. Open ones stay with their node.
    pub(crate) fn point_to(&self, target: Option<SocketAddr>) {
        *self.target.lock().unwrap() = target;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, target: Arc<Mutex<Option<SocketAddr>>>) {
    let mut open = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        let target = *target.lock().unwrap();
        if let Some(target) = target {
            open.spawn(pass_on(near, target));
        }
        while open.try_join_next().is_some() {}
    }
}

async fn pass_on(mut near: TcpStream, target: SocketAddr) {
    let Ok(mut far) = TcpStream::connect(target).await else {
        return;
    };
    for stream in [&near, &far] {
        stream.set_nodelay(true).unwrap();
    }
    // If either side closes the connection, so does the other.
    drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
}
