//! Seats, standing tickets, their holds and their sale, as the database keeps them for one show.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tiketi_core::units::{BuyerId, SimTime};

use super::free_seats::FreeSeats;
use super::settings::SeatSettings;
use super::stock::Stock;
use super::stock_version::{CachedReads, StockVersion, StockVersions};
use super::{ReservationNumber, SeatNumber};

/// No reservation yet, or no seat.
const NONE: u32 = u32::MAX;

/// The tickets of one show and the reservations of its buyers.
#[derive(Clone, Debug)]
pub struct SeatMap {
    seats: Vec<SeatState>,
    free: FreeSeats,
    stock: Stock,
    versions: StockVersions,
    reservations: Vec<Reservation>,
    /// The latest reservation of a seat by each buyer: only the latest can be live, since a live one bars the next.
    latest: Vec<u32>,
    /// Standing tickets of each reservation that has some: area and quantity.
    standing: BTreeMap<u32, Vec<(usize, u32)>>,
    expiries: BTreeSet<(SimTime, u32)>,
    /// Reservations in the order of their payment.
    orders: Vec<u32>,
    captures: u64,
    locked: u32,
    sold: u32,
}

/// State of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeatState {
    /// Free.
    Available,
    /// Under an unpaid hold.
    Locked,
    /// Paid for.
    Reserved,
}

#[derive(Clone, Copy, Debug)]
struct Reservation {
    buyer: BuyerId,
    /// [`NONE`] for standing tickets.
    seat: u32,
    /// When the hold ends unless a payment begins.
    hold_until: SimTime,
    /// As `hold_until`, or later while a payment is on its way.
    expires: SimTime,
    state: ReservationState,
}

/// State of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservationState {
    /// Not paid; it may have run out without anybody having ended it yet.
    Pending,
    /// Paid for.
    Paid,
    /// The hold ended before the payment.
    Expired,
    /// Its buyer canceled it.
    Cancelled,
}

/// Why a transaction on seats is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such seat.
    #[error("unknown seat")]
    UnknownSeat,
    /// The buyer has a seat already.
    #[error("only one seat per person")]
    OneSeatEach,
    /// Somebody holds the seat.
    #[error("the seat is held")]
    SeatLocked,
    /// The seat is paid for.
    #[error("the seat is sold")]
    SeatReserved,
    /// Fewer standing tickets are left than were asked for, or none were.
    #[error("not enough tickets left")]
    ShortStock,
    /// No such reservation of this buyer.
    #[error("unknown reservation")]
    UnknownReservation,
    /// The hold ended before the payment.
    #[error("the hold has expired")]
    HoldExpired,
    /// The buyer has canceled the reservation.
    #[error("the reservation is canceled")]
    Cancelled,
    /// The reservation is over, or was canceled before.
    #[error("the reservation cannot be canceled any more")]
    NotCancellable,
}

/// How a payment began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// The provider may be asked; the seat is kept meanwhile.
    Open,
    /// It was paid before: the receipt is there, the provider is not asked again.
    PaidBefore,
}

/// What the audits need to know of the seats at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeatFacts {
    /// Free seats.
    pub free: u64,
    /// Seats under an unpaid hold.
    pub held: u64,
    /// Seats paid for.
    pub sold: u64,
    /// Paid orders.
    pub orders: u64,
    /// Seats with more than one paid order, and how many.
    pub paid_twice: Vec<(SeatNumber, u64)>,
    /// Payments that the provider captured.
    pub captures: u64,
}

/// Construction, and what can be read.
impl SeatMap {
    /// Everything free, for the buyers with numbers below `buyers`.
    pub fn new(settings: &SeatSettings, buyers: usize) -> Self {
        let seats = settings.sections.iter().sum();
        Self {
            seats: vec![SeatState::Available; seats as usize],
            free: FreeSeats::all(seats),
            stock: Stock::new(settings),
            versions: StockVersions::default(),
            reservations: Vec::new(),
            latest: vec![NONE; buyers],
            standing: BTreeMap::new(),
            expiries: BTreeSet::new(),
            orders: Vec::new(),
            captures: 0,
            locked: 0,
            sold: 0,
        }
    }

