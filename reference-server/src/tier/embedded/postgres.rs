//! The database role: users, shows, seats, reservations, payments. Each method is one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use indexmap::IndexMap;
use uuid::Uuid;

use super::stock::Stock;
use crate::show::{Show, stable_id};
use crate::tier::database::{
    Credential, Paid, Refusal, Released, ReservationRow, ReservationState, ShowRow, StandingOrder,
    TicketTypeRow,
};
use crate::tier::{Capture, FinalSeat, PaidOrder, SeatState};

/// The tables.
#[derive(Debug)]
pub(crate) struct PostgresStore {
    users: BTreeMap<String, Credential>,
    known: BTreeSet<Uuid>,
    stock: IndexMap<Uuid, Stock>,
    reservations: IndexMap<Uuid, Reservation>,
    by_user: BTreeMap<Uuid, Vec<Uuid>>,
    /// Pending holds by their end, then by their place in `reservations`.
    expiries: BTreeSet<(Duration, usize)>,
    /// Idempotency keys that have paid for something.
    keys: BTreeSet<String>,
    orders: Vec<PaidOrder>,
    captures: Vec<Capture>,
    pub(crate) held: u64,
    pub(crate) sold: u64,
    pub(crate) queries: u64,
}

#[derive(Clone, Debug)]
struct Reservation {
    row: ReservationRow,
    places: Vec<usize>,
    items: Vec<(usize, u32)>,
    paid: Option<Paid>,
}

impl PostgresStore {
    pub(crate) fn new(shows: Vec<Show>) -> Self {
        Self {
            users: BTreeMap::new(),
            known: BTreeSet::new(),
            stock: shows
                .into_iter()
                .map(|show| (show.id, Stock::new(show)))
                .collect(),
            reservations: IndexMap::new(),
            by_user: BTreeMap::new(),
            expiries: BTreeSet::new(),
            keys: BTreeSet::new(),
            orders: Vec::new(),
            captures: Vec::new(),
            held: 0,
            sold: 0,
            queries: 0,
        }
    }

    /// Adds a user; `None` when the e-mail address is taken.
    pub(crate) fn register(&mut self, mut user: Credential) -> Option<Credential> {
        if self.users.contains_key(&user.email) {
            return None;
        }
        user.id = stable_id(&["user", &user.email]);
        self.known.insert(user.id);
        self.users.insert(user.email.clone(), user.clone());
        Some(user)
    }

    pub(crate) fn user_by_email(&self, email: &str) -> Option<Credential> {
        self.users.get(email).cloned()
    }

    pub(crate) fn knows_user(&self, id: &Uuid) -> bool {
        self.known.contains(id)
    }

    pub(crate) fn shows(&self) -> Vec<ShowRow> {
        self.stock.values().map(Stock::row).collect()
    }

    pub(crate) fn show(&self, id: &Uuid) -> Option<ShowRow> {
        self.stock.get(id).map(Stock::row)
    }

    /// The seats of a show as a JSON array.
    pub(crate) fn seat_list(&mut self, show: &Uuid) -> Option<Bytes> {
        Some(self.stock.get_mut(show)?.map.json())
    }

    /// Holds a seat: locks its row, one seat a person.
    pub(crate) fn hold(
        &mut self,
        now: Duration,
        (user, show, seat): (Uuid, Uuid, Uuid),
        hold: Duration,
    ) -> Result<ReservationRow, Refusal> {
        let has_one = self.of_user(&user).any(|reservation| {
            let row = &reservation.row;
            row.show == show && !row.seats.is_empty() && row.state.is_live(now, row.expires)
        });
        let stock = self.stock.get_mut(&show).ok_or(Refusal::UnknownShow)?;
        let place = stock.map.place(&seat).ok_or(Refusal::UnknownSeat)?;
        if has_one {
            return Err(Refusal::OneSeatEach);
        }
        match stock.map.seats[place].state {
            SeatState::Available => {}
            SeatState::Locked => return Err(Refusal::SeatLocked),
            SeatState::Reserved => return Err(Refusal::SeatReserved),
        }
        let section = stock.map.seats[place].section;
        let row = stock.seat_row(place);
        let amount = row.price;
        let id = self.insert(now, user, show, (amount, now + hold));
        let stock = &mut self.stock[&show];
        stock.map.set(place, SeatState::Locked, Some(id));
        stock.take(section, 1);
        self.held += 1;
        let reservation = &mut self.reservations[&id];
        reservation.row.seats.push(row);
        reservation.row.items.push(stock.item(section, 1));
        reservation.places.push(place);
        reservation.items.push((section, 1));
        Ok(reservation.row.clone())
    }

