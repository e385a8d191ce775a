//! WebSockets (any upgraded connection): copies bytes both ways until one side closes, the target is cut, or the idle
//! timeout passes.

use std::time::Duration;

use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::backend::Held;
use super::meter::{Activity, Counters, MeteredStream};
use crate::clock::wall_now;

/// Buffer size per direction: messages are a few hundred bytes, and there are tens of thousands of sockets.
const BUFFER: usize = 1_024;

/// Both ends of an upgrade in progress.
pub(super) struct Ends {
    pub(super) client: OnUpgrade,
    pub(super) target: OnUpgrade,
}

/// Relays until the end. The guard keeps the target from counting as drained.
pub(super) async fn run(
    ends: Ends,
    held: Held,
    meter: std::sync::Arc<Counters>,
    idle_timeout: Duration,
) {
    let (Ok(client), Ok(target)) = tokio::join!(ends.client, ends.target) else {
        return;
    };
    let (Some((mut client, from_client)), Some((mut target, from_target))) =
        (unwrap::<MeteredStream>(client), unwrap::<TcpStream>(target))
    else {
        return;
    };
    meter.web_sockets.add(1);
    let activity = std::sync::Arc::clone(&client.activity);
    let relayed = async {
        target.write_all(&from_client).await?;
        client.write_all(&from_target).await?;
        tokio::io::copy_bidirectional_with_sizes(&mut client, &mut target, BUFFER, BUFFER).await
    };
    let clean = tokio::select! {
        outcome = relayed => outcome.is_ok(),
        () = held.backend().cut.cancelled() => false,
        () = silence(&activity, idle_timeout) => true,
    };
    if !clean {
        // The client must see a reset, as it does when its target is lost.
        let reset = SockRef::from(client.stream()).set_linger(Some(Duration::ZERO));
        drop(reset);
    }
    meter.web_sockets.subtract(1);
}

/// Resolves when nothing has passed for `timeout`.
async fn silence(activity: &Activity, timeout: Duration) {
    loop {
        let due = activity.last() + timeout;
        if wall_now() >= due {
            return;
        }
        tokio::time::sleep_until(due).await;
    }
}

/// Returns the stream below an upgraded connection, and the bytes that hyper has already read from it.
fn unwrap<S>(upgraded: Upgraded) -> Option<(S, Bytes)>
where
    S: Send + Unpin + 'static,
    TokioIo<S>: hyper::rt::Read + hyper::rt::Write,
{
    let parts = upgraded.downcast::<TokioIo<S>>().ok()?;
    Some((parts.io.into_inner(), parts.read_buf))
}