    /// Makes room for the buyers with numbers below `buyers`; does nothing if there is room.
    pub fn grow(&mut self, buyers: usize) {
        if self.latest.len() < buyers {
            self.latest.resize(buyers, NONE);
        }
    }

    /// The free seats, best first: by section, row and number, as the seat list has them.
    pub const fn free(&self) -> &FreeSeats {
        &self.free
    }

    /// Seats under an unpaid hold.
    pub const fn locked(&self) -> u32 {
        self.locked
    }

    /// Seats paid for.
    pub const fn sold(&self) -> u32 {
        self.sold
    }

    /// State of a seat; `None` if there is no such seat.
    pub fn seat(&self, seat: SeatNumber) -> Option<SeatState> {
        self.seats.get(seat.index()).copied()
    }

    /// Whether a seat is free.
    pub fn is_free(&self, seat: SeatNumber) -> bool {
        self.seat(seat) == Some(SeatState::Available)
    }

    /// The buyer of a reservation, and the seat if it is for one; `None` if there is no such reservation.
    pub fn reservation(
        &self,
        reservation: ReservationNumber,
    ) -> Option<(BuyerId, Option<SeatNumber>)> {
        let row = self.reservations.get(reservation.index())?;
        Some((row.buyer, row.seat()))
    }

    /// State of a reservation, and when its hold ends or would have ended; `None` if there is no such reservation.
    pub fn state(&self, reservation: ReservationNumber) -> Option<(ReservationState, SimTime)> {
        let row = self.reservations.get(reservation.index())?;
        Some((row.state, row.expires))
    }

    /// The type of a seat's ticket: its section.
    pub fn ticket_type(&self, seat: SeatNumber) -> usize {
        self.stock.section_of(seat)
    }

    /// Tickets left of a type: sections of seats come first, then standing areas. `None` if there is no such type.
    pub fn tickets_left(&self, kind: usize) -> Option<u32> {
        self.stock.left(kind)
    }

    /// Ticket types whose stock has changed since the last call.
    pub fn take_changed_types(&mut self) -> BTreeSet<usize> {
        self.stock.take_changed()
    }

    /// The version of the stock, which a cache keeps with what was read of it.
    pub const fn stock_version(&self) -> StockVersion {
        self.versions.current()
    }

    /// Notes that a cache has answered with what was read as `version` of the stock.
    pub fn handle_cached_read(&mut self, now: SimTime, version: StockVersion) {
        self.versions.handle_cached_read(now, version);
    }

    /// Reads of the stock that caches have answered.
    pub const fn cached_reads(&self) -> CachedReads {
        self.versions.reads()
    }

    /// When the next hold ends.
    pub fn next_expiry(&self) -> Option<SimTime> {
        self.expiries.first().map(|(at, _)| *at)
    }

    /// What the audits need to know at the end.
    pub fn facts(&self) -> SeatFacts {
        let in_state = |wanted| {
            let seats = self.seats.iter().filter(|seat| **seat == wanted);
            seats.count() as u64
        };
        SeatFacts {
            free: in_state(SeatState::Available),
            held: in_state(SeatState::Locked),
            sold: in_state(SeatState::Reserved),
            orders: self.orders.len() as u64,
            paid_twice: self.paid_twice(),
            captures: self.captures,
        }
    }

    /// Paid reservations, in the order of their payment.
    pub fn orders(&self) -> impl Iterator<Item = ReservationNumber> {
        self.orders.iter().copied().map(ReservationNumber)
    }
}

