//! Audits of a target by what its buyers know, and by its seat map before and after the load.
//!
//! They can show a defect of a system whose database the run cannot read. That there is none, they show only for what the buyers of
//! the run did.

use std::time::Duration;

use super::{Audit, AuditVerdict, Checked, Denominator, Unchecked, dropped, verdict};
use crate::figure::{count, counted, grouped, in_words};
use tiketi_buyer::observation::Stage;
use tiketi_core::units::SimTime;
use tiketi_measure::Measurements;
use tiketi_measure::target::{Cases, SeatMaps, TargetFigures};
use tiketi_measure::witness::Witness;
use tiketi_scenario::operation::Operation;

/// Shortest time without an admission, while places are free and buyers wait, that is a defect (assumption: twenty rounds of a queue
/// processor that runs once per second).
pub(crate) const STARVED_MIN: Duration = Duration::from_secs(20);
/// Losses per connection from which on connections do not last (assumption: a deployment closes each one once).
const LOSSES_PER_CONNECTION_MIN: u64 = 2;
/// Fewest losses that show anything (assumption).
const LOSSES_MIN: u64 = 10;
/// Fewest refused holds that show that none can succeed (assumption: a single one may be a seat that was just taken).
const HOLDS_MIN: u64 = 3;

/// Runs the audits of a target.
pub(super) fn judge(run: &Measurements, target: &TargetFigures) -> Vec<AuditVerdict> {
    let witness = &target.witness;
    let maps = || maps(target);
    vec![
        verdict(Audit::NoOversell, Err(no_access())),
        verdict(Audit::NoDoubleSale, no_double_sale(target)),
        verdict(
            Audit::SoldSeatsStaySold,
            maps().and_then(sold_seats_stay_sold),
        ),
        verdict(Audit::NothingLost, Err(no_access())),
        verdict(Audit::Ledger, Err(no_access())),
        verdict(
            Audit::PaymentsReportedCorrectly,
            maps().and_then(|maps| payments_reported_correctly(maps, witness.paid_after_failure)),
        ),
        verdict(Audit::HoldsSucceed, holds_succeed(run)),
        verdict(
            Audit::RefusedHoldsLockNothing,
            maps().and_then(refused_holds_lock_nothing),
        ),
        verdict(
            Audit::AdmissionsConserved,
            dropped(run)
                .or_else(|| turned_away(run, witness))
                .ok_or_else(no_access),
        ),
        verdict(Audit::QueueMoves, queue_moves(run, witness)),
        verdict(Audit::AdmittedOnce, admitted_once(target)),
        verdict(Audit::PositionsImprove, positions_improve(target)),
        verdict(Audit::SessionsRestored, sessions_restored(witness)),
        verdict(Audit::ConnectionsLast, connections_last(run)),
    ]
}

/// Buyers who were neither waiting nor admitted; `None` without any, and for a target that tells no admissions by message: there, a
/// buyer who was admitted and came too late looks the same.
fn turned_away(run: &Measurements, witness: &Witness) -> Option<Checked> {
    let buyers = counted(witness.turned_away, "buyer");
    let joined = run.tally.reached(Stage::Queued);
    (witness.turned_away > 0 && witness.entries.own > 0).then(|| {
        checked(
            (Denominator::Joins, joined),
            witness.turned_away,
            format!("{buyers} lost their place in the queue: no longer in it, turned away when they wanted a seat, and without a message about an admission."),
            format!("{} joined the queue", counted(joined, "buyer")),
        )
    })
}

fn no_access() -> Unchecked {
    Unchecked::NotRead {
        reason: "no database access to this target".to_owned(),
    }
}

fn unknown(reason: impl Into<String>) -> Unchecked {
    Unchecked::NotRead {
        reason: reason.into(),
    }
}

fn maps(target: &TargetFigures) -> Result<&SeatMaps, Unchecked> {
    match &target.seats {
        Some(Ok(maps)) => Ok(maps),
        Some(Err(reason)) => Err(unknown(reason)),
        None => Err(unknown("the seat map was not read")),
    }
}

/// An audit that counts defects among something.
fn checked(among: (Denominator, u64), defects: u64, summary: String, evidence: String) -> Checked {
    Checked {
        passed: defects == 0,
        among,
        summary,
        evidence,
    }
}

