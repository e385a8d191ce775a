//! The data tier of a plan: the settings of its machines, the model's ids, and what the machines counted in the words of
//! the measurements.

use tiketi_buyer::Offers;
use tiketi_data_tier::{
    Database, DatabaseSettings, Eviction, FreeSeats, Loss, Payload, Redis, RedisSettings,
    ReservationNumber, SeatMap, SeatNumber, SeatSettings, ShowNumber, StockVersion,
};
use tiketi_edge::Room;
use tiketi_measure::ending::{self, AdmissionFacts, AuditFacts, ChargeFacts, LostOrders};
use tiketi_scenario::Plan;
use tiketi_scenario::plan::Section;
use tiketi_scenario::topology::{self, CpuCredits};
use tiketi_station::ServiceTimes;
use uuid::Uuid;

/// The one show of a plan.
pub(super) const SHOW: ShowNumber = ShowNumber::FIRST;

/// Lost orders named as evidence; the count tells the rest.
const EXAMPLES_MAX: usize = 5;

const MIB: u64 = 1 << 20;

/// What the model stores in Redis: that something is there, and of a cached body which version of the stock it shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Presence;

/// A cached answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cached {
    /// The list of shows.
    ShowList,
    /// The detail of the show.
    ShowDetail,
}

impl Payload for Presence {
    type Session = ();
    type CacheKey = Cached;
    type Body = StockVersion;
}

/// An empty Redis with the show's waiting room, for the buyers with numbers below `buyers`.
pub(super) fn redis(plan: &Plan, buyers: usize) -> Redis<Presence> {
    let redis = &plan.topology.redis;
    let slowdown = match redis.cpu_credits {
        CpuCredits::Full => 1.0,
        CpuCredits::Spent => 1.0 / redis.baseline.get(),
    };
    let settings = RedisSettings {
        lost_window: redis.lost_window,
        command: redis.command.mul_f64(slowdown),
        timeout: redis.timeout,
        memory_max: redis.memory_max_bytes(),
        memory_other: u64::from(redis.other_mib) * MIB,
        eviction: match redis.eviction {
            topology::Eviction::AllKeysLru => Eviction::AllKeysLru,
            topology::Eviction::VolatileLru => Eviction::VolatileLru,
            topology::Eviction::NoEviction => Eviction::NoEviction,
        },
        active_max: plan.waiting_room.active_max,
        idle_timeout: plan.waiting_room.idle_timeout,
        admit_every: plan.waiting_room.admit_every,
        session_ttl: plan.server.session_ttl,
        counts_requests: plan.server.rate_limit.is_some(),
        tells_places: !plan.buyers.poll_by_position.is_empty(),
        seed: plan.seed,
    };
    let mut redis = Redis::new(settings, buyers);
    let show = redis.add_show();
    debug_assert_eq!(show, SHOW);
    redis
}

/// A database without connections, and no instances yet.
pub(super) fn database(plan: &Plan) -> Database {
    let database = &plan.topology.database;
    Database::new(DatabaseSettings {
        pool_max: database.pool_max,
        connect_timeout: database.pool_connect_timeout,
        keep_alive: database.keep_alive,
        connections_max: database.connections_max,
        cores: database.cores,
        query: ServiceTimes::of(&plan.topology.instances.profile).query,
        commit: database.commit,
    })
}

/// All seats of the show free.
pub(super) fn seats(plan: &Plan, buyers: usize) -> SeatMap {
    let seats = |section: &Section| section.rows * section.seats_per_row;
    let settings = SeatSettings {
        sections: plan.show.sections.iter().map(seats).collect(),
        areas: Vec::new(),
    };
    SeatMap::new(&settings, buyers)
}

/// The free seats as buyers see them, best first.
#[derive(Debug)]
pub(super) struct SeatOffers<'a>(pub(super) &'a FreeSeats);

impl Offers for SeatOffers<'_> {
    fn count(&self) -> usize {
        self.0.count()
    }

    fn seat(&self, place: usize) -> Option<Uuid> {
        self.0.seat(place).map(seat_id)
    }
}

/// The id by which buyers know a seat.
pub(super) const fn seat_id(seat: SeatNumber) -> Uuid {
    id(seat.0)
}

/// The seat with this id, or `None` if no seat of any show has it.
pub(super) fn seat_of(id: Uuid) -> Option<SeatNumber> {
    number(id).map(SeatNumber)
}

/// The id by which buyers know a reservation.
pub(super) const fn reservation_id(reservation: ReservationNumber) -> Uuid {
    id(reservation.0)
}

/// The reservation with this id, or `None` if no reservation ever has it.
pub(super) fn reservation_of(id: Uuid) -> Option<ReservationNumber> {
    number(id).map(ReservationNumber)
}

/// One above the number, so that the nil id stands for nothing.
const fn id(number: u32) -> Uuid {
    Uuid::from_u128(number as u128 + 1)
}

