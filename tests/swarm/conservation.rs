//! What must be true of every run: nothing is lost, nothing counts twice, and sums agree wherever they are taken.

use tiketi_buyer::observation::{LeaveReason, Stage};
use tiketi_cloud::notice::What;
use tiketi_measure::Measurements;
use tiketi_measure::ending::{AuditFacts, FinalState};
use tiketi_measure::series::Tick;
use tiketi_scenario::operation::Operation;
use tiketi_verdict::audit::{Audit, Finding};
use tiketi_verdict::judge;

use super::{Checked, ensure, same};

/// Checks everything, and reports every line that does not hold.
pub(crate) fn check(run: &Measurements) -> Checked {
    let checks: [fn(&Measurements) -> Checked; 9] = [
        buyers, calls, series, sockets, seats, queue, levels, timeline, bill,
    ];
    let failed = checks.iter().filter_map(|check| check(run).err());
    let mut failed: Vec<String> = failed.collect();
    failed.extend(verdicts(run).err());
    ensure(failed.is_empty(), || failed.join("\n"))
}

/// Everyone who arrives also leaves, and nobody reaches a stage without the one before.
fn buyers(run: &Measurements) -> Checked {
    let tally = &run.tally;
    let arrivals = tally.arrivals;
    same("planned, due", &run.ending.generator.planned, &arrivals.due)?;
    same("due, started", &arrivals.due, &arrivals.started)?;
    let left: u64 = tally.left.iter().sum();
    same("started, left", &arrivals.started, &left)?;
    let reached = |stage| tally.reached(stage);
    same(
        "started, arrived",
        &arrivals.started,
        &reached(Stage::Arrived),
    )?;
    same(
        "paid, left with a ticket",
        &reached(Stage::Paid),
        &tally.left_for(LeaveReason::Paid),
    )?;
    // Not everyone queues, so the queue is no step of the funnel.
    let funnel = [
        Stage::Arrived,
        Stage::PageLoaded,
        Stage::Admitted,
        Stage::SeatsSeen,
        Stage::SeatHeld,
        Stage::Paid,
    ];
    // Who bypassed the waiting room goes on without an admission.
    let counts = funnel.map(|stage| match stage {
        Stage::Admitted => reached(stage) + tally.dropped.entered + tally.dropped.unannounced,
        _ => reached(stage),
    });
    ensure(
        counts.is_sorted_by(|earlier, later| earlier >= later),
        || format!("the funnel widens: {counts:?} of {funnel:?}"),
    )?;
    ensure(reached(Stage::Queued) <= reached(Stage::PageLoaded), || {
        "more buyers queue than load the page".to_owned()
    })
}

/// Each request has one outcome, and each outcome one duration.
fn calls(run: &Measurements) -> Checked {
    for operation in Operation::ALL {
        let tally = run.tally.operation(Some(operation));
        let name = operation.name();
        same(
            &format!("{name}: calls, response times"),
            &tally.calls(),
            &tally.response_time.count(),
        )?;
        same(
            &format!("{name}: calls, service times"),
            &tally.calls(),
            &tally.service_time.count(),
        )?;
        let (fastest, slowest) = (tally.response_time.min(), tally.response_time.max());
        ensure(fastest <= slowest, || {
            format!("{name}: {fastest:?} to {slowest:?}")
        })?;
        let percentiles = [0.0, 50.0, 90.0, 99.0, 99.9, 100.0];
        let percentiles = percentiles.map(|percent| tally.response_time.percentile(percent));
        ensure(percentiles.is_sorted() && percentiles[5] <= slowest, || {
            format!("{name}: percentiles {percentiles:?}, longest {slowest:?}")
        })?;
    }
    Ok(())
}

/// The series has everything that the tally has.
fn series(run: &Measurements) -> Checked {
    let (tally, ticks) = (&run.tally, run.series.ticks());
    let sum = |of: fn(&Tick) -> u64| ticks.iter().map(of).sum::<u64>();
    same(
        "started, in the series",
        &tally.arrivals.started,
        &sum(|tick| tick.started),
    )?;
    same(
        "left, in the series",
        &tally.left.iter().sum(),
        &sum(|tick| tick.left),
    )?;
    same(
        "messages, in the series",
        &tally.messages,
        &sum(|tick| tick.messages),
    )?;
    for stage in Stage::ALL {
        let shown: u64 = ticks.iter().map(|tick| tick.stages[stage as usize]).sum();
        same(
            &format!("{stage:?}, in the series"),
            &tally.reached(stage),
            &shown,
        )?;
    }
    let calls = tally.calls().0 + tally.calls_in_warmup;
    same("calls, in the series", &calls, &sum(Tick::calls_ended))?;
    same(
        "calls, due in the series",
        &calls,
        &sum(|tick| tick.calls_due),
    )?;
    same(
        "calls, response times in the series",
        &calls,
        &sum(|tick| tick.response.count()),
    )?;
    let seconds = run.series.start_secs(ticks.len().saturating_sub(1));
    let ended = run.ending.ended_at.as_secs();
    ensure(seconds <= ended, || {
        format!("the series goes on until {seconds} s, the run until {ended} s")
    })
}

