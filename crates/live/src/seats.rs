//! The seat map that was read last.

use std::rc::Rc;

use tiketi_api::{IdText, Ids};
use tiketi_buyer::action::Offers;
use uuid::Uuid;

/// The free seats of a map: their ids one after the other. Only the few that a buyer picks become keys.
#[derive(Debug)]
pub(super) struct SeatMap {
    text: String,
    /// Where each id ends, and whether it is a number.
    ends: Vec<(usize, bool)>,
    ids: Rc<Ids>,
}

impl SeatMap {
    /// An empty map, whose seats get their keys from `ids`.
    pub(super) const fn new(ids: Rc<Ids>) -> Self {
        Self {
            text: String::new(),
            ends: Vec::new(),
            ids,
        }
    }

    /// Removes all seats, and keeps the memory for the next map.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// Adds a seat.
    pub(super) fn push(&mut self, id: &IdText<'_>) {
        self.text.push_str(&id.text);
        self.ends.push((self.text.len(), id.is_number));
    }
}

impl Offers for SeatMap {
    fn count(&self) -> usize {
        self.ends.len()
    }

    fn seat(&self, place: usize) -> Option<Uuid> {
        let (end, is_number) = *self.ends.get(place)?;
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before].0);
        Some(self.ids.intern(&IdText {
            text: self.text[start..end].into(),
            is_number,
        }))
    }
}
