//! The state of one Socket.IO session, without the socket: how far it is connected, and how long it may be silent.

use std::time::Duration;

use super::packet::{PONG, Packet, within};

/// What the owner of the socket must do about a frame.
#[derive(Debug, PartialEq)]
pub(crate) enum Reaction<'f> {
    /// Nothing.
    Wait,
    /// Send the credential: Engine.IO is open.
    Introduce,
    /// Connected: both sides may send messages.
    Connected,
    /// Send this.
    Reply(&'static str),
    /// A message has arrived: its id, if it has one, and its JSON.
    Message(&'f str),
    /// An acknowledgement has arrived: its id and its JSON.
    Acknowledged(&'f str),
    /// Give up: refused, or the frame makes no sense here.
    Refuse,
    /// The server has closed the connection.
    HangUp,
    /// The server has disconnected the buyer.
    Disconnect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Waits for `0{`.
    Opening,
    /// Waits for `40`.
    Introduced,
    /// Connected.
    Connected,
}

/// One session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    state: State,
    ping_within: Duration,
}

impl Session {
    /// Builds a session whose WebSocket has just been opened; the first frame is due within `ping_within` of real time.
    pub(crate) const fn new(ping_within: Duration) -> Self {
        Self {
            state: State::Opening,
            ping_within,
        }
    }

    /// Returns how long the server may be silent, in real time.
    pub(crate) const fn ping_within(&self) -> Duration {
        self.ping_within
    }

    /// Processes a text frame for a buyer in this namespace.
    pub(crate) fn handle_frame<'f>(&mut self, namespace: &str, frame: &'f str) -> Reaction<'f> {
        match (self.state, Packet::parse(frame)) {
            (
                State::Opening,
                Packet::Open {
                    ping_interval_ms,
                    ping_timeout_ms,
                },
            ) => {
                self.state = State::Introduced;
                self.ping_within =
                    Duration::from_millis(ping_interval_ms.saturating_add(ping_timeout_ms));
                Reaction::Introduce
            }
            (State::Introduced, Packet::Connected(packet))
                if within(namespace, packet).is_some() =>
            {
                self.state = State::Connected;
                Reaction::Connected
            }
            (State::Connected, Packet::Message(packet)) => {
                within(namespace, packet).map_or(Reaction::Wait, Reaction::Message)
            }
            (State::Connected, Packet::Acknowledged(packet)) => {
                within(namespace, packet).map_or(Reaction::Wait, Reaction::Acknowledged)
            }
            (_, Packet::Ping) => Reaction::Reply(PONG),
            (_, Packet::Closed) => Reaction::HangUp,
            (State::Connected, Packet::Disconnected(packet)) => {
                within(namespace, packet).map_or(Reaction::Wait, |_| Reaction::Disconnect)
            }
            (_, Packet::Refused(_) | Packet::Disconnected(_)) | (State::Opening, _) => {
                Reaction::Refuse
            }
            _ => Reaction::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::packet::ROOT;
    use super::*;

    const OPEN: &str = r#"0{"sid":"a","upgrades":[],"pingInterval":5000,"pingTimeout":12000}"#;

    #[test]
    fn a_session_is_opened_introduced_and_connected_in_this_order() {
        let mut session = Session::new(Duration::from_secs(1));
        assert_eq!(session.handle_frame(ROOT, OPEN), Reaction::Introduce);
        assert_eq!(session.ping_within(), Duration::from_secs(17));
        assert_eq!(session.handle_frame(ROOT, "2"), Reaction::Reply("3"));
        assert_eq!(
            session.handle_frame(ROOT, r#"40{"sid":"b"}"#),
            Reaction::Connected
        );
        let updated = r#"["queue-updated",{}]"#;
        assert_eq!(
            session.handle_frame(ROOT, r#"42["queue-updated",{}]"#),
            Reaction::Message(updated)
        );
    }

    #[test]
    fn a_buyer_in_a_namespace_hears_nothing_of_another() {
        let mut session = Session::new(Duration::from_secs(1));
        let mut react = |frame| session.handle_frame("/q", frame);
        assert_eq!(react(OPEN), Reaction::Introduce);
        assert_eq!(react(r#"40{"sid":"b"}"#), Reaction::Wait);
        assert_eq!(react(r#"40/q,{"sid":"b"}"#), Reaction::Connected);
        assert_eq!(react(r#"42["a"]"#), Reaction::Wait);
        assert_eq!(react("41"), Reaction::Wait);
        assert_eq!(react(r#"42/q,3["a"]"#), Reaction::Message(r#"3["a"]"#));
        assert_eq!(react("43/q,0[1]"), Reaction::Acknowledged("0[1]"));
        assert_eq!(react("41/q,"), Reaction::Disconnect);
    }

    #[test]
    fn a_refusal_or_an_unknown_frame_ends_the_opening() {
        let mut session = Session::new(Duration::from_secs(1));
        assert_eq!(session.handle_frame(ROOT, "hello"), Reaction::Refuse);
        assert_eq!(session.handle_frame(ROOT, OPEN), Reaction::Introduce);
        let refusal = r#"44{"message":"Invalid authentication token"}"#;
        assert_eq!(session.handle_frame(ROOT, refusal), Reaction::Refuse);
    }
}
