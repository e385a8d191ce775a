//! What is known of a target when its run is over: what buyers saw, compared with its seat map.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use uuid::Uuid;

use tokio::task::LocalSet;

use super::api::{SeatStatus, SeatStatuses};
use super::preflight::seats_after;
use super::session::Session;
use super::sut::Remote;
use super::worker::EntryPoint;
use tiketi_api::Ids;
use tiketi_core::units::SimTime;
use tiketi_measure::target::{SeatMaps, TargetFigures, Tickets};
use tiketi_measure::witness::{SeatHistory, Testimony};

/// Real time between two readings of a seat map that shows sold seats as available.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(3);
/// Time before the end in which a confirmed payment need not be in the seat map yet (assumption: as long as the read of the map
/// itself may take).
const SETTLING: Duration = Duration::from_secs(1);

/// Reads the seat map and sums up what buyers saw. The load has ended at `ended_at`.
pub(super) async fn figures(
    remote: Remote,
    testimony: Testimony,
    ended_at: SimTime,
) -> TargetFigures {
    let Remote {
        entry,
        show,
        title,
        tokens_reused,
        api,
        visitor,
        seats,
        ..
    } = remote;
    let mapping = api.mapping().name.clone();
    let tickets = tickets(&testimony, &api.ids);
    let seats = match (seats, Session::resume(&entry, api, visitor)) {
        (Err(reason), _) => Err(format!(
            "the seat map before the load is unknown ({reason})"
        )),
        (Ok(_), Err(error)) => Err(error.to_string()),
        (Ok(before), Ok(session)) => {
            let compared = compare(session, &entry, &before, &testimony, ended_at);
            Box::pin(LocalSet::new().run_until(compared)).await
        }
    };
    TargetFigures {
        url: entry.url(),
        base: entry.base.clone(),
        show: show.text.into_owned(),
        title,
        mapping,
        http2: entry.speaks_http2(),
        certificates_unchecked: entry.is_unchecked(),
        tokens_reused,
        tickets,
        witness: testimony.witness,
        seats: Some(seats),
    }
}

async fn compare(
    mut session: Session,
    entry: &EntryPoint,
    before: &SeatStatuses,
    testimony: &Testimony,
    ended_at: SimTime,
) -> Result<SeatMaps, String> {
    let unknown = |reason| format!("the seat map after the load could not be read ({reason})");
    let after = seats_after(&mut session, entry).await.map_err(unknown)?;
    let ids = Rc::clone(&session.api.ids);
    let mut maps = seat_maps((before, &after), testimony, ended_at, &ids);
    if maps.sold_but_free.count > 0 {
        // A cache may be behind: that is a defect, too, but not a lost sale.
        tokio::time::sleep(READ_AGAIN_AFTER).await;
        if let Ok(later) = seats_after(&mut session, entry).await {
            let still = seat_maps((before, &later), testimony, ended_at, &ids).sold_but_free;
            maps.sold_but_free_for_a_while = maps.sold_but_free.count.saturating_sub(still.count);
        }
    }
    Ok(maps)
}

/// Finds seats that were confirmed for more than one reservation.
fn tickets(testimony: &Testimony, ids: &Ids) -> Tickets {
    let mut by_seat: BTreeMap<Uuid, Vec<(Uuid, SimTime)>> = BTreeMap::new();
    for ticket in &testimony.tickets {
        let sold = by_seat.entry(ticket.seat).or_default();
        // A repeated confirmation of one reservation is one sale.
        if sold.iter().all(|(known, _)| *known != ticket.reservation) {
            sold.push((ticket.reservation, ticket.at));
        }
    }
    let mut tickets = Tickets {
        confirmed: by_seat.values().map(|sold| sold.len() as u64).sum(),
        ..Tickets::default()
    };
    for (seat, sold) in by_seat.iter().filter(|(_, sold)| sold.len() > 1) {
        tickets.seats_twice.push(|| {
            let each = sold.iter().take(3).map(|(reservation, at)| {
                let at = format!("at {:.1} s", at.as_secs_f64());
                // Only the load worker that got a long id knows it.
                if ids.knows(*reservation) {
                    format!("reservation {} {at}", ids.text(*reservation).text)
                } else {
                    at
                }
            });
            let each: Vec<_> = each.collect();
            let seat = ids.text(*seat).text;
            format!("seat {seat}: {} times ({})", sold.len(), each.join(", "))
        });
    }
    tickets
}