fn number(id: Uuid) -> Option<u32> {
    u32::try_from(id.as_u128().checked_sub(1)?).ok()
}

/// The ledger of the waiting room, at the edge if there is one; `None` during an outage of Redis, when nobody can tell who
/// waits.
pub(super) fn admissions(redis: &Redis<Presence>, room: Option<&Room>) -> Option<AdmissionFacts> {
    let (ledger, waiting, astray) = match room {
        Some(room) => (room.ledger(), room.waiting(), Some(room.astray())),
        None => (redis.ledger(SHOW), redis.waiting(SHOW), redis.astray(SHOW)),
    };
    astray.map(|astray| AdmissionFacts {
        joined: ledger.joined,
        put_back: ledger.put_back,
        admitted: ledger.admitted,
        left: ledger.left_waiting + ledger.cleared,
        waiting: u64::from(waiting),
        admitted_twice: ledger.admitted_twice,
        astray,
    })
}

/// What the audits need to know at the end, without the queue. `acknowledged` are the payments confirmed to buyers.
pub(super) fn audit(
    plan: &Plan,
    seats: &SeatMap,
    acknowledged: &[ReservationNumber],
    charges: ChargeFacts,
) -> AuditFacts {
    let facts = seats.facts();
    let paid_twice = facts.paid_twice.into_iter();
    AuditFacts {
        seats_total: facts.free + facts.held + facts.sold,
        seats_free: facts.free,
        seats_held: facts.held,
        seats_sold: facts.sold,
        paid_orders: facts.orders,
        seats_paid_twice: paid_twice
            .map(|(seat, orders)| (label(&plan.show.sections, seat), orders))
            .collect(),
        captures: charges.charges,
        charges: Some(charges),
        acknowledged: acknowledged.len() as u64,
        lost_orders: lost_orders(seats, acknowledged),
        admissions: None,
    }
}

fn lost_orders(seats: &SeatMap, acknowledged: &[ReservationNumber]) -> LostOrders {
    let paid: std::collections::BTreeSet<_> = seats.orders().collect();
    let lost = acknowledged.iter().filter(|told| !paid.contains(told));
    let lost: Vec<_> = lost.collect();
    let words = |told: &&ReservationNumber| format!("reservation {}", told.0);
    LostOrders {
        count: lost.len() as u64,
        examples: lost.iter().take(EXAMPLES_MAX).map(words).collect(),
    }
}

/// Section, row and number, such as `VIP-3-12`.
fn label(sections: &[Section], seat: SeatNumber) -> String {
    let mut number = seat.0;
    for section in sections {
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

/// What a failover of Redis lost, in the words of the measurements. Orders are in the database.
pub(super) const fn loss(loss: Loss) -> ending::Loss {
    ending::Loss {
        places: loss.places,
        places_put_back: loss.places_put_back,
        active_places: loss.active_places,
        sessions: loss.sessions,
        orders: 0,
        reaches_back: loss.reaches_back,
    }
}

#[cfg(test)]
mod tests {
    use tiketi_core::units::{BuyerId, SimTime, Won};

    use super::*;

    fn section(name: &str, seats_per_row: u32) -> Section {
        Section {
            name: name.to_owned(),
            rows: 1,
            seats_per_row,
            price: Won(1),
        }
    }

    #[test]
    fn seats_are_labeled_by_section_row_and_number() {
        let sections = [section("VIP", 2), section("R", 1)];
        assert_eq!(label(&sections, SeatNumber(1)), "VIP-1-2");
        assert_eq!(label(&sections, SeatNumber(2)), "R-1-1");
        assert_eq!(label(&sections, SeatNumber(3)), "seat 3");
    }

    #[test]
    fn an_acknowledged_payment_that_is_missing_is_a_lost_order() {
        let settings = SeatSettings {
            sections: vec![3],
            areas: Vec::new(),
        };
        let mut seats = SeatMap::new(&settings, 2);
        let (now, buyer) = (SimTime::from_secs(1), BuyerId(1));
        let length = std::time::Duration::from_secs(300);
        let held = seats.hold(now, (buyer, SeatNumber(0)), length).unwrap();
        seats.commit_payment(now, buyer, held).unwrap();
        let lost = lost_orders(&seats, &[held, ReservationNumber(77)]);
        assert_eq!(lost.count, 1);
        assert_eq!(lost.examples, ["reservation 77"]);
    }

    #[test]
    fn ids_lead_back_to_their_numbers() {
        assert_eq!(seat_of(seat_id(SeatNumber(7))), Some(SeatNumber(7)));
        assert_eq!(seat_of(Uuid::nil()), None);
        let reservation = ReservationNumber(0);
        assert_eq!(
            reservation_of(reservation_id(reservation)),
            Some(reservation)
        );
    }
}
