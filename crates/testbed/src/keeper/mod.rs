//! A process that keeps the connections of an instance without power open: their peers hear nothing.
//!
//! Instances on the embedded data tier are threads of the supervisor. Clients give up connections to a silent instance after a
//! minute or more, and have opened others to the rest by then. All of them in one process would be more open files than it may
//! have.
//!
//! ```text
//! supervisor: Keeper::start ──copies of file descriptors (SCM_RIGHTS, Unix socket)──▶ process: holds them
//!             then closes its own  ◀──how many it has────────────────────────────────          until it is killed
//! ```

mod pass;
mod process;

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use crate::child::{Launcher, Process};
pub use process::{KeeperRole, main};

/// Real time in which a keeper must have started, and must have everything.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// What a keeper needs to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeeperSettings {
    /// The Unix socket at which the supervisor waits for it.
    socket: PathBuf,
}

/// A running keeper. Dropping it kills it, and the connections break.
#[derive(Debug)]
pub(crate) struct Keeper(Process<KeeperRole>);

impl Keeper {
    /// Starts a process that has copies of these file descriptors. They must stay open until this returns.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or does not have all of them in time.
    pub(crate) async fn start(launcher: &Launcher, files: &[RawFd]) -> io::Result<Self> {
        // Only its owner can enter the folder.
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("keeper");
        let listener = UnixListener::bind(&socket)?;
        let process = Process::start(launcher, None, &KeeperSettings { socket }, |_| {})?;
        let handed_over = tokio::time::timeout(START_TIMEOUT, hand_over(&listener, files));
        handed_over.await??;
        Ok(Self(process))
    }

    /// Kills it: the connections break. They are closed when this returns.
    pub(crate) async fn end(self) {
        self.0.kill().await;
    }
}

/// Gives file descriptors to the process that connects.
async fn hand_over(listener: &UnixListener, files: &[RawFd]) -> io::Result<()> {
    let (mut stream, _) = listener.accept().await?;
    pass::send(&stream, files).await?;
    stream.shutdown().await?;
    let kept = stream.read_u64().await?;
    if kept == files.len() as u64 {
        return Ok(());
    }
    // The kernel drops what is beyond the limit of the receiver.
    let few = format!("it has {kept} of {} file descriptors", files.len());
    Err(io::Error::other(few))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::os::fd::AsRawFd as _;

    use super::*;

    /// More than fit into one message.
    const MANY: usize = pass::BATCH + 10;

    /// Real time in which something happens on loopback, if it happens at all.
    const MOMENT: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn connections_stay_open_without_the_process_that_opened_them_until_the_keeper_ends() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let mut pairs = Vec::new();
        for _ in 0..MANY {
            let peer = TcpStream::connect(address).unwrap();
            peer.set_read_timeout(Some(MOMENT)).unwrap();
            pairs.push((peer, listener.accept().unwrap().0));
        }
        let (peers, kept): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let files: Vec<RawFd> = kept.iter().map(|kept| kept.as_raw_fd()).collect();
        let keeper = Keeper::start(&Launcher::Tasks, &files).await.unwrap();
        drop(kept);
        for mut peer in [&peers[0], &peers[MANY - 1]] {
            peer.write_all(b"is anybody there?").unwrap();
            let error = peer.read(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}");
        }
        keeper.end().await;
        for mut peer in [&peers[0], &peers[MANY - 1]] {
            let error = peer.read(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
        }
        // Nothing was sent to this one, so it ends in order.
        let mut quiet = &peers[1];
        assert_eq!(quiet.read(&mut [0]).unwrap(), 0);
    }

    #[tokio::test]
    async fn a_keeper_that_does_not_have_everything_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("keeper");
        let listener = UnixListener::bind(&socket).unwrap();
        let file = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let files = [file.as_raw_fd(), file.as_raw_fd()];
        let one_less = async {
            let mut stream = tokio::net::UnixStream::connect(&socket).await.unwrap();
            let kept = pass::receive(&stream).await.unwrap();
            stream.write_u64(kept.len() as u64 - 1).await.unwrap();
        };
        let (handed_over, ()) = tokio::join!(hand_over(&listener, &files), one_less);
        let error = handed_over.unwrap_err().to_string();
        assert_eq!(error, "it has 1 of 2 file descriptors");
    }
}