/// Transactions.
impl SeatMap {
    /// Holds a seat for a buyer for `length`: one seat each.
    pub fn hold(
        &mut self,
        now: SimTime,
        (buyer, seat): (BuyerId, SeatNumber),
        length: Duration,
    ) -> Result<ReservationNumber, Refusal> {
        let state = self.seats.get(seat.index()).ok_or(Refusal::UnknownSeat)?;
        if self.has_one(now, buyer) {
            return Err(Refusal::OneSeatEach);
        }
        match state {
            SeatState::Available => {}
            SeatState::Locked => return Err(Refusal::SeatLocked),
            SeatState::Reserved => return Err(Refusal::SeatReserved),
        }
        let number = self.insert(buyer, seat.0, now + length);
        self.latest[buyer.0 as usize] = number.0;
        self.seats[seat.index()] = SeatState::Locked;
        self.locked += 1;
        self.free.remove(seat);
        self.stock.take(self.stock.section_of(seat), 1);
        self.versions.handle_change(now);
        Ok(number)
    }

    /// Holds standing tickets for `length`: area and quantity, each area once.
    pub fn order(
        &mut self,
        now: SimTime,
        (buyer, items): (BuyerId, Vec<(usize, u32)>),
        length: Duration,
    ) -> Result<ReservationNumber, Refusal> {
        let is_short = |(area, quantity): &(usize, u32)| {
            let left = self.stock.left(self.stock.of_area(*area));
            *quantity == 0 || left.is_none_or(|left| left < *quantity)
        };
        if items.iter().any(is_short) {
            return Err(Refusal::ShortStock);
        }
        let number = self.insert(buyer, NONE, now + length);
        for (area, quantity) in &items {
            self.stock.take(self.stock.of_area(*area), *quantity);
        }
        self.standing.insert(number.0, items);
        self.versions.handle_change(now);
        Ok(number)
    }

    /// Checks that a payment may begin, and keeps the hold for `grace`, so that a payment begun in time succeeds.
    ///
    /// Payments begin before the hold's own end, whatever earlier ones have added to it: payments that are begun and dropped
    /// again and again keep a seat for `grace` beyond the hold, and no longer.
    pub fn begin_payment(
        &mut self,
        now: SimTime,
        (buyer, reservation): (BuyerId, ReservationNumber),
        grace: Duration,
    ) -> Result<Begun, Refusal> {
        let row = self.payable(now, buyer, reservation)?;
        if row.state == ReservationState::Paid {
            return Ok(Begun::PaidBefore);
        }
        if row.hold_until <= now {
            return Err(Refusal::HoldExpired);
        }
        let until = now + grace;
        if row.expires < until {
            let before = std::mem::replace(&mut row.expires, until);
            self.expiries.remove(&(before, reservation.0));
            self.expiries.insert((until, reservation.0));
        }
        Ok(Begun::Open)
    }

    /// Commits a payment that the provider has authorized; the capture belongs to the same step. Committed before, it is
    /// one payment all the same.
    pub fn commit_payment(
        &mut self,
        now: SimTime,
        buyer: BuyerId,
        reservation: ReservationNumber,
    ) -> Result<(), Refusal> {
        let row = self.payable(now, buyer, reservation)?;
        if row.state == ReservationState::Paid {
            return Ok(());
        }
        row.state = ReservationState::Paid;
        let (expires, seat) = (row.expires, row.seat());
        self.expiries.remove(&(expires, reservation.0));
        if let Some(seat) = seat {
            self.seats[seat.index()] = SeatState::Reserved;
            self.locked -= 1;
            self.sold += 1;
        }
        self.orders.push(reservation.0);
        self.captures += 1;
        Ok(())
    }

    /// Cancels a reservation, paid or not: its tickets are free again, and the money goes back.
    pub fn cancel(
        &mut self,
        now: SimTime,
        buyer: BuyerId,
        reservation: ReservationNumber,
    ) -> Result<(), Refusal> {
        let row = self.row_of(buyer, reservation)?;
        if !row.is_live(now) {
            return Err(Refusal::NotCancellable);
        }
        if row.state == ReservationState::Paid {
            self.orders.retain(|order| *order != reservation.0);
            self.captures -= 1;
        }
        self.end(reservation, ReservationState::Cancelled);
        self.versions.handle_change(now);
        Ok(())
    }