/// Sockets that were opened and not closed are still open.
fn sockets(run: &Measurements) -> Checked {
    let counts = run.tally.sockets;
    let opened = counts.connected + counts.reconnected;
    let gone = counts.closed + counts.lost;
    ensure(gone <= opened, || {
        format!("{opened} sockets opened, {gone} gone")
    })?;
    let last = run.series.sockets().last().copied().unwrap_or(0);
    same("open sockets, in the series", &(opened - gone), &last)
}

/// Every seat is free, held or sold, and every ticket has its seat.
fn seats(run: &Measurements) -> Checked {
    let facts = facts(run)?;
    let total = u64::from(run.plan.show.seats_total());
    let sum = facts.seats_free + facts.seats_held + facts.seats_sold;
    same("seats, free + held + sold", &total, &sum)?;
    same(
        "seats sold, paid orders",
        &facts.seats_sold,
        &facts.paid_orders,
    )?;
    same("charges, paid orders", &facts.captures, &facts.paid_orders)?;
    let charges = facts.charges.ok_or("the model has a provider")?;
    let wrong = charges.without_order + charges.orders_without_charge + charges.charged_twice;
    same("charges that match no order", &0, &wrong)?;
    let paid = run.tally.reached(Stage::Paid);
    // A buyer who gave up waiting for the answer may have paid all the same.
    ensure(
        paid <= facts.acknowledged && facts.acknowledged <= facts.paid_orders,
        || {
            format!(
                "{paid} buyers paid, {} told so, {} orders",
                facts.acknowledged, facts.paid_orders
            )
        },
    )
}

/// Everyone who joined the queue was admitted, left, still waits, or is counted as lost with Redis.
fn queue(run: &Measurements) -> Checked {
    let Some(ledger) = facts(run)?.admissions else {
        return Ok(());
    };
    let tier = run.data_tier().ok_or("the model counts its data tier")?;
    let lost: u64 = tier.failovers.iter().map(|one| one.loss.places).sum();
    let gone = lost + tier.redis_waiting_evicted;
    let entered = ledger.joined + ledger.put_back;
    let found = ledger.admitted + ledger.left + ledger.waiting + gone;
    ensure(entered == found && ledger.admitted_twice == 0, || {
        format!("{entered} entered the queue, {found} found: {ledger:?}, {gone} lost with Redis")
    })
}

/// No level exceeds what there is.
fn levels(run: &Measurements) -> Checked {
    let plan = &run.plan;
    let seats = u64::from(plan.show.seats_total());
    let scheduled = plan
        .scaling
        .scheduled
        .iter()
        .filter_map(|action| action.max);
    let fleet_max = scheduled.fold(plan.scaling.max, u32::max);
    let buyers = run.tally.arrivals.started;
    for gauges in run
        .series
        .ticks()
        .iter()
        .filter_map(|tick| tick.gauges.as_ref())
    {
        let at = gauges.at;
        let taken = gauges.seats_held + gauges.seats_sold;
        ensure(taken <= seats, || {
            format!("{at}: {taken} of {seats} seats taken")
        })?;
        let desired = gauges.desired_instances;
        ensure(desired <= fleet_max, || {
            format!("{at}: {desired} of {fleet_max} instances wanted")
        })?;
        ensure(gauges.waiting <= Some(buyers), || {
            format!("{at}: {:?} of {buyers} buyers wait", gauges.waiting)
        })?;
        let cpu = gauges.cpu.unwrap_or(0.0);
        ensure((0.0..=1.0).contains(&cpu), || format!("{at}: CPU {cpu}"))?;
    }
    Ok(())
}

