//! A virtual buyer: a state machine that decides what a person in front of a browser does next.
//!
//! It performs no input or output and reads no clock. A driver reports what happened (`handle_*`), and asks what to do
//! (`poll_action`), what was observed (`poll_observation`) and when to call again (`poll_timeout`).

pub mod action;
pub mod backoff;
pub mod journey;
pub mod observation;
mod passage;
mod poll_ledger;
mod seat_choice;
mod socket;
pub mod temperament;

pub use action::{Action, Answer, Emission, Message, Offers, Request, SeatOffer};
pub use journey::{Channel, Elsewhere, Journey};