    /// Ends every hold whose time is over by `now`; adds the reservations whose tickets are free again to `released`, in
    /// the order of their ends.
    pub fn release_expired(&mut self, now: SimTime, released: &mut Vec<ReservationNumber>) {
        while let Some(&(_, number)) = self.expiries.first().filter(|(at, _)| *at <= now) {
            let number = ReservationNumber(number);
            self.end(number, ReservationState::Expired);
            self.versions.handle_change(now);
            released.push(number);
        }
    }

    fn insert(&mut self, buyer: BuyerId, seat: u32, expires: SimTime) -> ReservationNumber {
        let number = u32::try_from(self.reservations.len()).expect("fewer calls than numbers");
        self.reservations.push(Reservation {
            buyer,
            seat,
            hold_until: expires,
            expires,
            state: ReservationState::Pending,
        });
        self.expiries.insert((expires, number));
        ReservationNumber(number)
    }

    fn has_one(&self, now: SimTime, buyer: BuyerId) -> bool {
        let latest = self.latest[buyer.0 as usize] as usize;
        let latest = self.reservations.get(latest);
        latest.is_some_and(|row| row.is_live(now))
    }

    fn row_of(
        &mut self,
        buyer: BuyerId,
        reservation: ReservationNumber,
    ) -> Result<&mut Reservation, Refusal> {
        let row = self.reservations.get_mut(reservation.index());
        row.filter(|row| row.buyer == buyer)
            .ok_or(Refusal::UnknownReservation)
    }

    /// The reservation if it is this buyer's and paid or still payable.
    fn payable(
        &mut self,
        now: SimTime,
        buyer: BuyerId,
        reservation: ReservationNumber,
    ) -> Result<&mut Reservation, Refusal> {
        let row = self.row_of(buyer, reservation)?;
        match row.state {
            ReservationState::Cancelled => Err(Refusal::Cancelled),
            ReservationState::Pending | ReservationState::Paid if row.is_live(now) => Ok(row),
            ReservationState::Pending | ReservationState::Paid | ReservationState::Expired => {
                Err(Refusal::HoldExpired)
            }
        }
    }

    /// Ends a reservation that was live: its tickets are free again.
    fn end(&mut self, reservation: ReservationNumber, state: ReservationState) {
        let row = &mut self.reservations[reservation.index()];
        let was = std::mem::replace(&mut row.state, state);
        let (expires, seat) = (row.expires, row.seat());
        self.expiries.remove(&(expires, reservation.0));
        if let Some(seat) = seat {
            self.seats[seat.index()] = SeatState::Available;
            self.free.insert(seat);
            self.stock.give_back(self.stock.section_of(seat), 1);
            match was {
                ReservationState::Paid => self.sold -= 1,
                ReservationState::Pending
                | ReservationState::Expired
                | ReservationState::Cancelled => self.locked -= 1,
            }
        }
        let items = self.standing.get(&reservation.0);
        for (area, quantity) in items.into_iter().flatten() {
            self.stock.give_back(self.stock.of_area(*area), *quantity);
        }
    }

    /// Seats with more than one paid order.
    fn paid_twice(&self) -> Vec<(SeatNumber, u64)> {
        let mut orders: BTreeMap<SeatNumber, u64> = BTreeMap::new();
        for order in &self.orders {
            if let Some(seat) = self.reservations[*order as usize].seat() {
                *orders.entry(seat).or_default() += 1;
            }
        }
        orders.retain(|_, orders| *orders > 1);
        orders.into_iter().collect()
    }
}

impl Reservation {
    const fn seat(&self) -> Option<SeatNumber> {
        if self.seat == NONE {
            None
        } else {
            Some(SeatNumber(self.seat))
        }
    }

    /// Whether it still claims its tickets.
    fn is_live(&self, now: SimTime) -> bool {
        match self.state {
            ReservationState::Pending => self.expires > now,
            ReservationState::Paid => true,
            ReservationState::Expired | ReservationState::Cancelled => false,
        }
    }
}

#[cfg(test)]
#[path = "seat_map_tests.rs"]
mod tests;
