//! A relay from a primary to its replica, which delays the data and loses it when the primary is lost.
//!
//! While the link is up, bytes keep their order and none is lost. An asynchronous primary has acknowledged the writes that are
//! in the link when the primary is lost: these are the writes that a failover loses.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::{StoresError, now};

/// Maximum number of bytes in a link. Beyond that it stops reading, and the primary's own buffer fills.
///
/// Redis disconnects a replica that is 256 MiB behind, so the link is not the smaller buffer of the two.
const HELD_MAX: usize = 256 * 1_024 * 1_024;
/// Bytes read at a time. Small pieces share a buffer of this size.
const CHUNK: usize = 64 * 1_024;
/// How long a connection must last for the replica to count as following: a rejected replica reconnects every second.
const STEADY: Duration = Duration::from_secs(3);

/// The link of a replica. Its tasks end when it is dropped.
pub(crate) struct Link {
    address: SocketAddr,
    route: watch::Sender<Route>,
    standing: Arc<Mutex<Standing>>,
    acceptor: AbortHandle,
}

#[derive(Clone, Debug)]
struct Route {
    /// The primary; `None` if there is none.
    upstream: Option<SocketAddr>,
    lag: Duration,
    /// Number of cuts. A connection ends when it changes.
    cuts: u64,
}

/// Since when the replica is connected or disconnected.
struct Standing {
    connected: Option<Instant>,
    /// The end of the last connection that lasted, or the start of the wait for the first one.
    broken: Option<Instant>,
}

impl Link {
    /// Opens a link without a primary.
    pub(crate) async fn open(lag: Duration) -> Result<Self, StoresError> {
        let failed = |source| StoresError::io("cannot open a replication link", source);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (route, _) = watch::channel(Route {
            upstream: None,
            lag,
            cuts: 0,
        });
        let standing = Arc::new(Mutex::new(Standing {
            connected: None,
            broken: None,
        }));
        let accepting = accept(listener, route.clone(), Arc::clone(&standing));
        let acceptor = tokio::spawn(accepting).abort_handle();
        Ok(Self {
            address,
            route,
            standing,
            acceptor,
        })
    }

    /// Returns the address to which the replica connects.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connects the link to a primary. Data in transit to the replica is lost.
    pub(crate) fn lead_to(&self, primary: SocketAddr) {
        self.lock().broken = Some(now());
        self.route.send_modify(|route| {
            route.upstream = Some(primary);
            route.cuts += 1;
        });
    }

    /// Disconnects the link from the primary. Data in transit to the replica is lost.
    pub(crate) fn cut(&self) {
        self.lock().broken = None;
        self.route.send_modify(|route| {
            route.upstream = None;
            route.cuts += 1;
        });
    }

    /// Sets how long each byte is in transit. Applies to bytes that are already in transit as well.
    pub(crate) fn set_lag(&self, lag: Duration) {
        self.route.send_modify(|route| route.lag = lag);
    }

    /// Suspends the lag until the returned guard is dropped: the first copy takes many round trips, and nothing depends on it
    /// yet.
    pub(crate) fn without_lag(&self) -> WithoutLag {
        let lag = self.route.borrow().lag;
        self.set_lag(Duration::ZERO);
        WithoutLag {
            route: self.route.clone(),
            lag,
        }
    }

    /// Restarts the time for which the replica hasn't followed, because it was paused.
    pub(crate) fn forgive(&self) {
        let mut standing = self.lock();
        standing.broken = standing.broken.map(|_| now());
    }

    /// Returns for how long the replica hasn't followed an available primary; `None` if it follows.
    pub(crate) fn broken_for(&self) -> Option<Duration> {
        let mut standing = self.lock();
        if standing.connected.is_some_and(|it| now() - it >= STEADY) {
            standing.broken = None;
        }
        standing.broken.map(|since| now() - since)
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        lock(&self.standing)
    }
}

/// Suspends the lag of a link. Dropping it restores the lag.
pub(crate) struct WithoutLag {
    route: watch::Sender<Route>,
    lag: Duration,
}

impl Drop for WithoutLag {
    fn drop(&mut self) {
        self.route.send_modify(|route| route.lag = self.lag);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.acceptor.abort();
        self.cut();
    }
}