/// Evidence with the first examples.
fn with_examples(evidence: String, cases: &Cases) -> String {
    if cases.examples.is_empty() {
        return evidence;
    }
    format!("{evidence}: {}", cases.examples.join("; "))
}

fn no_double_sale(target: &TargetFigures) -> Result<Checked, Unchecked> {
    let twice = &target.tickets.seats_twice;
    if twice.count == 0 {
        return Err(unknown(
            "no database access to this target; no seat was confirmed to two buyers",
        ));
    }
    let confirmed = target.tickets.confirmed;
    let seats = counted(twice.count, "seat");
    Ok(checked(
        (Denominator::Confirmations, confirmed),
        twice.count,
        format!("{seats} sold more than once: two buyers or more have a confirmation for it."),
        with_examples(
            format!("{} confirmed to buyers", counted(confirmed, "ticket")),
            twice,
        ),
    ))
}

fn sold_seats_stay_sold(maps: &SeatMaps) -> Result<Checked, Unchecked> {
    let free = &maps.sold_but_free;
    let taken = maps.free_before.saturating_sub(maps.free_after);
    let seats = counted(free.count, "seat");
    let for_a_while = maps.sold_but_free_for_a_while;
    let summary = if free.count == 0 {
        "The seat map after the load offers no seat that a buyer has paid for.".to_owned()
    } else if for_a_while >= free.count {
        format!(
            "{seats} that buyers had paid for were still offered as available, for some seconds."
        )
    } else {
        format!("{seats} that buyers had paid for are offered as available again.")
    };
    let evidence = format!(
        "{} available before the load, {} after it",
        grouped(maps.free_before),
        grouped(maps.free_after)
    );
    Ok(checked(
        (Denominator::SeatsTaken, taken + free.count),
        free.count,
        summary,
        with_examples(evidence, free),
    ))
}

fn payments_reported_correctly(
    maps: &SeatMaps,
    paid_after_failure: u64,
) -> Result<Checked, Unchecked> {
    let sold = &maps.reported_unpaid_but_sold;
    let lost = &maps.unanswered_but_sold;
    let reported = maps.reported_unpaid + paid_after_failure;
    if reported + maps.unanswered == 0 {
        return Err(unknown("every payment was confirmed"));
    }
    let defects = sold.count + paid_after_failure + lost.count;
    let mut wrong = Vec::new();
    if sold.count > 0 {
        let seats = counted(sold.count, "seat");
        wrong.push(format!(
            "{seats} sold although the response said that the payment failed."
        ));
    }
    if paid_after_failure > 0 {
        let payments = counted(paid_after_failure, "payment");
        wrong.push(format!(
            "{payments} reported as failed, and later as paid already."
        ));
    }
    if lost.count > 0 {
        let seats = counted(lost.count, "seat");
        wrong.push(format!(
            "{seats} sold although the payment was never answered: no buyer knows about it."
        ));
    }
    let summary = if wrong.is_empty() {
        "No seat of a failed payment is sold.".to_owned()
    } else {
        wrong.join(" ")
    };
    let evidence = format!(
        "{} reported as failed, {} without a response",
        counted(reported, "payment"),
        grouped(maps.unanswered)
    );
    let examples = if sold.count > 0 { sold } else { lost };
    Ok(checked(
        (Denominator::UnpaidSeats, reported + maps.unanswered),
        defects,
        summary,
        with_examples(evidence, examples),
    ))
}

fn holds_succeed(run: &Measurements) -> Result<Checked, Unchecked> {
    let holds = run.tally.operation(Some(Operation::SeatReserve));
    // Holds of the warm-up are counted by the buyers only.
    let held = holds.ok.max(run.tally.reached(Stage::SeatHeld));
    let answered = held + holds.refused + holds.failures();
    if answered < HOLDS_MIN && held == 0 {
        return Err(unknown("too few holds were tried"));
    }
    let tried = counted(answered, "attempt");
    let summary = if held == 0 {
        format!("No hold ever succeeded: {tried}, all refused or failed.")
    } else {
        format!("Seats could be held: {} of {tried}.", grouped(held))
    };
    let evidence = format!(
        "{} held, {} refused, {} failed",
        grouped(held),
        grouped(holds.refused),
        grouped(holds.failures())
    );
    Ok(checked(
        (Denominator::Holds, answered),
        u64::from(held == 0),
        summary,
        evidence,
    ))
}

