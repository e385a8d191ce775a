//! Counts the keys that Redis evicts, from its notifications, to tell whether the queue was one of them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::RedisResult;
use tokio::task::AbortHandle;

use super::reach::Reach;
use crate::data_tier::probe::Eyes;

/// Channel on which Redis names each key that it evicts, in its first logical database.
const CHANNEL: &str = "__keyevent@0__:evicted";
/// Real time between two attempts to subscribe to a server that is down.
const RETRY_EVERY: Duration = Duration::from_millis(500);

/// Listens to the servers of all sites until it is dropped; only a primary evicts.
pub(super) struct Evictions {
    listening: Vec<AbortHandle>,
}

impl Evictions {
    pub(super) fn watch(servers: &[Reach], eyes: &Arc<Eyes>) -> Self {
        let listen = |server: &Reach| {
            let (server, eyes) = (server.clone(), Arc::clone(eyes));
            let listening = tokio::spawn(async move {
                loop {
                    // The server may be down: try again.
                    drop(listen(&server, &eyes).await);
                    tokio::time::sleep(RETRY_EVERY).await;
                }
            });
            listening.abort_handle()
        };
        Self {
            listening: servers.iter().map(listen).collect(),
        }
    }
}

impl Drop for Evictions {
    fn drop(&mut self) {
        self.listening.iter().for_each(AbortHandle::abort);
    }
}

async fn listen(server: &Reach, eyes: &Eyes) -> RedisResult<()> {
    let mut subscription = server.client()?.get_async_pubsub().await?;
    subscription.subscribe(CHANNEL).await?;
    let mut evicted = subscription.on_message();
    while let Some(message) = evicted.next().await {
        let key: String = message.get_payload()?;
        note(&key, eyes);
    }
    Ok(())
}

/// Counts an evicted key. Keys of other users, for instance the ballast of a fault, do not count.
fn note(key: &str, eyes: &Eyes) {
    let waiting = eyes.waiting().unwrap_or(0);
    let mut record = eyes.record();
    let levels = record.levels();
    if key.starts_with("queue:") {
        levels.redis_queues_evicted += 1;
        levels.redis_waiting_evicted += waiting;
    } else if key.starts_with("session:") || key.starts_with("cache:") {
        levels.redis_keys_evicted += 1;
    }
}
