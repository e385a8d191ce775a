//! The edge in front of the VPC, as state machines without a clock.
//!
//! ```text
//! page load ─▶ document ─┬─▶ script ──┐
//!                        └─▶ styles ──┴─▶ done
//!                 │ each file
//!                 ▼
//! Cache::handle_request ─┬─ Hit ──────────────────────────────────▶ response
//!                        ├─ Fetch ─▶ origin ─▶ handle_origin_answer ─▶ response
//!                        ├─ Wait ────────────────▲ (somebody else's fetch)
//!                        └─ Error ─────────────────────────────────▶ 502
//! ```
//!
//! Both engines drive one [`Cache`] per edge location: the model from its calendar, the testbed from an HTTP server. All
//! locations share one [`Room`] if buyers wait at the edge.

mod cache;
mod figures;
mod passing;
mod room;

pub use cache::{Cache, Delivery, Fetch, FileId, Lookup, OriginAnswer, rounds};
pub use figures::EdgeFigures;
pub use passing::{CONNECT_TIMEOUT, EdgeError, PassingFigures, RESPONSE_TIMEOUT};
pub use room::{Places, Room, RoomFigures, pass_life};
