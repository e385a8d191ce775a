//! The bus between instances on one channel of Redis: at most once, and what is said while nobody listens is lost.
//!
//! `socketioxide-redis` is not used: its adapter would deliver past the virtual processor, and without counting.

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

/// An envelope as it is written on the channel.
#[derive(Debug, Serialize)]
struct Written<'a> {
    room: Room,
    name: &'a str,
    data: &'a Message,
}

/// An envelope as it is read from the channel.
#[derive(Debug, Deserialize)]
struct Read {
    room: Room,
    name: String,
    data: Value,
}

/// The text of an envelope on the channel.
pub(super) fn write(envelope: &Envelope) -> String {
    let written = Written {
        room: envelope.room,
        name: envelope.message.name(),
        data: &envelope.message,
    };
    serde_json::to_string(&written).expect("an envelope has neither foreign types nor odd keys")
}

fn read(text: &[u8]) -> serde_json::Result<Envelope> {
    let Read { room, name, data } = serde_json::from_slice(text)?;
    let message = Message::Heard(Heard::new(name, data));
    Ok(Envelope { room, message })
}

/// Sends on what comes over the channel until nobody takes it; listens anew when the connection breaks.
pub(super) async fn listen(
    endpoint: Endpoint,
    channel: String,
    envelopes: mpsc::UnboundedSender<Arc<Envelope>>,
) {
    while !envelopes.is_closed() {
        match endpoint.subscribe(&channel).await {
            Ok(subscription) => hear(subscription, endpoint.timeout(), &envelopes).await,
            Err(error) => tracing::debug!(%error, "the bus cannot be heard"),
        }
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}

/// Returns when the connection breaks or falls silent: a stopped node says nothing, not even that it is gone.
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
                tracing::debug!(%error, "not a message of ours");
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
    fn a_message_is_emitted_elsewhere_as_it_was_sent() {
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