fn refused_holds_lock_nothing(maps: &SeatMaps) -> Result<Checked, Unchecked> {
    let locked = &maps.locked_for_nobody;
    let seats = counted(locked.count, "seat");
    let summary = if locked.count == 0 {
        "No refused hold has left a seat locked.".to_owned()
    } else {
        format!(
            "{seats} locked or sold after a hold that was refused: no buyer of this run has a confirmation."
        )
    };
    let evidence = format!(
        "{} available before the load refused; a buyer who is not of this run may have taken some",
        counted(maps.refused, "seat")
    );
    Ok(checked(
        (Denominator::RefusedSeats, maps.refused),
        locked.count,
        summary,
        with_examples(evidence, locked),
    ))
}

/// A time in which nobody was admitted although places were free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Starvation {
    from: u64,
    until: u64,
    answers: u64,
}

/// Returns the longest time in which buyers waited, answers said that places were free, and nobody was admitted; `None` without one.
pub(crate) fn starvation(witness: &Witness) -> Option<Starvation> {
    let mut longest: Option<Starvation> = None;
    let mut open: Option<Starvation> = None;
    for (at, second) in &witness.seconds {
        if second.admitted > 0 {
            open = None;
            continue;
        }
        if second.free > 0 {
            let stretch = open.get_or_insert(Starvation {
                from: *at,
                until: *at,
                answers: 0,
            });
            stretch.answers += u64::from(second.free);
        }
        if let Some(stretch) = open.as_mut().filter(|_| second.queued > 0) {
            stretch.until = *at;
            let is_longer =
                |known: Starvation| stretch.until - stretch.from >= known.until - known.from;
            if longest.is_none_or(is_longer) {
                longest = Some(*stretch);
            }
        }
    }
    longest
}

/// Returns how long buyers are known to have waited in all: from the first to the last answer that said so.
pub(crate) fn waited(witness: &Witness) -> Duration {
    let mut queued = witness
        .seconds
        .iter()
        .filter(|(_, second)| second.queued > 0);
    let first = queued.next().map_or(0, |(at, _)| *at);
    let last = queued.next_back().map_or(first, |(at, _)| *at);
    Duration::from_secs(last - first)
}

/// Returns the number of buyers who were admitted after waiting.
pub(crate) fn admitted_after_waiting(witness: &Witness) -> u64 {
    let admitted = witness
        .seconds
        .iter()
        .map(|(_, second)| u64::from(second.admitted));
    admitted.sum()
}

fn queue_moves(run: &Measurements, witness: &Witness) -> Result<Checked, Unchecked> {
    let joined = run.tally.reached(Stage::Queued);
    let admitted = admitted_after_waiting(witness);
    if joined == 0 {
        return Err(Unchecked::Nothing(Denominator::Waits));
    }
    if witness.occupancies == 0 {
        return Err(unknown(
            "its responses about the queue do not say how many places are taken",
        ));
    }
    let starved = starvation(witness)
        .filter(|stretch| Duration::from_secs(stretch.until - stretch.from) >= STARVED_MIN);
    let moved = if admitted == 0 {
        "none of them was admitted".to_owned()
    } else {
        format!("{} of them were admitted", grouped(admitted))
    };
    let evidence = format!("{} waited, {moved}", counted(joined, "buyer"));
    let Some(stretch) = starved else {
        let summary = format!("{evidence}; places did not stay free while buyers waited.");
        return Ok(checked((Denominator::Waits, joined), 0, summary, evidence));
    };
    let at = |second| in_words(SimTime::from_secs(second).since_start());
    let summary = format!(
        "{evidence}: nobody from {} to {}, although places were free.",
        at(stretch.from),
        at(stretch.until)
    );
    let evidence = format!(
        "{} to waiting buyers said in that time that fewer places were taken than there are",
        counted(stretch.answers, "answer")
    );
    Ok(checked((Denominator::Waits, joined), 1, summary, evidence))
}