    /// Reserves standing tickets.
    pub(crate) fn order_standing(
        &mut self,
        now: Duration,
        order: &StandingOrder,
        hold: Duration,
    ) -> Result<ReservationRow, Refusal> {
        let stock = self.stock.get(&order.show).ok_or(Refusal::UnknownShow)?;
        let mut items: BTreeMap<usize, u32> = BTreeMap::new();
        for (id, quantity) in &order.items {
            let place = stock.types.iter().position(|kind| kind.id == *id);
            let place = place.ok_or(Refusal::UnknownTicketType)?;
            if place < stock.show.sections.len() {
                return Err(Refusal::ChooseASeat);
            }
            let wanted = items.entry(place).or_default();
            *wanted = wanted.saturating_add(*quantity);
            if *quantity == 0 || *wanted > stock.types[place].available {
                return Err(Refusal::ShortStock);
            }
        }
        let price = |(place, quantity): (&usize, &u32)| {
            stock.types[*place]
                .price
                .saturating_mul(u64::from(*quantity))
        };
        let amount = items.iter().map(price).sum();
        let id = self.insert(now, order.user, order.show, (amount, now + hold));
        let stock = &mut self.stock[&order.show];
        let reservation = &mut self.reservations[&id];
        for (place, quantity) in items {
            stock.take(place, quantity);
            reservation.row.items.push(stock.item(place, quantity));
            reservation.items.push((place, quantity));
        }
        Ok(reservation.row.clone())
    }

    pub(crate) fn reservation(&self, user: &Uuid, id: &Uuid) -> Option<ReservationRow> {
        let reservation = self.reservations.get(id)?;
        (reservation.row.user == *user).then(|| reservation.row.clone())
    }

    pub(crate) fn reservations(&self, user: &Uuid) -> Vec<ReservationRow> {
        self.of_user(user)
            .map(|reservation| reservation.row.clone())
            .collect()
    }

    /// Checks that a payment may begin, and keeps the hold until `until`, so that a payment begun in time succeeds.
    ///
    /// Returns the receipt when this very payment has succeeded before.
    pub(crate) fn begin_payment(
        &mut self,
        now: Duration,
        (user, id, key): (Uuid, Uuid, &str),
        until: Duration,
    ) -> Result<Option<Paid>, Refusal> {
        let reservation = self.payable(now, (user, id, key))?;
        if reservation.paid.is_none() && reservation.row.expires < until {
            let before = std::mem::replace(&mut reservation.row.expires, until);
            let place = self.place(id);
            self.expiries.remove(&(before, place));
            self.expiries.insert((until, place));
        }
        Ok(self.reservations[&id].paid.clone())
    }

    /// Commits a payment that the provider has authorised; the capture belongs to the same step.
    pub(crate) fn commit_payment(
        &mut self,
        now: Duration,
        (user, id, key): (Uuid, Uuid, &str),
        method: &str,
    ) -> Result<Paid, Refusal> {
        let reservation = self.payable(now, (user, id, key))?;
        if let Some(paid) = &reservation.paid {
            return Ok(paid.clone());
        }
        reservation.row.state = ReservationState::Paid;
        let paid = Paid {
            reservation: reservation.row.clone(),
            method: method.to_owned(),
            key: key.to_owned(),
            paid_at: now,
        };
        reservation.paid = Some(paid.clone());
        let (show, places) = (reservation.row.show, reservation.places.clone());
        self.expiries
            .remove(&(paid.reservation.expires, self.place(id)));
        self.held -= places.len() as u64;
        self.sold += places.len() as u64;
        for place in places {
            self.stock[&show]
                .map
                .set(place, SeatState::Reserved, Some(id));
        }
        self.record_order(&paid);
        Ok(paid)
    }

    /// Cancels a reservation; returns the seats that are free again.
    pub(crate) fn cancel(
        &mut self,
        now: Duration,
        user: Uuid,
        id: Uuid,
    ) -> Result<Released, Refusal> {
        let reservation = self.reservations.get(&id);
        let reservation = reservation
            .filter(|reservation| reservation.row.user == user)
            .ok_or(Refusal::UnknownReservation)?;
        let row = &reservation.row;
        if !row.state.is_live(now, row.expires) {
            return Err(Refusal::NotCancellable);
        }
        self.orders.retain(|order| order.reservation != id);
        self.captures.retain(|capture| capture.reservation != id);
        Ok(self.release(id, ReservationState::Cancelled))
    }

    /// Releases every hold that has expired by `now`.
    pub(crate) fn release_expired(&mut self, now: Duration) -> Vec<Released> {
        let mut released = Vec::new();
        while let Some((_, place)) = self.expiries.first().filter(|(at, _)| *at <= now).copied() {
            let id = self.reservations[place].row.id;
            released.push(self.release(id, ReservationState::Expired));
        }
        released
    }

