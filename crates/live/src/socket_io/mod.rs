//! Socket.IO (protocol 5 over Engine.IO 4, WebSocket transport), as far as a buyer needs it.

mod connection;
mod packet;
mod session;
mod upgrade;

pub(super) use connection::{Connection, Heard, Opening, OpeningStage, PATH, Unopened};
pub(super) use packet::{Received, emission_text};
#[cfg(feature = "fuzzing")]
pub(super) use session::Session;
pub(super) use upgrade::{Upgrade, upgrade};
