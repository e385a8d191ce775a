//! Socket.IO (protocol 5 over Engine.IO 4, WebSocket transport), as much of it as a buyer speaks.

mod connection;
mod packet;
mod session;
mod upgrade;

pub(super) use connection::{Connection, Heard, Opening, Stage};
pub(super) use packet::emission_text;
