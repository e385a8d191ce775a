//! How many tickets of each type are left: one type per section of seats, then one per standing area.

use std::collections::BTreeSet;

use super::SeatNumber;
use super::settings::SeatSettings;

/// Tickets left, and whose count has changed.
#[derive(Clone, Debug)]
pub(super) struct Stock {
    /// The first seat behind each section.
    section_ends: Vec<u32>,
    left: Vec<u32>,
    changed: BTreeSet<usize>,
}

impl Stock {
    pub(super) fn new(settings: &SeatSettings) -> Self {
        let ends = settings.sections.iter().scan(0, |end, seats| {
            *end += seats;
            Some(*end)
        });
        let left = settings.sections.iter().chain(&settings.areas);
        Self {
            section_ends: ends.collect(),
            left: left.copied().collect(),
            changed: BTreeSet::new(),
        }
    }

    /// The type of a seat's ticket: its section.
    pub(super) fn section_of(&self, seat: SeatNumber) -> usize {
        self.section_ends.partition_point(|end| *end <= seat.0)
    }

    /// The type of an area's tickets.
    pub(super) const fn of_area(&self, area: usize) -> usize {
        self.section_ends.len() + area
    }

    pub(super) fn left(&self, kind: usize) -> Option<u32> {
        self.left.get(kind).copied()
    }

    pub(super) fn take(&mut self, kind: usize, quantity: u32) {
        self.left[kind] -= quantity;
        self.changed.insert(kind);
    }

    pub(super) fn give_back(&mut self, kind: usize, quantity: u32) {
        self.left[kind] += quantity;
        self.changed.insert(kind);
    }

    pub(super) fn take_changed(&mut self) -> BTreeSet<usize> {
        std::mem::take(&mut self.changed)
    }
}
