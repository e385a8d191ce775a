//! Passes copies of file descriptors over a Unix socket.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd as _, RawFd};

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// File descriptors in one message; Linux takes at most 253.
pub(super) const BATCH: usize = 250;

/// Every message has one byte: file descriptors do not travel alone.
const BYTE: [u8; 1] = [0];

/// File descriptors that were received. They are closed when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Received(Vec<RawFd>);

impl Received {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        for &file in &self.0 {
            // Nothing waits in the file of a socket that closing could lose.
            let _ = nix::unistd::close(file);
        }
    }
}

/// Sends copies of file descriptors.
pub(super) async fn send(stream: &UnixStream, files: &[RawFd]) -> io::Result<()> {
    for batch in files.chunks(BATCH) {
        let send = || {
            let (bytes, rights) = ([IoSlice::new(&BYTE)], [ControlMessage::ScmRights(batch)]);
            let to = stream.as_raw_fd();
            sendmsg::<()>(to, &bytes, &rights, MsgFlags::MSG_NOSIGNAL, None)?;
            Ok(())
        };
        stream.async_io(Interest::WRITABLE, send).await?;
    }
    Ok(())
}

/// Receives file descriptors until the sender has sent all.
pub(super) async fn receive(stream: &UnixStream) -> io::Result<Received> {
    let mut received = Received::default();
    loop {
        let receive = || receive_batch(stream, &mut received);
        if !stream.async_io(Interest::READABLE, receive).await? {
            return Ok(received);
        }
    }
}

/// Receives one message; returns whether there was one.
fn receive_batch(stream: &UnixStream, received: &mut Received) -> io::Result<bool> {
    let mut byte = BYTE;
    let mut bytes = [IoSliceMut::new(&mut byte)];
    let mut rights = nix::cmsg_space!([RawFd; BATCH]);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(stream.as_raw_fd(), &mut bytes, Some(&mut rights), flags)?;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(files) = control {
            received.0.extend(files);
        }
    }
    Ok(message.bytes > 0)
}
