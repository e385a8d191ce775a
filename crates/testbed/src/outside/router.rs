//! The router of a private subnet: the way of each connection out of the VPC.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::Shared;
use crate::lock;
use tiketi_core::units::ZoneId;
use tiketi_network::{Destination, Lost, Network, Party, Path, Refusal};
use tiketi_outbound::bytes::HANDSHAKE;

/// Bytes that are forwarded at once.
const CHUNK: usize = 8 * 1_024;

/// The way of one subnet's instances to one destination.
#[derive(Clone, Debug)]
pub(super) struct Router {
    /// Zone of the subnet.
    pub(super) zone: ZoneId,
    pub(super) to: Destination,
    /// Where the destination listens.
    pub(super) address: SocketAddr,
    pub(super) shared: Arc<Shared>,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug)]
enum Direction {
    Out,
    Back,
}

impl Router {
    /// Forwards connections for ever.
    pub(super) async fn run(self, door: TcpListener) {
        loop {
            let inside = super::accept(&door).await;
            let router = self.clone();
            tokio::spawn(async move {
                if let Err(error) = router.forward(inside).await {
                    tracing::trace!(%error, "connection out of the VPC broke");
                }
            });
        }
    }

    /// Forwards one connection. Without a way, and from the moment its way is lost, its packets are dropped: it stays open and
    /// silent until the instance gives it up.
    async fn forward(&self, inside: TcpStream) -> io::Result<()> {
        let mut lost = self.shared.lost.subscribe();
        let path = self.path(&lost.borrow_and_update());
        lock(&self.shared.log).handle_call(self.shared.now(), (self.zone, self.to), path);
        let Ok(path) = path else {
            return drain(inside).await;
        };
        let outside = self.connect(path).await?;
        self.count(path, HANDSHAKE.out, HANDSHAKE.back);
        inside.set_nodelay(true)?;
        outside.set_nodelay(true)?;
        let (mut inside_read, mut inside_write) = inside.into_split();
        let (mut outside_read, mut outside_write) = outside.into_split();
        let way_lost = async {
            // Fails only at the end of the run.
            drop(lost.wait_for(|lost| self.path(lost) != Ok(path)).await);
        };
        let both = async {
            let out = self.copy(&mut inside_read, &mut outside_write, (path, Direction::Out));
            let back = self.copy(
                &mut outside_read,
                &mut inside_write,
                (path, Direction::Back),
            );
            tokio::try_join!(out, back)
        };
        let ended = tokio::select! {
            ended = both => Some(ended),
            () = way_lost => None,
        };
        match ended {
            Some(ended) => ended.map(drop),
            // The provider's end is gone for good: a gateway that comes back does not know the connection.
            None => drain(inside_read).await,
        }
    }

    fn path(&self, lost: &Lost) -> Result<Path, Refusal> {
        let network = Network::without(&self.shared.plan.topology, lost);
        network.path(Party::Instance(self.zone), self.to.party())
    }

    /// Connects to the destination. A NAT gateway is the source of what goes through it.
    async fn connect(&self, path: Path) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        match path {
            Path::NatGateway { zone, .. } => {
                let gateway = super::nat_address(&self.shared.plan, zone);
                socket.bind((gateway, 0).into())?;
            }
            Path::InternetGateway | Path::Endpoint | Path::Local { .. } => {}
        }
        socket.connect(self.address).await
    }

    /// Copies one direction of a connection to its end.
    async fn copy(
        &self,
        from: &mut OwnedReadHalf,
        to: &mut OwnedWriteHalf,
        (path, direction): (Path, Direction),
    ) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let length = from.read(&mut chunk).await?;
            if length == 0 {
                return to.shutdown().await;
            }
            match direction {
                Direction::Out => self.count(path, length as u64, 0),
                Direction::Back => self.count(path, 0, length as u64),
            }
            to.write_all(&chunk[..length]).await?;
        }
    }

    fn count(&self, path: Path, out: u64, back: u64) {
        lock(&self.shared.log).handle_bytes((self.zone, self.to), path, (out, back));
    }
}

/// Reads until the instance gives up, and answers nothing.
async fn drain(mut inside: impl tokio::io::AsyncRead + Unpin) -> io::Result<()> {
    tokio::io::copy(&mut inside, &mut tokio::io::sink()).await?;
    Ok(())
}
