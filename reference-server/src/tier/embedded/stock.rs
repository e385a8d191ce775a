//! The stock of one show: seats, and counters for each ticket type so that nobody has to count seats.

use std::collections::BTreeSet;

use super::seat_map::SeatMap;
use crate::show::Show;
use crate::tier::database::{ItemRow, SeatRow, ShowRow, TicketTypeRow};

/// A show with its seats and ticket types.
#[derive(Debug)]
pub(crate) struct Stock {
    pub(crate) show: Show,
    pub(crate) map: SeatMap,
    pub(crate) types: Vec<TicketTypeRow>,
    /// Ticket types whose stock has changed since it was last asked.
    pub(crate) changed: BTreeSet<usize>,
}

impl Stock {
    pub(crate) fn new(show: Show) -> Self {
        let seated = show
            .sections
            .iter()
            .map(|section| (&section.name, section.price, section.seats_total()));
        let standing = show
            .standing
            .iter()
            .map(|area| (&area.name, area.price, area.quantity));
        let types = seated
            .chain(standing)
            .map(|(name, price, total)| TicketTypeRow {
                id: show.ticket_type_id(name),
                name: name.clone(),
                price,
                total,
                available: total,
            })
            .collect();
        Self {
            map: SeatMap::new(&show),
            types,
            changed: BTreeSet::new(),
            show,
        }
    }

    pub(crate) fn row(&self) -> ShowRow {
        ShowRow {
            id: self.show.id,
            title: self.show.title.clone(),
            seats: self.map.seats.len(),
            types: self.types.clone(),
        }
    }

    pub(crate) fn seat_row(&self, place: usize) -> SeatRow {
        let seat = &self.map.seats[place];
        SeatRow {
            id: seat.id,
            section: self.show.sections[seat.section].name.clone(),
            row_number: seat.row,
            seat_number: seat.number,
            seat_label: seat.label.clone(),
            price: seat.price,
        }
    }

    pub(crate) fn item(&self, place: usize, quantity: u32) -> ItemRow {
        let kind = &self.types[place];
        ItemRow {
            id: kind.id,
            name: kind.name.clone(),
            price: kind.price,
            quantity,
        }
    }

    pub(crate) fn take(&mut self, place: usize, quantity: u32) {
        self.types[place].available -= quantity;
        self.changed.insert(place);
    }
}
