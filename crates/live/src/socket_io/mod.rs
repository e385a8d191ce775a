//! Socket.IO (protocol 5 over Engine.IO 4, WebSocket transport), as far as a buyer needs it.

mod connection;
mod content;
mod packet;
mod session;
mod upgrade;

pub(super) use connection::{Connection, Heard, Opening, OpeningStage, PATH, Unopened, expect};
pub(super) use content::{ACKNOWLEDGEMENT, CONNECT, Content, MESSAGE, packet_text};
pub(super) use packet::{ROOT, Received, emission_text};
pub(super) use session::{Reaction, Session};
pub(super) use upgrade::{Upgrade, upgrade};