fn admitted_once(target: &TargetFigures) -> Result<Checked, Unchecked> {
    let entries = target.witness.entries;
    if target.tokens_reused {
        return Err(unknown("several buyers share one user"));
    }
    let twice = counted(entries.twice, "buyer");
    let at = entries
        .twice_at
        .map(|at| format!(", first after {}", in_words(at.since_start())))
        .unwrap_or_default();
    let summary = if entries.twice == 0 {
        "No buyer got more than one admission for one wait.".to_owned()
    } else {
        format!("{twice} admitted more than once for one wait.")
    };
    let evidence = format!(
        "{} to the buyer that they were for{at}",
        counted(entries.own, "message")
    );
    Ok(checked(
        (Denominator::Entries, entries.own),
        entries.twice,
        summary,
        evidence,
    ))
}

fn positions_improve(target: &TargetFigures) -> Result<Checked, Unchecked> {
    let positions = &target.witness.positions;
    if target.tokens_reused {
        return Err(unknown("several buyers share one user"));
    }
    let summary = if positions.backward == 0 {
        "No buyer moved backward in the queue.".to_owned()
    } else {
        format!(
            "Buyers moved backward in the queue {}.",
            match positions.backward {
                1 => "once".to_owned(),
                times => format!("{} times", grouped(times)),
            }
        )
    };
    let example = positions.example.map(|(at, from, to)| {
        let (from, to) = (grouped(u64::from(from)), grouped(u64::from(to)));
        format!(
            "; first after {}: from position {from} to {to}",
            in_words(at.since_start())
        )
    });
    let evidence = format!(
        "{} compared with the one before{}",
        counted(positions.compared, "position"),
        example.unwrap_or_default()
    );
    Ok(checked(
        (Denominator::Positions, positions.compared),
        positions.backward,
        summary,
        evidence,
    ))
}

fn sessions_restored(witness: &Witness) -> Result<Checked, Unchecked> {
    let sessions = witness.sessions;
    if sessions.messages == 0 {
        return Err(unknown(
            "no `session-restored` message arrived: the target may not send any",
        ));
    }
    let missing = sessions.due.saturating_sub(sessions.restored);
    let of = counted(sessions.due, "reconnect");
    let summary = if missing == 0 {
        format!("The session was restored after each of {of}.")
    } else {
        format!(
            "The session was not restored after {} of {of}.",
            grouped(missing)
        )
    };
    let evidence = format!(
        "{} of {} got `session-restored` within 5 s",
        grouped(sessions.restored),
        grouped(sessions.due)
    );
    Ok(checked(
        (Denominator::Reconnects, sessions.due),
        missing,
        summary,
        evidence,
    ))
}

fn connections_last(run: &Measurements) -> Result<Checked, Unchecked> {
    let sockets = run.tally.sockets;
    let is_lossy =
        sockets.lost >= LOSSES_MIN && sockets.lost >= LOSSES_PER_CONNECTION_MIN * sockets.connected;
    let connected = counted(sockets.connected, "buyer");
    let lost = counted(sockets.lost, "loss").replace("losss", "losses");
    let lifetime = lifetime(run).map_or_else(String::new, |length| {
        format!("; a connection lasted {} on average", in_words(length))
    });
    let summary = if is_lossy {
        format!("Connections do not last: {connected} connected, {lost}{lifetime}.")
    } else {
        format!("Connections last: {connected} connected, {lost}.")
    };
    let evidence = format!(
        "{} lost, {} opened again",
        grouped(sockets.lost),
        grouped(sockets.reconnected)
    );
    Ok(checked(
        (Denominator::Connections, sockets.connected),
        u64::from(is_lossy),
        summary,
        evidence,
    ))
}

/// Returns how long a connection lasted on average, from the time series; `None` without connections.
fn lifetime(run: &Measurements) -> Option<Duration> {
    let sockets = run.tally.sockets;
    let opened = sockets.connected + sockets.reconnected;
    let open = run.series.sockets().into_iter().enumerate();
    let seconds: f64 = open
        .map(|(tick, open)| count(open) * run.tick_length(tick).as_secs_f64())
        .sum();
    (opened > 0).then(|| Duration::from_secs_f64(seconds / count(opened)))
}
