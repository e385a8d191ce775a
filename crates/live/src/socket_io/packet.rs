//! Text frames: identified by their first bytes, and parsed only as far as a buyer needs.

use serde::Deserialize;
use uuid::Uuid;

use tiketi_api::{IdText, key_of};
use tiketi_buyer::{Emission, Message};

/// The namespace in which everybody is, unless said otherwise.
pub(crate) const ROOT: &str = "/";

/// A frame from the server. The texts are what follows the kind of a Socket.IO packet: its namespace, an id, and JSON.
#[derive(Debug, PartialEq)]
pub(super) enum Packet<'f> {
    /// Engine.IO is open, with the server's ping interval and timeout.
    Open {
        /// Milliseconds of real time.
        ping_interval_ms: u64,
        /// Milliseconds of real time.
        ping_timeout_ms: u64,
    },
    /// A ping; must be answered with a pong.
    Ping,
    /// Socket.IO is connected.
    Connected(&'f str),
    /// Socket.IO refused the connection.
    Refused(&'f str),
    /// The server closes the connection.
    Closed,
    /// The server disconnects the buyer. Socket.IO's client does not come back by itself after that.
    Disconnected(&'f str),
    /// A message; one with binary parts has placeholders for them.
    Message(&'f str),
    /// The acknowledgement of a message.
    Acknowledged(&'f str),
    /// Irrelevant to a buyer.
    Other,
}

/// A message, and when it was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// What it says.
    pub(crate) message: Message,
    /// Its `timestamp`, in nanoseconds since 1970; `None` if it has none.
    pub(crate) published_unix_ns: Option<i128>,
    /// Whether it says that the session before a reconnect was restored.
    pub(crate) restores_session: bool,
}

/// The answer to a ping.
pub(super) const PONG: &str = "3";

#[derive(Deserialize)]
struct OpenFields {
    #[serde(rename = "pingInterval")]
    ping_interval_ms: u64,
    #[serde(rename = "pingTimeout")]
    ping_timeout_ms: u64,
}

impl<'f> Packet<'f> {
    /// Parses a text frame.
    pub(super) fn parse(frame: &'f str) -> Self {
        match frame.as_bytes() {
            [b'4', b'2', ..] => Self::Message(&frame[2..]),
            [b'2', ..] => Self::Ping,
            [b'0', ..] => match serde_json::from_str::<OpenFields>(&frame[1..]) {
                Ok(fields) => Self::Open {
                    ping_interval_ms: fields.ping_interval_ms,
                    ping_timeout_ms: fields.ping_timeout_ms,
                },
                Err(_) => Self::Other,
            },
            [b'4', b'0', ..] => Self::Connected(&frame[2..]),
            [b'4', b'4', ..] => Self::Refused(&frame[2..]),
            [b'1', ..] => Self::Closed,
            [b'4', b'1', ..] => Self::Disconnected(&frame[2..]),
            [b'4', b'3', ..] => Self::Acknowledged(&frame[2..]),
            [b'4', b'5', ..] => after_attachments(&frame[2..]).map_or(Self::Other, Self::Message),
            [b'4', b'6', ..] => {
                after_attachments(&frame[2..]).map_or(Self::Other, Self::Acknowledged)
            }
            _ => Self::Other,
        }
    }
}

/// What follows the number of binary parts.
fn after_attachments(text: &str) -> Option<&str> {
    let (count, rest) = text.split_once('-')?;
    let is_count = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    is_count.then_some(rest)
}

/// Returns what follows the namespace of a packet if it is this one; `None` if it is another.
pub(super) fn within<'f>(namespace: &str, packet: &'f str) -> Option<&'f str> {
    if !packet.starts_with('/') {
        return (namespace == ROOT).then_some(packet);
    }
    let (named, rest) = packet.split_once(',').unwrap_or((packet, ""));
    (named == namespace).then_some(rest)
}

impl Received {
    /// Parses `["name",{…}]`.
    pub(crate) fn parse(text: &str) -> Self {
        let name = text
            .strip_prefix("[\"")
            .and_then(|rest| rest.split('"').next())
            .unwrap_or_default();
        let message =
            match name {
                "queue-updated" => Message::QueueUpdated,
                "queue-entry-allowed" => id_of(text, "userId")
                    .map_or(Message::Other, |user| Message::EntryAllowed { user }),
                "queue-cleared" => Message::QueueCleared,
                "seat-locked" => id_of(text, "seatId").map_or(Message::Other, |seat| {
                    let user = id_of(text, "userId");
                    Message::SeatLocked { seat, user }
                }),
                "seat-released" => id_of(text, "seatId")
                    .map_or(Message::Other, |seat| Message::SeatReleased { seat }),
                _ => Message::Other,
            };
        Self {
            message,
            published_unix_ns: timestamp_of(text),
            restores_session: name == "session-restored",
        }
    }
}

/// Returns the text frame of a message that a buyer sends.
pub(crate) fn emission_text(emission: Emission, show: &IdText<'_>) -> String {
    let name = match emission {
        Emission::JoinEvent => "join-event",
        Emission::JoinQueue => "join-queue",
        Emission::JoinSeatSelection => "join-seat-selection",
    };
    let show = if show.is_number {
        show.text.to_string()
    } else {
        serde_json::Value::from(show.text.as_ref()).to_string()
    };
    format!(r#"42["{name}",{{"eventId":{show}}}]"#)
}

/// What follows `"key":` in a flat object, without the quotes of a string.
///
/// The few messages there are have flat objects of ids, numbers and times: nothing in them is escaped, and a full parse
/// would cost more than all else a waiting buyer does.
fn value_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    written_of(text, key).map(|(value, _)| value)
}

/// The same, and whether it is a string.
fn written_of<'a>(text: &'a str, key: &str) -> Option<(&'a str, bool)> {
    let mut rest = text;
    loop {
        rest = &rest[rest.find(key)? + key.len()..];
        let Some(value) = rest.strip_prefix("\"") else {
            continue;
        };
        let Some(value) = value.trim_start().strip_prefix(':') else {
            continue;
        };
        let value = value.trim_start();
        return match value.strip_prefix('"') {
            Some(string) => string.split('"').next().map(|inner| (inner, true)),
            None => {
                let bare = value.split([',', '}']).next().map(str::trim);
                bare.map(|bare| (bare, false))
            }
        };
    }
}

