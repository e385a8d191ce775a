//! Seats, their holds and their sale, as the database of the reference server keeps them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::free_seats::FreeSeats;
use super::{ReservationNumber, SeatNumber};
use tiketi_buyer::Offers;
use tiketi_core::units::{BuyerId, SimTime};
use tiketi_measure::ending::{AdmissionFacts, AuditFacts, LostOrders};
use tiketi_scenario::Plan;
use tiketi_scenario::plan::Section;

/// Lost orders named as evidence; the count tells the rest.
const EXAMPLES_MAX: usize = 5;

/// No reservation yet.
const NONE: u32 = u32::MAX;

/// The seats of the show and the reservations of its buyers.
#[derive(Clone, Debug)]
pub struct SeatMap {
    seats: Vec<SeatState>,
    free: FreeSeats,
    reservations: Vec<Reservation>,
    /// The latest reservation of each buyer: only the latest can be live, since a live one bars the next.
    latest: Vec<u32>,
    expiries: BTreeSet<(SimTime, u32)>,
    /// Reservations in the order of their payment.
    orders: Vec<u32>,
    captures: u64,
    locked: u32,
    sold: u32,
    hold: Duration,
    sections: Vec<Section>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SeatState {
    Available,
    Locked,
    Reserved,
}

#[derive(Clone, Copy, Debug)]
struct Reservation {
    buyer: BuyerId,
    seat: SeatNumber,
    expires: SimTime,
    state: ReservationState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReservationState {
    Pending,
    Paid,
    Expired,
}

/// Why a transaction on seats is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such seat.
    UnknownSeat,
    /// The buyer has a seat already.
    OneSeatEach,
    /// Somebody holds the seat.
    SeatLocked,
    /// The seat is paid for.
    SeatReserved,
    /// No such reservation of this buyer.
    UnknownReservation,
    /// The hold has ended before the payment.
    HoldExpired,
}

/// What came of beginning a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// The provider may be asked; the seat is kept meanwhile.
    Open,
    /// It was paid before: the receipt is there, the provider is not asked again.
    PaidBefore,
}

impl SeatMap {
    /// All seats free.
    pub fn new(plan: &Plan, buyers: usize) -> Self {
        let seats = plan.show.seats_total();
        Self {
            seats: vec![SeatState::Available; seats as usize],
            free: FreeSeats::all(seats),
            reservations: Vec::new(),
            latest: vec![NONE; buyers],
            expiries: BTreeSet::new(),
            orders: Vec::new(),
            captures: 0,
            locked: 0,
            sold: 0,
            hold: plan.show.hold,
            sections: plan.show.sections.clone(),
        }
    }

