//! The state of one Socket.IO session, without the socket: which stage of connecting it is in, and when it is dead.

use std::time::Duration;

use super::packet::{PONG, Packet, Received};

/// What the owner of the socket shall do about a frame.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Nothing.
    Wait,
    /// Send the credential: Engine.IO is open.
    Introduce,
    /// Connected: messages may go both ways.
    Connected,
    /// Send this.
    Reply(&'static str),
    /// A message has come.
    Message(Received),
    /// Give up: refused, or the frame makes no sense here.
    Refuse,
    /// The server has hung up.
    HangUp,
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
pub(super) struct Session {
    state: State,
    ping_within: Duration,
}

impl Session {
    /// A session whose WebSocket has just been opened; the first frame is due within `ping_within` of wall time.
    pub(super) const fn new(ping_within: Duration) -> Self {
        Self {
            state: State::Opening,
            ping_within,
        }
    }

    /// How long the server may be silent, in wall time.
    pub(super) const fn ping_within(&self) -> Duration {
        self.ping_within
    }

    /// Takes a text frame.
    pub(super) fn handle_frame(&mut self, frame: &str) -> Step {
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
                Step::Introduce
            }
            (State::Introduced, Packet::Connected) => {
                self.state = State::Connected;
                Step::Connected
            }
            (State::Connected, Packet::Message(received)) => Step::Message(received),
            (_, Packet::Ping) => Step::Reply(PONG),
            (_, Packet::Closed) => Step::HangUp,
            (_, Packet::Refused) | (State::Opening, _) => Step::Refuse,
            _ => Step::Wait,
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
        assert_eq!(session.handle_frame(OPEN), Step::Introduce);
        assert_eq!(session.ping_within(), Duration::from_secs(17));
        assert_eq!(session.handle_frame("2"), Step::Reply("3"));
        assert_eq!(session.handle_frame(r#"40{"sid":"b"}"#), Step::Connected);
        assert!(matches!(
            session.handle_frame(r#"42["queue-updated",{}]"#),
            Step::Message(_)
        ));
    }

    #[test]
    fn a_refusal_and_nonsense_end_the_opening() {
        let mut session = Session::new(Duration::from_secs(1));
        assert_eq!(session.handle_frame("hello"), Step::Refuse);
        assert_eq!(session.handle_frame(OPEN), Step::Introduce);
        let refusal = r#"44{"message":"Invalid authentication token"}"#;
        assert_eq!(session.handle_frame(refusal), Step::Refuse);
    }
}