async fn accept(
    listener: TcpListener,
    route: watch::Sender<Route>,
    standing: Arc<Mutex<Standing>>,
) {
    loop {
        // Fails if there are too many open files. The replica tries again, and so does the link.
        let Ok((replica, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        tokio::spawn(carry(replica, route.subscribe(), Arc::clone(&standing)));
    }
}

/// Relays one connection until either end closes it or the link is cut.
async fn carry(
    replica: TcpStream,
    mut route: watch::Receiver<Route>,
    standing: Arc<Mutex<Standing>>,
) {
    let Route { upstream, cuts, .. } = route.borrow_and_update().clone();
    let Some(upstream) = upstream else {
        return;
    };
    let Ok(primary) = TcpStream::connect(upstream).await else {
        return;
    };
    // A failure only delays small messages.
    drop(replica.set_nodelay(true));
    drop(primary.set_nodelay(true));
    let (replica_read, replica_write) = replica.into_split();
    let (primary_read, primary_write) = primary.into_split();
    lock(&standing).connected = Some(now());
    let mut cut = route.clone();
    tokio::select! {
        // First, so that nothing gets through once the link is cut. On an error, the link itself is gone.
        biased;
        _ = cut.wait_for(|it| it.cuts != cuts) => {}
        () = delay(primary_read, replica_write, route) => {}
        () = copy(replica_read, primary_write) => {}
    }
    let mut standing = lock(&standing);
    standing.connected = None;
    if standing.broken.is_none() {
        standing.broken = Some(now());
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    // Either end may close at any time. The replica reconnects.
    drop(tokio::io::copy(&mut from, &mut to).await);
}

/// Forwards data once it is as old as the lag.
async fn delay(from: OwnedReadHalf, to: OwnedWriteHalf, route: watch::Receiver<Route>) {
    let (held_tx, held) = mpsc::unbounded_channel();
    let room = Semaphore::new(HELD_MAX);
    // When the reader ends, it closes the channel, and the writer ends after forwarding the rest.
    tokio::join!(
        take_in(from, held_tx, &room),
        pass_on(to, held, &room, route)
    );
}

async fn take_in(
    mut from: OwnedReadHalf,
    held: mpsc::UnboundedSender<(Instant, Bytes)>,
    room: &Semaphore,
) {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(CHUNK);
        match from.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let bytes = buffer.split().freeze();
        let size = u32::try_from(bytes.len()).expect("a read is not larger than its buffer");
        match room.acquire_many(size).await {
            Ok(permit) => permit.forget(),
            Err(_) => return,
        }
        if held.send((now(), bytes)).is_err() {
            return;
        }
    }
}

async fn pass_on(
    mut to: OwnedWriteHalf,
    mut held: mpsc::UnboundedReceiver<(Instant, Bytes)>,
    room: &Semaphore,
    mut route: watch::Receiver<Route>,
) {
    while let Some((taken, bytes)) = held.recv().await {
        wait_until_due(taken, &mut route).await;
        if to.write_all(&bytes).await.is_err() {
            break;
        }
        room.add_permits(bytes.len());
    }
    // The reader may be waiting for space that no one will free.
    room.close();
}

async fn wait_until_due(taken: Instant, route: &mut watch::Receiver<Route>) {
    loop {
        let due = taken + route.borrow_and_update().lag;
        if due <= now() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep_until(due) => return,
            changed = route.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

fn lock(standing: &Mutex<Standing>) -> MutexGuard<'_, Standing> {
    standing.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A link and a connection at each end.
    struct Ends {
        link: Link,
        primary: TcpStream,
        replica: TcpStream,
    }

    async fn ends(lag: Duration) -> Ends {
        let link = Link::open(lag).await.unwrap();
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        link.lead_to(server.local_addr().unwrap());
        let replica = TcpStream::connect(link.address()).await.unwrap();
        let (primary, _) = server.accept().await.unwrap();
        Ends {
            link,
            primary,
            replica,
        }
    }

    #[tokio::test]
    async fn data_arrives_in_order_and_not_early() {
        const WORDS: u32 = 1_000_000;
        let lag = Duration::from_millis(100);
        let Ends {
            link: _link,
            mut primary,
            mut replica,
        } = ends(lag).await;
        let started = now();
        let writing = tokio::spawn(async move {
            for block in 0..WORDS / 1_000 {
                let words = block * 1_000..(block + 1) * 1_000;
                let bytes: Vec<u8> = words.flat_map(u32::to_be_bytes).collect();
                primary.write_all(&bytes).await.unwrap();
            }
            primary
        });
        for word in 0..WORDS {
            assert_eq!(replica.read_u32().await.unwrap(), word);
            if word == 0 {
                assert!(started.elapsed() >= lag);
            }
        }
        // Data from the replica is not delayed.
        replica.write_u32(7).await.unwrap();
        assert_eq!(writing.await.unwrap().read_u32().await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_cut_loses_data_in_transit() {
        let mut ends = ends(Duration::from_secs(60)).await;
        ends.primary.write_u32(1).await.unwrap();
        ends.link.cut();
        let read = ends.replica.read_u32().await;
        assert!(read.is_err(), "{read:?}");
        // Connections are closed until there is a primary again.
        let mut refused = TcpStream::connect(ends.link.address()).await.unwrap();
        assert!(refused.read_u32().await.is_err());
    }

    #[tokio::test]
    async fn a_shorter_lag_applies_to_data_in_transit() {
        let mut ends = ends(Duration::from_secs(60)).await;
        ends.primary.write_u32(1).await.unwrap();
        {
            let _without_lag = ends.link.without_lag();
            assert_eq!(ends.replica.read_u32().await.unwrap(), 1);
        }
        ends.primary.write_u32(2).await.unwrap();
        let late = tokio::time::timeout(Duration::from_millis(50), ends.replica.read_u32());
        assert!(late.await.is_err());
    }

    #[tokio::test]
    async fn a_replica_that_never_connects_counts_as_broken_since_there_is_a_primary() {
        let link = Link::open(Duration::ZERO).await.unwrap();
        assert_eq!(link.broken_for(), None);
        link.lead_to(link.address());
        let long = Duration::from_millis(300);
        tokio::time::sleep(long).await;
        assert!(link.broken_for().unwrap() >= long);
        link.forgive();
        assert!(link.broken_for().unwrap() < long);
        link.cut();
        assert_eq!(link.broken_for(), None);
    }
}
