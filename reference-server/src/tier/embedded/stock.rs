//! The tickets of one show: the pure machine, and what responses say about it.

use tiketi_core::units::SimTime;
use tiketi_data_tier::{ReservationNumber, SeatMap, SeatNumber, SeatSettings, SeatState as State};
use uuid::Uuid;

use super::seat_list::SeatList;
use crate::show::Show;
use crate::tier::database::{ItemRow, ShowRow, TicketTypeRow};
use crate::tier::{FinalSeat, SeatState};

/// A show with its seats and ticket types.
#[derive(Debug)]
pub(super) struct Stock {
    pub(super) show: Show,
    pub(super) seats: SeatMap,
    pub(super) list: SeatList,
    /// Number of the first seat among those of all shows.
    pub(super) first_row: u32,
    /// The ids of the reservations, by number.
    reservations: Vec<Uuid>,
}

impl Stock {
    pub(super) fn new(show: Show, first_row: u32) -> Self {
        let settings = SeatSettings {
            sections: show.sections.iter().map(|one| one.seats_total()).collect(),
            areas: show.standing.iter().map(|one| one.quantity).collect(),
        };
        Self {
            seats: SeatMap::new(&settings, 0),
            list: SeatList::new(&show),
            first_row,
            reservations: Vec::new(),
            show,
        }
    }

    /// The ticket types: sections come first, then standing areas.
    pub(super) fn types(&self) -> Vec<TicketTypeRow> {
        (0..self.type_count()).map(|kind| self.kind(kind)).collect()
    }

    pub(super) fn kind(&self, kind: usize) -> TicketTypeRow {
        let (name, price, total) = match self.show.sections.get(kind) {
            Some(section) => (&section.name, section.price, section.seats_total()),
            None => {
                let area = &self.show.standing[kind - self.show.sections.len()];
                (&area.name, area.price, area.quantity)
            }
        };
        TicketTypeRow {
            id: self.show.ticket_type_id(name),
            name: name.clone(),
            price,
            total,
            available: self.seats.tickets_left(kind).unwrap_or(0),
        }
    }

    /// The type with this id, or `None`.
    pub(super) fn type_of(&self, id: &Uuid) -> Option<usize> {
        (0..self.type_count()).find(|kind| self.kind(*kind).id == *id)
    }

    pub(super) fn row(&self) -> ShowRow {
        ShowRow {
            id: self.show.id,
            title: self.show.title.clone(),
            seats: self.list.len(),
            types: self.types(),
            stock: Some(self.seats.stock_version()),
        }
    }

    /// Tickets of a type in a reservation.
    pub(super) fn item(&self, kind: usize, quantity: u32) -> ItemRow {
        let kind = self.kind(kind);
        ItemRow {
            id: kind.id,
            name: kind.name,
            price: kind.price,
            quantity,
        }
    }

    /// Notes the id of a reservation that was made just now.
    pub(super) fn name_reservation(&mut self, number: ReservationNumber, id: Uuid) {
        debug_assert_eq!(number.0 as usize, self.reservations.len());
        self.reservations.push(id);
    }

    /// The seat of a reservation takes this state; nothing happens to standing tickets.
    pub(super) fn show_state(&mut self, reservation: ReservationNumber) {
        let Some((_, Some(seat))) = self.seats.reservation(reservation) else {
            return;
        };
        let state = self.seats.seat(seat).expect("it was reserved");
        let owner = (state != State::Available).then(|| self.reservations[reservation.0 as usize]);
        self.list.set(seat.0, state, owner);
    }

    /// Ends the holds whose time is over; returns the ids of their reservations.
    pub(super) fn release_expired(&mut self, now: SimTime) -> Vec<Uuid> {
        let mut released = Vec::new();
        self.seats.release_expired(now, &mut released);
        for reservation in &released {
            self.show_state(*reservation);
        }
        let ids = released.iter().map(|number| number.0 as usize);
        ids.map(|number| self.reservations[number]).collect()
    }

    pub(super) fn final_seats(&self) -> impl Iterator<Item = FinalSeat> {
        let places = 0..u32::try_from(self.list.len()).expect("fewer seats than numbers");
        places.map(|place| {
            let row = self.list.row(place);
            let state = self.seats.seat(SeatNumber(place));
            FinalSeat {
                show: self.show.id,
                seat: row.id,
                label: row.seat_label.clone(),
                state: match state.expect("the list has the seats of the map") {
                    State::Available => SeatState::Available,
                    State::Locked => SeatState::Locked,
                    State::Reserved => SeatState::Reserved,
                },
                reservation: self.list.reservation(place),
            }
        })
    }

    fn type_count(&self) -> usize {
        self.show.sections.len() + self.show.standing.len()
    }
}
