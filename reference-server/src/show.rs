//! A show on sale, its seated sections and its standing areas.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A concert on sale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Show {
    /// Derived from the title, so that it is the same in every run.
    pub id: Uuid,
    /// Title of the show.
    pub title: String,
    /// Seated sections.
    pub sections: Vec<Section>,
    /// Areas sold by quantity, without a seat.
    #[serde(default)]
    pub standing: Vec<StandingArea>,
}

/// A block of seats with one price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Name, such as `VIP`.
    pub name: String,
    /// Number of rows.
    pub rows: u32,
    /// Seats in each row.
    pub seats_per_row: u32,
    /// Price of a seat in won.
    pub price: u64,
}

/// An area without seats, sold by quantity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingArea {
    /// Name, such as `Floor`.
    pub name: String,
    /// Tickets on sale.
    pub quantity: u32,
    /// Price of a ticket in won.
    pub price: u64,
}

impl Show {
    /// Builds a seated show; its id comes from the title.
    pub fn new(title: impl Into<String>, sections: Vec<Section>) -> Self {
        let title = title.into();
        Self {
            id: stable_id(&["show", &title]),
            title,
            sections,
            standing: Vec::new(),
        }
    }

    /// Adds standing areas.
    #[must_use]
    pub fn with_standing(mut self, standing: Vec<StandingArea>) -> Self {
        self.standing = standing;
        self
    }

    /// Returns the number of seats of all sections.
    pub fn seats_total(&self) -> u32 {
        self.sections.iter().map(Section::seats_total).sum()
    }

    /// Returns the id of the ticket type of the section or standing area with this name.
    pub fn ticket_type_id(&self, name: &str) -> Uuid {
        stable_id(&["ticket-type", &self.title, name])
    }

    /// Returns the id of the seat with this label, such as `VIP-3-12`.
    pub fn seat_id(&self, label: &str) -> Uuid {
        stable_id(&["seat", &self.title, label])
    }
}

impl Section {
    /// Returns the number of seats of the section.
    pub fn seats_total(&self) -> u32 {
        self.rows * self.seats_per_row
    }
}

/// Returns the id of these words, which is always the same.
pub(crate) fn stable_id(words: &[&str]) -> Uuid {
    let name = ["tiketi"].iter().chain(words).copied().collect::<Vec<_>>();
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.join("\u{1f}").as_bytes())
}