    /// When the next hold expires.
    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        self.expiries.first().map(|(at, _)| *at)
    }

    /// Ticket types of a show whose stock has changed since the last call.
    pub(crate) fn take_changed_types(&mut self, show: &Uuid) -> Vec<TicketTypeRow> {
        let Some(stock) = self.stock.get_mut(show) else {
            return Vec::new();
        };
        let changed = std::mem::take(&mut stock.changed);
        changed
            .into_iter()
            .map(|place| stock.types[place].clone())
            .collect()
    }

    pub(crate) fn final_seats(&self) -> Vec<FinalSeat> {
        let seats = self.stock.values().flat_map(|stock| {
            stock
                .map
                .seats
                .iter()
                .map(move |seat| (stock.show.id, seat))
        });
        seats
            .map(|(show, seat)| FinalSeat {
                show,
                seat: seat.id,
                label: seat.label.clone(),
                state: seat.state,
                reservation: seat.reservation,
            })
            .collect()
    }

    pub(crate) fn orders(&self) -> &[PaidOrder] {
        &self.orders
    }

    pub(crate) fn captures(&self) -> &[Capture] {
        &self.captures
    }

    fn of_user(&self, user: &Uuid) -> impl Iterator<Item = &Reservation> {
        let ids = self.by_user.get(user).into_iter().flatten();
        ids.map(|id| &self.reservations[id])
    }

    fn insert(
        &mut self,
        now: Duration,
        user: Uuid,
        show: Uuid,
        (amount, expires): (u64, Duration),
    ) -> Uuid {
        let number = format!("TK-{:07}", self.reservations.len() + 1);
        let id = stable_id(&["reservation", &number]);
        let row = ReservationRow {
            id,
            number,
            user,
            show,
            show_title: self.stock[&show].show.title.clone(),
            seats: Vec::new(),
            items: Vec::new(),
            amount,
            state: ReservationState::Pending,
            created: now,
            expires,
        };
        let reservation = Reservation {
            row,
            places: Vec::new(),
            items: Vec::new(),
            paid: None,
        };
        self.reservations.insert(id, reservation);
        self.by_user.entry(user).or_default().push(id);
        self.expiries.insert((expires, self.place(id)));
        id
    }

    /// Place of a reservation in the order of their making.
    fn place(&self, id: Uuid) -> usize {
        let place = self.reservations.get_index_of(&id);
        place.expect("no reservation is ever removed")
    }

    fn payable(
        &mut self,
        now: Duration,
        (user, id, key): (Uuid, Uuid, &str),
    ) -> Result<&mut Reservation, Refusal> {
        let reservation = self.reservations.get_mut(&id);
        let reservation = reservation
            .filter(|reservation| reservation.row.user == user)
            .ok_or(Refusal::UnknownReservation)?;
        match reservation.row.state {
            ReservationState::Pending if reservation.row.expires > now => {
                if self.keys.contains(key) {
                    return Err(Refusal::KeyUsed);
                }
                Ok(reservation)
            }
            ReservationState::Paid
                if reservation
                    .paid
                    .as_ref()
                    .is_some_and(|paid| paid.key == key) =>
            {
                Ok(reservation)
            }
            ReservationState::Paid => Err(Refusal::PaidAlready),
            ReservationState::Pending | ReservationState::Expired => Err(Refusal::HoldExpired),
            ReservationState::Cancelled => Err(Refusal::Cancelled),
        }
    }

    fn record_order(&mut self, paid: &Paid) {
        let row = &paid.reservation;
        self.keys.insert(paid.key.clone());
        self.captures.push(Capture {
            idempotency_key: paid.key.clone(),
            reservation: row.id,
            amount: row.amount,
        });
        self.orders.push(PaidOrder {
            reservation: row.id,
            user: row.user,
            show: row.show,
            seats: row.seats.iter().map(|seat| seat.id).collect(),
            idempotency_key: paid.key.clone(),
            amount: row.amount,
            paid_at: paid.paid_at,
        });
    }

    fn release(&mut self, id: Uuid, state: ReservationState) -> Released {
        let place = self.place(id);
        let reservation = &mut self.reservations[&id];
        self.expiries.remove(&(reservation.row.expires, place));
        let was = std::mem::replace(&mut reservation.row.state, state);
        let stock = &mut self.stock[&reservation.row.show];
        for &place in &reservation.places {
            stock.map.set(place, SeatState::Available, None);
        }
        for &(place, quantity) in &reservation.items {
            stock.types[place].available += quantity;
            stock.changed.insert(place);
        }
        let seats = reservation.places.len() as u64;
        match was {
            ReservationState::Paid => self.sold -= seats,
            ReservationState::Pending => self.held -= seats,
            ReservationState::Expired | ReservationState::Cancelled => {}
        }
        Released {
            show: reservation.row.show,
            seats: reservation.row.seats.iter().map(|seat| seat.id).collect(),
        }
    }
}

#[cfg(test)]
#[path = "postgres_tests.rs"]
mod tests;
