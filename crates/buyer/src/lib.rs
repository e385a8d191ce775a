//! One virtual buyer: a state machine that says what a person in front of a browser would do next.
//!
//! The machine does no input or output and reads no clock. A driver tells it what happened (`handle_*`), asks what to
//! do (`poll_action`), what was seen (`poll_observation`) and when to come back (`poll_timeout`).

pub mod action;
pub mod backoff;
pub mod journey;
pub mod observation;
mod seat_choice;
mod socket;
pub mod temperament;

pub use action::{Action, Answer, Emission, Message, Offers, Request, SeatOffer};
pub use journey::Journey;