/// Compares both maps with the responses that buyers got about each seat.
fn seat_maps(
    (before, after): (&SeatStatuses, &SeatStatuses),
    testimony: &Testimony,
    ended_at: SimTime,
    ids: &Ids,
) -> SeatMaps {
    let is_free = |map: &SeatStatuses, seat: &Uuid| map.get(seat) == Some(&SeatStatus::Available);
    let count_free =
        |map: &SeatStatuses| map.keys().filter(|seat| is_free(map, seat)).count() as u64;
    let mut maps = SeatMaps {
        free_before: count_free(before),
        free_after: count_free(after),
        ..SeatMaps::default()
    };
    let mut sold: BTreeMap<Uuid, SimTime> = BTreeMap::new();
    for ticket in &testimony.tickets {
        sold.entry(ticket.seat).or_insert(ticket.at);
    }
    let name = |seat: &Uuid| format!("seat {}", ids.text(*seat).text);
    for (seat, at) in &sold {
        let is_settled = ended_at.saturating_since(*at) >= SETTLING;
        if is_settled && is_free(after, seat) {
            maps.sold_but_free.push(|| name(seat));
        }
    }
    for (seat, history) in &testimony.seats {
        let was_free = is_free(before, seat);
        let is_known = !history.has(SeatHistory::HELD) && !history.has(SeatHistory::UNKNOWN);
        if was_free && history.has(SeatHistory::REFUSED) {
            maps.refused += 1;
            if is_known && after.contains_key(seat) && !is_free(after, seat) {
                maps.locked_for_nobody.push(|| name(seat));
            }
        }
        let is_sold_for_nobody =
            !sold.contains_key(seat) && after.get(seat) == Some(&SeatStatus::Sold);
        if history.has(SeatHistory::REPORTED_UNPAID) {
            maps.reported_unpaid += 1;
            if is_sold_for_nobody {
                maps.reported_unpaid_but_sold.push(|| name(seat));
            }
        } else if history.has(SeatHistory::PAYMENT_UNANSWERED) {
            maps.unanswered += 1;
            if is_sold_for_nobody {
                maps.unanswered_but_sold.push(|| name(seat));
            }
        }
    }
    maps
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_measure::witness::Ticket;

    fn seat(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn map(statuses: &[SeatStatus]) -> SeatStatuses {
        (1..).map(seat).zip(statuses.iter().copied()).collect()
    }

    fn ticket(number: u128, reservation: u128, second: u64) -> Ticket {
        Ticket {
            seat: seat(number),
            reservation: Uuid::from_u128(reservation),
            at: SimTime::from_secs(second),
        }
    }

    fn told(number: u128, histories: &[SeatHistory]) -> Testimony {
        let mut sum = SeatHistory::default();
        for history in histories {
            sum.add(*history);
        }
        Testimony {
            seats: vec![(seat(number), sum)],
            ..Testimony::default()
        }
    }

    fn compared(before: SeatStatus, after: SeatStatus, testimony: &Testimony) -> SeatMaps {
        let maps = (&map(&[before]), &map(&[after]));
        seat_maps(maps, testimony, SimTime::from_secs(60), &Ids::default())
    }

    use SeatStatus::{Available, Held, Sold, Taken};

    #[test]
    fn a_seat_confirmed_for_two_reservations_is_sold_twice() {
        let testimony = Testimony {
            tickets: vec![
                ticket(1, 7, 10),
                ticket(1, 8, 12),
                ticket(2, 9, 12),
                ticket(2, 9, 13),
            ],
            ..Testimony::default()
        };
        let tickets = tickets(&testimony, &Ids::default());
        assert_eq!((tickets.confirmed, tickets.seats_twice.count), (3, 1));
        let example = &tickets.seats_twice.examples[0];
        assert!(
            example.contains("2 times") && example.contains("at 12.0 s"),
            "{example}"
        );
    }

    #[test]
    fn a_refused_hold_that_locks_a_seat_is_found_by_the_two_maps() {
        let refused = told(1, &[SeatHistory::REFUSED]);
        assert_eq!(
            compared(Available, Held, &refused).locked_for_nobody.count,
            1
        );
        // It was taken before, it is free again, somebody in the run had it, or a hold without a response may have it.
        assert_eq!(compared(Held, Held, &refused).locked_for_nobody.count, 0);
        assert_eq!(
            compared(Available, Available, &refused)
                .locked_for_nobody
                .count,
            0
        );
        for other in [SeatHistory::HELD, SeatHistory::UNKNOWN] {
            let both = told(1, &[SeatHistory::REFUSED, other]);
            assert_eq!(compared(Available, Held, &both).locked_for_nobody.count, 0);
        }
    }

    #[test]
    fn a_sold_seat_that_the_map_offers_is_found_unless_it_was_sold_in_the_last_moment() {
        let sold_at = |second| Testimony {
            tickets: vec![ticket(1, 7, second)],
            ..Testimony::default()
        };
        assert_eq!(
            compared(Available, Available, &sold_at(10))
                .sold_but_free
                .count,
            1
        );
        assert_eq!(
            compared(Available, Sold, &sold_at(10)).sold_but_free.count,
            0
        );
        assert_eq!(
            compared(Available, Available, &sold_at(60))
                .sold_but_free
                .count,
            0
        );
    }

    #[test]
    fn a_seat_that_is_sold_to_nobody_is_found_by_what_the_payment_was_told() {
        let failed = told(1, &[SeatHistory::HELD, SeatHistory::REPORTED_UNPAID]);
        assert_eq!(
            compared(Available, Sold, &failed)
                .reported_unpaid_but_sold
                .count,
            1
        );
        assert_eq!(
            compared(Available, Held, &failed)
                .reported_unpaid_but_sold
                .count,
            0
        );
        // A mapping that does not know held seats cannot tell a hold from a sale.
        let unknown = compared(Available, Taken, &failed);
        assert_eq!(unknown.reported_unpaid_but_sold.count, 0);
        let lost = told(1, &[SeatHistory::HELD, SeatHistory::PAYMENT_UNANSWERED]);
        assert_eq!(
            compared(Available, Sold, &lost).unanswered_but_sold.count,
            1
        );
        let paid = Testimony {
            tickets: vec![ticket(1, 7, 10)],
            ..failed
        };
        assert_eq!(
            compared(Available, Sold, &paid)
                .reported_unpaid_but_sold
                .count,
            0
        );
    }
}