    /// The seats that can be had, best first: by section, row and number, as the seat list has them.
    pub fn offers(&self) -> &dyn Offers {
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

    /// Whether the seat can be had.
    pub fn is_free(&self, seat: SeatNumber) -> bool {
        self.seats.get(seat.index()) == Some(&SeatState::Available)
    }

    /// The buyer and the seat of a reservation, or `None` if there is no such reservation.
    pub fn reservation(&self, reservation: ReservationNumber) -> Option<(BuyerId, SeatNumber)> {
        let row = self.reservations.get(reservation.index())?;
        Some((row.buyer, row.seat))
    }

    /// Holds a seat for a buyer: one seat each.
    pub fn hold(
        &mut self,
        now: SimTime,
        buyer: BuyerId,
        seat: SeatNumber,
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
        let number = u32::try_from(self.reservations.len()).expect("fewer calls than numbers");
        let expires = now + self.hold;
        self.reservations.push(Reservation {
            buyer,
            seat,
            expires,
            state: ReservationState::Pending,
        });
        self.latest[buyer.0 as usize] = number;
        self.expiries.insert((expires, number));
        self.take(seat);
        Ok(ReservationNumber(number))
    }

    /// Checks that a payment may begin, and keeps the hold for `grace`, so that a payment begun in time succeeds.
    pub fn begin_payment(
        &mut self,
        now: SimTime,
        buyer: BuyerId,
        reservation: ReservationNumber,
        grace: Duration,
    ) -> Result<Begun, Refusal> {
        let row = self.payable(now, buyer, reservation)?;
        if row.state == ReservationState::Paid {
            return Ok(Begun::PaidBefore);
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
        let (expires, seat) = (row.expires, row.seat);
        self.expiries.remove(&(expires, reservation.0));
        self.seats[seat.index()] = SeatState::Reserved;
        self.locked -= 1;
        self.sold += 1;
        self.orders.push(reservation.0);
        self.captures += 1;
        Ok(())
    }

    /// When the next hold ends.
    pub fn next_expiry(&self) -> Option<SimTime> {
        self.expiries.first().map(|(at, _)| *at)
    }

    /// Ends every hold whose time is over by `now`; adds the seats that are free again to `released`.
    pub fn release_expired(&mut self, now: SimTime, released: &mut Vec<SeatNumber>) {
        while let Some(&(at, number)) = self.expiries.first().filter(|(at, _)| *at <= now) {
            self.expiries.remove(&(at, number));
            let row = &mut self.reservations[number as usize];
            row.state = ReservationState::Expired;
            let seat = row.seat;
            self.give_back(seat);
            released.push(seat);
        }
    }

    /// What the audits need to know at the end. `acknowledged` are the payments that buyers were told of.
    pub fn audit(
        &self,
        acknowledged: &[ReservationNumber],
        admissions: Option<AdmissionFacts>,
    ) -> AuditFacts {
        let in_state = |wanted| {
            let seats = self.seats.iter().filter(|seat| **seat == wanted);
            seats.count() as u64
        };
        AuditFacts {
            seats_total: self.seats.len() as u64,
            seats_free: in_state(SeatState::Available),
            seats_held: in_state(SeatState::Locked),
            seats_sold: in_state(SeatState::Reserved),
            paid_orders: self.orders.len() as u64,
            seats_paid_twice: self.paid_twice(),
            captures: self.captures,
            acknowledged: acknowledged.len() as u64,
            lost_orders: self.lost_orders(acknowledged),
            admissions,
        }
    }

    fn has_one(&self, now: SimTime, buyer: BuyerId) -> bool {
        let latest = self.latest[buyer.0 as usize] as usize;
        self.reservations
            .get(latest)
            .is_some_and(|row| match row.state {
                ReservationState::Pending => row.expires > now,
                ReservationState::Paid => true,
                ReservationState::Expired => false,
            })
    }

    /// The reservation if it is this buyer's and paid or still payable.
    fn payable(
        &mut self,
        now: SimTime,
        buyer: BuyerId,
        reservation: ReservationNumber,
    ) -> Result<&mut Reservation, Refusal> {
        let row = self.reservations.get_mut(reservation.index());
        let row = row
            .filter(|row| row.buyer == buyer)
            .ok_or(Refusal::UnknownReservation)?;
        match row.state {
            ReservationState::Pending if row.expires > now => Ok(row),
            ReservationState::Paid => Ok(row),
            ReservationState::Pending | ReservationState::Expired => Err(Refusal::HoldExpired),
        }
    }

    fn take(&mut self, seat: SeatNumber) {
        self.seats[seat.index()] = SeatState::Locked;
        self.locked += 1;
        self.free.remove(seat);
    }

    fn give_back(&mut self, seat: SeatNumber) {
        self.seats[seat.index()] = SeatState::Available;
        self.locked -= 1;
        self.free.insert(seat);
    }

    /// Seats with more than one paid order, by their label.
    fn paid_twice(&self) -> Vec<(String, u64)> {
        let mut orders: BTreeMap<SeatNumber, u64> = BTreeMap::new();
        for order in &self.orders {
            *orders
                .entry(self.reservations[*order as usize].seat)
                .or_default() += 1;
        }
        let twice = orders.into_iter().filter(|(_, orders)| *orders > 1);
        twice
            .map(|(seat, orders)| (self.label(seat), orders))
            .collect()
    }

    fn lost_orders(&self, acknowledged: &[ReservationNumber]) -> LostOrders {
        let paid: BTreeSet<u32> = self.orders.iter().copied().collect();
        let lost = acknowledged.iter().filter(|told| !paid.contains(&told.0));
        let lost: Vec<_> = lost.collect();
        let words = |told: &&ReservationNumber| format!("reservation {}", told.0);
        LostOrders {
            count: lost.len() as u64,
            examples: lost.iter().take(EXAMPLES_MAX).map(words).collect(),
        }
    }

    /// Section, row and number, such as `VIP-3-12`.
    fn label(&self, seat: SeatNumber) -> String {
        let mut number = seat.0;
        for section in &self.sections {
            let seats = section.rows * section.seats_per_row;
            if number < seats {
                let (row, column) = (
                    number / section.seats_per_row + 1,
                    number % section.seats_per_row + 1,
                );
                return format!("{}-{row}-{column}", section.name);
            }
            number -= seats;
        }
        format!("seat {}", seat.0)
    }
}

#[cfg(test)]
#[path = "seat_map_tests.rs"]
mod tests;
