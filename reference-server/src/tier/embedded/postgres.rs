//! The tables: users, shows, reservations, payments. Each method is the effect of one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use indexmap::IndexMap;
use tiketi_core::units::SimTime;
use tiketi_data_tier::{
    CachedReads, Refusal as Reason, ReservationNumber, ReservationState as State, SeatNumber,
    StockVersion,
};
use uuid::Uuid;

use super::ids::Users;
use super::stock::Stock;
use crate::show::{Show, stable_id};
use crate::tier::database::{
    Credential, Paid, Refusal, Released, ReservationRow, ReservationState, ShowRow, StandingOrder,
    TicketTypeRow,
};
use crate::tier::{Capture, FinalSeat, PaidOrder};

/// The tables.
#[derive(Debug)]
pub(super) struct PostgresStore {
    users: BTreeMap<String, Credential>,
    known: BTreeSet<Uuid>,
    buyers: Users,
    stock: IndexMap<Uuid, Stock>,
    reservations: IndexMap<Uuid, Reservation>,
    by_user: BTreeMap<Uuid, Vec<Uuid>>,
    /// Idempotency keys that have paid for something.
    keys: BTreeSet<String>,
    orders: Vec<PaidOrder>,
    captures: Vec<Capture>,
}

/// The details of a reservation that responses contain. Its state is in the show's [`SeatMap`](tiketi_data_tier::SeatMap).
#[derive(Clone, Debug)]
struct Reservation {
    row: ReservationRow,
    number: ReservationNumber,
    paid: Option<Paid>,
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::UnknownSeat => Self::UnknownSeat,
            Reason::OneSeatEach => Self::OneSeatEach,
            Reason::SeatLocked => Self::SeatLocked,
            Reason::SeatReserved => Self::SeatReserved,
            Reason::ShortStock => Self::ShortStock,
            Reason::UnknownReservation => Self::UnknownReservation,
            Reason::HoldExpired => Self::HoldExpired,
            Reason::Cancelled => Self::Cancelled,
            Reason::NotCancellable => Self::NotCancellable,
        }
    }
}

impl PostgresStore {
    pub(super) fn new(shows: Vec<Show>) -> Self {
        let mut first_row = 0;
        let stock = shows.into_iter().map(|show| {
            let stock = Stock::new(show, first_row);
            first_row += stock.show.seats_total();
            (stock.show.id, stock)
        });
        Self {
            users: BTreeMap::new(),
            known: BTreeSet::new(),
            buyers: Users::default(),
            stock: stock.collect(),
            reservations: IndexMap::new(),
            by_user: BTreeMap::new(),
            keys: BTreeSet::new(),
            orders: Vec::new(),
            captures: Vec::new(),
        }
    }

    /// Adds a user; `None` when the e-mail address is taken.
    pub(super) fn register(&mut self, mut user: Credential) -> Option<Credential> {
        if self.users.contains_key(&user.email) {
            return None;
        }
        user.id = stable_id(&["user", &user.email]);
        self.known.insert(user.id);
        self.users.insert(user.email.clone(), user.clone());
        Some(user)
    }

    pub(super) fn user_by_email(&self, email: &str) -> Option<Credential> {
        self.users.get(email).cloned()
    }

    pub(super) fn knows_user(&self, id: &Uuid) -> bool {
        self.known.contains(id)
    }

    pub(super) fn shows(&self) -> Vec<ShowRow> {
        self.stock.values().map(Stock::row).collect()
    }

    pub(super) fn show(&self, id: &Uuid) -> Option<ShowRow> {
        self.stock.get(id).map(Stock::row)
    }

    /// The seats of a show as a JSON array.
    pub(super) fn seat_list(&mut self, show: &Uuid) -> Option<Bytes> {
        Some(self.stock.get_mut(show)?.list.json())
    }

    /// The number of a seat's row among those of all shows; `None` if there is no such seat.
    pub(super) fn row_number(&self, show: &Uuid, seat: &Uuid) -> Option<u32> {
        let stock = self.stock.get(show)?;
        Some(stock.first_row + stock.list.place(seat)?)
    }

    /// Holds a seat: one seat per person.
    pub(super) fn hold(
        &mut self,
        now: SimTime,
        (user, show, seat): (Uuid, Uuid, Uuid),
        hold: Duration,
    ) -> Result<ReservationRow, Refusal> {
        let buyer = self.buyers.number(user);
        let stock = self.stock.get_mut(&show).ok_or(Refusal::UnknownShow)?;
        let place = stock.list.place(&seat).ok_or(Refusal::UnknownSeat)?;
        stock.seats.grow(self.buyers.count());
        let number = stock.seats.hold(now, (buyer, SeatNumber(place)), hold)?;
        let seat = stock.list.row(place).clone();
        let item = stock.item(stock.seats.ticket_type(SeatNumber(place)), 1);
        let (seats, items) = (vec![seat], vec![item]);
        Ok(self.insert((now, user, show), number, |row| {
            row.seats = seats;
            row.items = items;
        }))
    }

