//! API mappings: how a ticketing back end is asked, and what its responses mean.
//!
//! ```text
//! TOML ─▶ Tree (with places) ─▶ compile ─▶ Mapping ─┬─ Template::render ─▶ request
//!                                   └─▶ Problems    └─ Role::understand ─▶ Meaning, kept variables, when to ask again
//! ```
//!
//! A mapping is data, not a script: roles with templates, pointers into responses, and rows of conditions. It is compiled once.
//! A response is read in one pass, and only as far as the mapping asks. Nothing here reads a file, a clock or a socket.

mod compile;
mod host;
mod id;
mod mapping;
pub mod mask;
mod pick;
mod place;
mod problem;
mod push;
mod reader;
mod row;
mod scalar;
mod sign;
mod table;
mod template;
mod tree;
mod wait;

pub use compile::{PRESETS, TIKETI, compile, preset, tiketi, with_preset};
pub use host::{Host, HostPlace};
pub use id::{IdText, Ids, key_of};
pub use mapping::{
    Element, Header, Kept, Mapping, Method, Moment, Response, Role, RoleName, Tokens, Understood,
};
pub use place::Place;
pub use problem::Problem;
pub use push::{Push, PushMessage, PushUnderstood, Recipient, SocketIo, Stream};
pub use row::Meaning;
pub use scalar::Scalar;
pub use sign::Sign;
pub use template::{Template, Values, Variable};
pub use tree::{Entry, Key, Node, Tree};
pub use wait::{WAIT_MAX, retry_after};