/// Notices are in order of time, and every fault is among them.
fn timeline(run: &Measurements) -> Checked {
    let notices = &run.timeline;
    ensure(notices.is_sorted_by_key(|notice| notice.at), || {
        "notices are out of order".to_owned()
    })?;
    let last = notices.last().map(|notice| notice.at);
    ensure(last <= Some(run.ending.ended_at), || {
        format!("a notice at {last:?}, after the end")
    })?;
    let struck = notices
        .iter()
        .filter(|notice| matches!(notice.what, What::FaultStruck { .. }));
    let healed = notices
        .iter()
        .filter(|notice| matches!(notice.what, What::FaultHealed { .. }));
    if run.notices_dropped == 0 {
        same(
            "faults planned, started",
            &run.plan.faults.len(),
            &struck.count(),
        )?;
    }
    ensure(healed.count() <= run.plan.faults.len(), || {
        "more faults end than start".to_owned()
    })
}

/// The bill is the sum of its lines, for the hours that the run took.
fn bill(run: &Measurements) -> Checked {
    let statement = run.ending.statement.as_ref().ok_or("no statement")?;
    let hours = run.ending.ended_at.as_secs_f64() / 3_600.0;
    ensure((statement.usage.hours - hours).abs() < 1e-6, || {
        format!(
            "a run of {hours} h is billed for {} h",
            statement.usage.hours
        )
    })?;
    same(
        "buyers, billed",
        &run.tally.arrivals.started,
        &statement.sales.buyers,
    )?;
    same(
        "tickets, billed",
        &run.tally.reached(Stage::Paid),
        &statement.sales.tickets,
    )?;
    for (name, bill) in [("run", &statement.run), ("month", &statement.month)] {
        let amounts = bill.lines.iter().filter_map(|line| line.amount);
        let (sum, total) = (amounts.sum::<f64>(), bill.total.at_least());
        let is_sum = (sum - total).abs() <= 1e-9 * total.abs().max(1.0);
        ensure(is_sum && total.is_finite() && total >= 0.0, || {
            format!("the {name} costs {total}, its lines {sum}")
        })?;
    }
    Ok(())
}

/// The verdicts find nothing wrong with the measurement, and audits fail only for what a lost Redis explains.
fn verdicts(run: &Measurements) -> Checked {
    let verdicts = judge(run);
    for check in &verdicts.validity {
        ensure(check.ok, || format!("validity: {check:?}"))?;
    }
    for verdict in &verdicts.audits {
        let is_violated = matches!(verdict.finding, Finding::Violated { .. });
        // `queue` accounts for everyone who lost a place.
        let is_explained = verdict.audit == Audit::AdmissionsConserved;
        ensure(!is_violated || is_explained, || {
            format!("audit: {verdict:?}")
        })?;
    }
    Ok(())
}

fn facts(run: &Measurements) -> Result<&AuditFacts, String> {
    match &run.ending.state {
        FinalState::Read(facts) => Ok(facts),
        FinalState::Unread { reason } => Err(format!("the final state was not read: {reason}")),
    }
}

type Plant = fn(&mut Measurements);

/// Defects that [`check`] must find, one for each thing that it looks at.
pub(crate) const DEFECTS: [(&str, Plant); 10] = [
    ("a buyer vanishes", |run| run.tally.left[0] -= 1),
    ("a buyer pays without a seat", |run| {
        run.tally.stages[Stage::Paid as usize] += 1_000;
        run.tally.left[0] += 1_000;
    }),
    ("a request has no outcome", |run| {
        run.tally.operations[2].ok -= 1;
    }),
    ("a request is not in the series", |run| {
        run.tally.calls_in_warmup += 1;
    }),
    ("a socket is closed twice", |run| {
        run.tally.sockets.closed += 1;
    }),
    ("a seat is missing", |run| {
        if let FinalState::Read(facts) = &mut run.ending.state {
            facts.seats_free -= 1;
        }
    }),
    ("a buyer is dropped from the queue", |run| {
        if let FinalState::Read(facts) = &mut run.ending.state {
            facts.admissions.as_mut().expect("Redis is up").joined += 1;
        }
    }),
    ("the fleet is too large", |run| run.plan.scaling.max = 1),
    ("a fault does not start", |run| {
        let fault = tiketi_core::fault::catalog::Fault {
            at: run.ending.ended_at,
            lasts: std::time::Duration::ZERO,
            action: tiketi_core::fault::catalog::Action::LosePrimary {
                part: tiketi_core::units::DataTierPart::Redis,
            },
        };
        run.plan.faults.push(fault);
    }),
    ("a line of the bill is missing", |run| {
        let statement = run.ending.statement.as_mut().expect("a simulation has one");
        statement.run.lines.remove(0);
    }),
];