    /// Reserves standing tickets.
    pub(super) fn order_standing(
        &mut self,
        now: SimTime,
        order: &StandingOrder,
        hold: Duration,
    ) -> Result<ReservationRow, Refusal> {
        let buyer = self.buyers.number(order.user);
        let stock = self
            .stock
            .get_mut(&order.show)
            .ok_or(Refusal::UnknownShow)?;
        let sections = stock.show.sections.len();
        let mut wanted: BTreeMap<usize, u32> = BTreeMap::new();
        for (id, quantity) in &order.items {
            let kind = stock.type_of(id).ok_or(Refusal::UnknownTicketType)?;
            let Some(area) = kind.checked_sub(sections) else {
                return Err(Refusal::ChooseASeat);
            };
            let sum = wanted.entry(area).or_default();
            *sum = sum.saturating_add(*quantity);
            let left = stock.seats.tickets_left(kind);
            if *quantity == 0 || left.is_none_or(|left| left < *sum) {
                return Err(Refusal::ShortStock);
            }
        }
        stock.seats.grow(self.buyers.count());
        let areas = wanted.iter().map(|(area, quantity)| (*area, *quantity));
        let number = stock.seats.order(now, (buyer, areas.collect()), hold)?;
        let item = |(area, quantity): (usize, u32)| stock.item(sections + area, quantity);
        let items = wanted.into_iter().map(item).collect();
        let place = (now, order.user, order.show);
        Ok(self.insert(place, number, |row| row.items = items))
    }

    /// The reservation if it is this user's.
    pub(super) fn reservation(&self, user: &Uuid, id: &Uuid) -> Option<ReservationRow> {
        let reservation = self.reservations.get(id)?;
        (reservation.row.user == *user).then(|| self.told(reservation))
    }

    pub(super) fn reservations(&self, user: &Uuid) -> Vec<ReservationRow> {
        let ids = self.by_user.get(user).into_iter().flatten();
        ids.map(|id| self.told(&self.reservations[id])).collect()
    }

    /// Checks that a payment may begin, and keeps the hold for `grace`, so that a payment begun in time succeeds.
    ///
    /// Returns the receipt when this very payment has succeeded before.
    pub(super) fn begin_payment(
        &mut self,
        now: SimTime,
        payment: (Uuid, Uuid, &str),
        grace: Duration,
    ) -> Result<Option<Paid>, Refusal> {
        let reservation = self.payable(now, payment)?;
        let (show, number, paid) = (
            reservation.row.show,
            reservation.number,
            reservation.paid.clone(),
        );
        let buyer = self.buyers.number(payment.0);
        let seats = &mut self.stock[&show].seats;
        seats.begin_payment(now, (buyer, number), grace)?;
        Ok(paid)
    }

    /// Commits a payment that the provider has authorized; the capture belongs to the same step.
    pub(super) fn commit_payment(
        &mut self,
        now: SimTime,
        payment: (Uuid, Uuid, &str),
        method: &str,
    ) -> Result<Paid, Refusal> {
        let (user, id, key) = payment;
        let reservation = self.payable(now, payment)?;
        if let Some(paid) = &reservation.paid {
            return Ok(paid.clone());
        }
        let (show, number) = (reservation.row.show, reservation.number);
        let buyer = self.buyers.number(user);
        let stock = &mut self.stock[&show];
        stock.seats.commit_payment(now, buyer, number)?;
        stock.show_state(number);
        let paid = Paid {
            reservation: self.told(&self.reservations[&id]),
            method: method.to_owned(),
            key: key.to_owned(),
            paid_at: now.since_start(),
        };
        self.reservations[&id].paid = Some(paid.clone());
        self.record_order(&paid);
        Ok(paid)
    }

    /// Cancels a reservation; returns the seats that are free again.
    pub(super) fn cancel(
        &mut self,
        now: SimTime,
        user: Uuid,
        id: Uuid,
    ) -> Result<Released, Refusal> {
        let reservation = self.reservations.get(&id);
        let reservation = reservation.ok_or(Refusal::UnknownReservation)?;
        let (show, number) = (reservation.row.show, reservation.number);
        let buyer = self.buyers.number(user);
        let stock = &mut self.stock[&show];
        stock.seats.grow(self.buyers.count());
        stock.seats.cancel(now, buyer, number)?;
        stock.show_state(number);
        // Without its receipt, a repeated payment asks the machine, which refuses to pay for what is cancelled.
        self.reservations[&id].paid = None;
        self.orders.retain(|order| order.reservation != id);
        self.captures.retain(|capture| capture.reservation != id);
        Ok(self.released(id))
    }

    /// Releases every hold that has expired by `now`.
    pub(super) fn release_expired(&mut self, now: SimTime) -> Vec<Released> {
        let stocks = self.stock.values_mut();
        let released: Vec<Uuid> = stocks
            .flat_map(|stock| stock.release_expired(now))
            .collect();
        released.into_iter().map(|id| self.released(id)).collect()
    }

