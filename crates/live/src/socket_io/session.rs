//! The state of one Socket.IO session, without the socket: how far it is connected, and how long it may be silent.

use std::time::Duration;

use super::packet::{PONG, Packet, Received};

/// What the owner of the socket must do about a frame.
#[derive(Debug, PartialEq)]
pub(crate) enum Reaction {
    /// Nothing.
    Wait,
    /// Send the credential: Engine.IO is open.
    Introduce,
    /// Connected: both sides may send messages.
    Connected,
    /// Send this.
    Reply(&'static str),
    /// A message has arrived.
    Message(Received),
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
    pub(super) const fn ping_within(&self) -> Duration {
        self.ping_within
    }

    /// Processes a text frame.
    pub(crate) fn handle_frame(&mut self, frame: &str) -> Reaction {
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
            (State::Introduced, Packet::Connected) => {
                self.state = State::Connected;
                Reaction::Connected
            }
            (State::Connected, Packet::Message(received)) => Reaction::Message(received),
            (_, Packet::Ping) => Reaction::Reply(PONG),
            (_, Packet::Closed) => Reaction::HangUp,
            (State::Connected, Packet::Disconnected) => Reaction::Disconnect,
            (_, Packet::Refused | Packet::Disconnected) | (State::Opening, _) => Reaction::Refuse,
            _ => Reaction::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &str = r#"0{"sid":"a","upgrades":[],"pingInterval":5000,"pingTimeout":12000}"#;

    #[test]
    fn a_session_is_opened_introduced_and_connected_in_this_order() {
        let mut session = Session::new(Duration::from_secs(1));
        assert_eq!(session.handle_frame(OPEN), Reaction::Introduce);
        assert_eq!(session.ping_within(), Duration::from_secs(17));
        assert_eq!(session.handle_frame("2"), Reaction::Reply("3"));
        assert_eq!(
            session.handle_frame(r#"40{"sid":"b"}"#),
            Reaction::Connected
        );
        assert!(matches!(
            session.handle_frame(r#"42["queue-updated",{}]"#),
            Reaction::Message(_)
        ));
    }

    #[test]
    fn a_refusal_or_an_unknown_frame_ends_the_opening() {
        let mut session = Session::new(Duration::from_secs(1));
        assert_eq!(session.handle_frame("hello"), Reaction::Refuse);
        assert_eq!(session.handle_frame(OPEN), Reaction::Introduce);
        let refusal = r#"44{"message":"Invalid authentication token"}"#;
        assert_eq!(session.handle_frame(refusal), Reaction::Refuse);
    }
}
