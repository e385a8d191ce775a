//! The bus between instances on a Redis channel. Delivery is at most once: an instance misses messages while it is not
//! subscribed.
//!
//! `socketioxide-redis` is not used, because its adapter would bypass the virtual processor and the counters.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::aio::PubSub;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;

use super::endpoint::Endpoint;
use super::link::RECONNECT_PAUSE;
use crate::bus::{Envelope, Heard, Message, Room};

/// An envelope in the form that is written to the channel.
#[derive(Debug, Serialize)]
struct Written<'a> {
    room: Room,
    name: &'a str,
    data: &'a Message,
}

/// An envelope in the form that is read from the channel.
#[derive(Debug, Deserialize)]
struct Read {
    room: Room,
    name: String,
    data: Value,
}

/// Serializes an envelope for the channel.
pub(super) fn write(envelope: &Envelope) -> String {
    let written = Written {
        room: envelope.room,
        name: envelope.message.name(),
        data: &envelope.message,
    };
    serde_json::to_string(&written).expect("an envelope is always valid JSON")
}

fn read(text: &[u8]) -> serde_json::Result<Envelope> {
    let Read { room, name, data } = serde_json::from_slice(text)?;
    let message = Message::Heard(Heard::new(name, data));
    Ok(Envelope { room, message })
}

/// Forwards messages from the channel until the receiver is dropped. Subscribes again when the connection breaks.
pub(super) async fn listen(
    endpoint: Endpoint,
    channel: String,
    envelopes: mpsc::UnboundedSender<Arc<Envelope>>,
) {
    while !envelopes.is_closed() {
        match endpoint.subscribe(&channel).await {
            Ok(subscription) => hear(subscription, endpoint.timeout(), &envelopes).await,
            Err(error) => tracing::debug!(%error, "cannot subscribe to the bus"),
        }
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}

/// Returns when the connection breaks or doesn't respond: a stopped node doesn't close its connections.
async fn hear(
    subscription: PubSub,
    timeout: Duration,
    envelopes: &mpsc::UnboundedSender<Arc<Envelope>>,
) {
    let (mut sink, mut messages) = subscription.split();
    let mut check = tokio::time::interval(timeout);
    loop {
        let message = tokio::select! {
            message = messages.next() => message,
            _ = check.tick() => {
                let answer = tokio::time::timeout(timeout, sink.ping::<redis::Value>());
                match answer.await {
                    Ok(Ok(_)) => continue,
                    Ok(Err(_)) | Err(_) => return,
                }
            }
        };
        let Some(message) = message else {
            return;
        };
        let sent = match read(message.get_payload_bytes()) {
            Ok(envelope) => envelopes.send(Arc::new(envelope)),
            Err(error) => {
                tracing::debug!(%error, "unknown message on the bus");
                continue;
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_message_arrives_unchanged_at_another_instance() {
        let room = Room::Queue(Uuid::from_u128(7));
        let message = Message::QueueUpdated {
            queue_size: 3,
            timestamp: "2026-01-01T00:00:00.000Z".to_owned(),
        };
        let sent = Envelope { room, message };
        let heard = read(write(&sent).as_bytes()).unwrap();
        assert_eq!(heard.room, room);
        assert_eq!(heard.message.name(), "queue-updated");
        let data = |envelope: &Envelope| serde_json::to_value(&envelope.message).unwrap();
        assert_eq!(data(&heard), data(&sent));
    }
}