    /// When the next hold expires.
    pub(super) fn next_expiry(&self) -> Option<SimTime> {
        let next = self
            .stock
            .values()
            .filter_map(|stock| stock.seats.next_expiry());
        next.min()
    }

    /// Ticket types of a show whose stock has changed since the last call.
    pub(super) fn take_changed_types(&mut self, show: &Uuid) -> Vec<TicketTypeRow> {
        let Some(stock) = self.stock.get_mut(show) else {
            return Vec::new();
        };
        let changed = stock.seats.take_changed_types().into_iter();
        changed.map(|kind| stock.kind(kind)).collect()
    }

    /// Notes that the cache has answered with what was read as `version` of a show's stock.
    pub(super) fn note_cached_read(&mut self, now: SimTime, (show, version): (Uuid, StockVersion)) {
        if let Some(stock) = self.stock.get_mut(&show) {
            stock.seats.handle_cached_read(now, version);
        }
    }

    /// Reads of the stock that the cache has answered.
    pub(super) fn cached_reads(&self) -> CachedReads {
        let reads = self.stock.values().map(|stock| stock.seats.cached_reads());
        reads.fold(CachedReads::default(), CachedReads::plus)
    }

    /// Seats under an unpaid hold.
    pub(super) fn held(&self) -> u64 {
        let stocks = self.stock.values();
        stocks.map(|stock| u64::from(stock.seats.locked())).sum()
    }

    /// Seats paid for.
    pub(super) fn sold(&self) -> u64 {
        let stocks = self.stock.values();
        stocks.map(|stock| u64::from(stock.seats.sold())).sum()
    }

    pub(super) fn final_seats(&self) -> Vec<FinalSeat> {
        self.stock.values().flat_map(Stock::final_seats).collect()
    }

    pub(super) fn orders(&self) -> &[PaidOrder] {
        &self.orders
    }

    pub(super) fn captures(&self) -> &[Capture] {
        &self.captures
    }

    /// Writes down a reservation that the machine has made just now; `complete` adds what it is for.
    fn insert(
        &mut self,
        (now, user, show): (SimTime, Uuid, Uuid),
        number: ReservationNumber,
        complete: impl FnOnce(&mut ReservationRow),
    ) -> ReservationRow {
        let name = format!("TK-{:07}", self.reservations.len() + 1);
        let id = stable_id(&["reservation", &name]);
        let stock = &mut self.stock[&show];
        stock.name_reservation(number, id);
        stock.show_state(number);
        let (_, expires) = stock.seats.state(number).expect("it was made just now");
        let mut row = ReservationRow {
            id,
            number: name,
            user,
            show,
            show_title: stock.show.title.clone(),
            seats: Vec::new(),
            items: Vec::new(),
            amount: 0,
            state: ReservationState::Pending,
            created: now.since_start(),
            expires: expires.since_start(),
        };
        complete(&mut row);
        let prices = row.items.iter();
        row.amount = prices
            .map(|item| item.price.saturating_mul(u64::from(item.quantity)))
            .sum();
        let reservation = Reservation {
            row: row.clone(),
            number,
            paid: None,
        };
        self.reservations.insert(id, reservation);
        self.by_user.entry(user).or_default().push(id);
        row
    }

    /// The row of a reservation with its state of the moment.
    fn told(&self, reservation: &Reservation) -> ReservationRow {
        let (state, expires) = self.state(reservation);
        ReservationRow {
            state: match state {
                State::Pending => ReservationState::Pending,
                State::Paid => ReservationState::Paid,
                State::Expired => ReservationState::Expired,
                State::Cancelled => ReservationState::Cancelled,
            },
            expires: expires.since_start(),
            ..reservation.row.clone()
        }
    }

    fn state(&self, reservation: &Reservation) -> (State, SimTime) {
        let seats = &self.stock[&reservation.row.show].seats;
        let state = seats.state(reservation.number);
        state.expect("the machine has made it")
    }

    /// The reservation if it is this user's and the key may pay for it, or has.
    fn payable(
        &self,
        now: SimTime,
        (user, id, key): (Uuid, Uuid, &str),
    ) -> Result<&Reservation, Refusal> {
        let reservation = self.reservations.get(&id);
        let reservation = reservation
            .filter(|reservation| reservation.row.user == user)
            .ok_or(Refusal::UnknownReservation)?;
        let paid_with = reservation.paid.as_ref().map(|paid| paid.key.as_str());
        match self.state(reservation) {
            (State::Pending, expires) if expires > now && self.keys.contains(key) => {
                Err(Refusal::KeyUsed)
            }
            (State::Paid, _) if paid_with != Some(key) => Err(Refusal::PaidAlready),
            // The machine says what is wrong with it, if something is.
            (State::Pending | State::Paid | State::Expired | State::Cancelled, _) => {
                Ok(reservation)
            }
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

    fn released(&self, id: Uuid) -> Released {
        let row = &self.reservations[&id].row;
        Released {
            show: row.show,
            seats: row.seats.iter().map(|seat| seat.id).collect(),
        }
    }
}

#[cfg(test)]
#[path = "postgres_tests.rs"]
mod tests;