/// The key of an id, which may be a string or a number.
fn id_of(text: &str, key: &str) -> Option<Uuid> {
    let (value, is_string) = written_of(text, key)?;
    let is_id = is_string || value.bytes().all(|byte| byte.is_ascii_digit());
    is_id.then(|| {
        key_of(&IdText {
            text: value.into(),
            is_number: !is_string,
        })
    })
}

/// Reads the `timestamp`: RFC 3339, or milliseconds since 1970.
fn timestamp_of(text: &str) -> Option<i128> {
    let value = value_of(text, "timestamp")?;
    if let Ok(unix_ms) = value.parse::<i64>() {
        return Some(i128::from(unix_ms) * 1_000_000);
    }
    let timestamp: jiff::Timestamp = value.parse().ok()?;
    Some(timestamp.as_nanosecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "00000000-0000-0000-0000-000000000001";
    const TWO: &str = "00000000-0000-0000-0000-000000000002";

    fn message(frame: &str) -> Received {
        match Packet::parse(frame) {
            Packet::Message(text) => Received::parse(text),
            other => panic!("{frame}: {other:?}"),
        }
    }

    #[test]
    fn messages_are_recognized_with_their_ids() {
        let seat = Uuid::from_u128(1);
        let user = Uuid::from_u128(2);
        let cases = [
            (
                format!(r#"42["queue-entry-allowed",{{"userId":"{TWO}","message":"go"}}]"#),
                Message::EntryAllowed { user },
            ),
            (
                format!(
                    r#"42["seat-locked",{{"seatId":"{ONE}","userId":"{TWO}","status":"locked"}}]"#
                ),
                Message::SeatLocked {
                    seat,
                    user: Some(user),
                },
            ),
            (
                format!(r#"42["seat-released",{{ "status" : "available", "seatId" : "{ONE}" }}]"#),
                Message::SeatReleased { seat },
            ),
            (
                r#"42["queue-cleared",{"message":"x"}]"#.to_owned(),
                Message::QueueCleared,
            ),
            (
                r#"42["room-info",{"userCount":3}]"#.to_owned(),
                Message::Other,
            ),
        ];
        for (frame, expected) in cases {
            assert_eq!(message(&frame).message, expected, "{frame}");
        }
    }

    #[test]
    fn ids_of_messages_may_be_numbers_or_texts() {
        let id = |text: &'static str, is_number| {
            key_of(&IdText {
                text: text.into(),
                is_number,
            })
        };
        let released = message(r#"42["seat-released",{"seatId":17,"status":"available"}]"#);
        let seat = id("17", true);
        assert_eq!(released.message, Message::SeatReleased { seat });
        let admitted = message(r#"42["queue-entry-allowed",{"userId":"kim-1"}]"#);
        let user = id("kim-1", false);
        assert_eq!(admitted.message, Message::EntryAllowed { user });
        let nobody = message(r#"42["queue-entry-allowed",{"userId":null}]"#);
        assert_eq!(nobody.message, Message::Other);
    }

    #[test]
    fn a_restored_session_is_recognized() {
        let restored = r#"42["session-restored",{"eventId":null,"selectedSeats":[]}]"#;
        assert!(message(restored).restores_session);
        assert!(!message(r#"42["room-info",{"name":"session-restored"}]"#).restores_session);
    }

    #[test]
    fn a_timestamp_may_be_rfc_3339_or_milliseconds() {
        let text = r#"42["queue-updated",{"queueSize":5,"timestamp":"1970-01-01T00:00:01.250Z"}]"#;
        let number = r#"42["queue-updated",{"timestamp":1250,"queueSize":5}]"#;
        for frame in [text, number] {
            assert_eq!(message(frame).published_unix_ns, Some(1_250_000_000));
        }
        assert_eq!(
            message(r#"42["queue-updated",{"queueSize":5}]"#).published_unix_ns,
            None
        );
    }

    #[test]
    fn the_handshake_and_pings_are_recognized() {
        let open = r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":60000}"#;
        assert_eq!(
            Packet::parse(open),
            Packet::Open {
                ping_interval_ms: 25_000,
                ping_timeout_ms: 60_000
            }
        );
        assert_eq!(Packet::parse("2"), Packet::Ping);
        let connected = Packet::Connected(r#"{"sid":"b"}"#);
        assert_eq!(Packet::parse(r#"40{"sid":"b"}"#), connected);
        let refused = Packet::Refused(r#"{"message":"no"}"#);
        assert_eq!(Packet::parse(r#"44{"message":"no"}"#), refused);
        assert_eq!(Packet::parse("1"), Packet::Closed);
        assert_eq!(Packet::parse("41"), Packet::Disconnected(""));
        assert_eq!(Packet::parse(""), Packet::Other);
    }

    #[test]
    fn acknowledgements_and_messages_with_binary_parts_are_recognized() {
        let cases = [
            ("437[1]", Packet::Acknowledged("7[1]")),
            (r#"452-["a",{}]"#, Packet::Message(r#"["a",{}]"#)),
            ("461-/q,7[]", Packet::Acknowledged("/q,7[]")),
            ("45-[]", Packet::Other),
            ("45[]", Packet::Other),
            ("45x-[]", Packet::Other),
        ];
        for (frame, expected) in cases {
            assert_eq!(Packet::parse(frame), expected, "{frame}");
        }
    }

    #[test]
    fn a_packet_is_for_one_namespace() {
        let cases = [
            (ROOT, r#"["a"]"#, Some(r#"["a"]"#)),
            (ROOT, "", Some("")),
            (ROOT, r#"/q,["a"]"#, None),
            ("/q", r#"/q,["a"]"#, Some(r#"["a"]"#)),
            ("/q", "/q,", Some("")),
            ("/q", "/q", Some("")),
            ("/q", "/qq,[]", None),
            ("/q", r#"["a"]"#, None),
        ];
        for (namespace, packet, expected) in cases {
            assert_eq!(within(namespace, packet), expected, "{namespace} {packet}");
        }
    }
}
