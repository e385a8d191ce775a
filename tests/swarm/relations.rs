//! Metamorphic relations: how two runs must differ when their scenarios differ in a known way.
//!
//! Both runs have the same seed, and so the same buyers (common random numbers).

use std::sync::atomic::{AtomicU64, Ordering};

use tiketi_buyer::observation::{LeaveReason, Stage};
use tiketi_cost::PriceBook;
use tiketi_cost::price_book::Price;
use tiketi_measure::Measurements;
use tiketi_measure::ending::FinalState;
use tiketi_scenario::operation::Operation;
use tiketi_scenario::{Overrides, load};

use super::scenario::{Settings, any_scenario, calm_sale};
use super::{Checked, cases, each_case, ensure, number, plan, play, same};

/// The relation is checked for this share of the swarm's scenarios, because each needs two runs or more.
const SHARE: u64 = 10;

fn run(settings: &Settings) -> Result<Measurements, String> {
    play(&plan(settings)?)
}

/// Checks a relation between each scenario and a changed one, whatever the scenario.
fn always(test: &str, check: impl Fn(&Settings) -> Checked + Sync) {
    each_case(test, cases().div_ceil(SHARE), any_scenario, check);
}

/// Checks a relation for calm sales.
fn in_calm_sales(test: &str, check: impl Fn(&Settings) -> Checked + Sync) {
    each_case(test, cases().div_ceil(SHARE), calm_sale, check);
}

/// Everything that was measured, without the plan and without the bill.
fn figures(run: &Measurements) -> String {
    let mut ending = run.ending.clone();
    ending.statement = None;
    let figures = (&run.tally, &run.series, &run.timeline, &ending);
    serde_json::to_string(&figures).expect("measurements have string keys only")
}

/// What a request may take longer because others reach the database sooner and at the same time, in seconds.
const DATABASE_SECONDS: f64 = 0.05;

/// The operations whose speed is up to the instances. A payment takes as long as its provider.
fn of_instances() -> impl Iterator<Item = Operation> {
    let all = Operation::ALL.into_iter();
    all.filter(|&operation| operation != Operation::PaymentProcess)
}

/// Failed requests, without payments.
fn failures(run: &Measurements) -> u64 {
    of_instances()
        .map(|operation| run.tally.operation(Some(operation)).failures())
        .sum()
}

fn paid(run: &Measurements) -> u64 {
    run.tally.reached(Stage::Paid)
}

/// The slowest twentieth of the requests of one kind starts here, in seconds.
fn p95(run: &Measurements, operation: Operation) -> f64 {
    let requests = run.tally.operation(Some(operation)).response_time;
    requests
        .percentile(95.0)
        .map_or(0.0, |length| length.as_secs_f64())
}

/// The changed scenario has the same figures.
fn unmoved(settings: &Settings, changed: &Settings) -> Checked {
    let (one, other) = (figures(&run(settings)?), figures(&run(changed)?));
    ensure(one == other, || {
        let at = one
            .bytes()
            .zip(other.bytes())
            .take_while(|(a, b)| a == b)
            .count();
        let shown =
            |text: &str| text[at.saturating_sub(200)..(at + 100).min(text.len())].to_owned();
        format!(
            "the figures differ:\n{}\n{}\nafter\n{}",
            shown(&one),
            shown(&other),
            changed.text()
        )
    })
}

#[test]
fn names_move_no_figure() {
    always("names_move_no_figure", |settings| {
        let changed = settings
            .clone()
            .with("name", "\"other\"")
            .with("show.title", "\"Another show\"");
        unmoved(settings, &changed)
    });
}

#[test]
fn what_only_a_live_run_uses_moves_no_figure() {
    always("what_only_a_live_run_uses", |settings| {
        let changed = settings
            .clone()
            .with("clock.speed", "7.5")
            .with("topology.redis.tls", "true")
            .with("topology.redis.idle_timeout", "\"7s\"")
            .with("topology.database.pool_idle", "\"3s\"")
            .with("self_check.send_lag_p99_max", "\"1s\"");
        unmoved(settings, &changed)
    });
}

#[test]
fn gates_and_prices_move_no_figure() {
    always("gates_and_prices_move_no_figure", |settings| {
        let changed = settings
            .clone()
            .with("gates.errors", "[\"rate < 0.01%\"]")
            .with("gates.waiting_time", "[\"p(95) < 1s\"]")
            .with("cost.prices", "\"aws-ap-northeast-2\"")
            .with("cost.onsales_per_month", "3");
        unmoved(settings, &changed)
    });
}

#[test]
fn the_names_of_zones_move_no_figure() {
    always("the_names_of_zones", |settings| {
        let rename = |value: &str| {
            [
                ("\"a\"", "\"first\""),
                ("\"b\"", "\"second\""),
                ("\"c\"", "\"third\""),
            ]
            .iter()
            .fold(value.to_owned(), |value, (from, to)| {
                value.replace(from, to)
            })
        };
        let mut changed = settings.clone();
        for key in [
            "topology.zones",
            "topology.nat_gateways",
            "faults",
            "topology.redis.primary",
            "topology.database.primary",
        ] {
            if let Some(value) = settings.get(key) {
                changed = changed.with(key, rename(value));
            }
        }
        let zones = settings.get("topology.zones").unwrap_or_default();
        let ranges = |third: u8| {
            let named = [("\"a\"", "first"), ("\"b\"", "second"), ("\"c\"", "third")];
            let named = named.into_iter().filter(|(name, _)| zones.contains(name));
            let zones = named.map(|(_, name)| name).zip(third..);
            let zones = zones.map(|(zone, third)| format!("{zone} = \"10.0.{third}.0/24\""));
            format!("{{ {} }}", zones.collect::<Vec<_>>().join(", "))
        };
        let changed = changed
            .with("topology.subnets.public", ranges(1))
            .with("topology.subnets.private", ranges(11))
            .with("topology.subnets.data", ranges(21));
        // Without a zone `a`, the primaries are in the first zone: the scenario must say that it means the same.
        let stated = settings.get("topology.redis.primary").is_some();
        if zones.starts_with("[\"a\"") || stated {
            unmoved(settings, &changed)
        } else {
            Ok(())
        }
    });
}

#[test]
fn the_start_of_a_longer_run_is_the_shorter_run() {
    always("the_start_of_a_longer_run", |settings| {
        let short = run(settings)?;
        let seconds = short.plan.clock.duration.as_secs();
        let longer = settings
            .clone()
            .with("clock.duration", format!("\"{}s\"", seconds + 30));
        let long = run(&longer)?;
        // The last second includes what happens at the end of a run, such as buyers who leave because it is over.
        let until = usize::try_from(seconds).expect("a short run") - 1;
        for (second, (one, other)) in short
            .series
            .ticks()
            .iter()
            .zip(long.series.ticks())
            .take(until)
            .enumerate()
        {
            // Requests that have not ended are in no series yet.
            let mut one = one.clone();
            one.calls_due = other.calls_due;
            same(&format!("second {second}"), &one, other)?;
        }
        let before = |run: &Measurements| {
            let notices = run
                .timeline
                .iter()
                .filter(|notice| notice.at.as_secs() < seconds);
            notices.cloned().collect::<Vec<_>>()
        };
        same("notices", &before(&short), &before(&long))
    });
}

#[test]
fn the_warmup_moves_only_what_is_judged() {
    always("the_warmup_moves_only", |settings| {
        let one = run(&settings.clone().with("clock.warmup", "\"0s\""))?;
        let other = run(&settings.clone().with("clock.warmup", "\"10s\""))?;
        ensure(
            one.series == other.series && one.timeline == other.timeline,
            || "the warm-up moves the series".to_owned(),
        )?;
        let all = |run: &Measurements| run.tally.calls().0 + run.tally.calls_in_warmup;
        same("calls", &all(&one), &all(&other))?;
        same("left", &one.tally.left, &other.tally.left)
    });
}

#[test]
fn twice_the_prices_cost_twice_as_much() {
    always("twice_the_prices", |settings| {
        let run = run(settings)?;
        let statement = run.ending.statement.as_ref().ok_or("no statement")?;
        let book = PriceBook::built_in(&statement.price_book).ok_or("no price book")?;
        let mut dear = book;
        dear.prices
            .iter_mut()
            .for_each(|price: &mut Price| price.amount *= 2.0);
        let dear = statement.at_prices_of(&run.plan, &dear);
        same("usage", &statement.usage, &dear.usage)?;
        for (name, cheap, dear) in [
            ("run", &statement.run.total, &dear.run.total),
            ("month", &statement.month.total, &dear.month.total),
        ] {
            let (cheap, dear) = (cheap.at_least(), dear.at_least());
            let is_twice = (dear - 2.0 * cheap).abs() <= 1e-9 * dear.max(1.0);
            ensure(is_twice, || {
                format!("{name}: {cheap}, at twice the prices {dear}")
            })?;
        }
        Ok(())
    });
}

#[test]
fn the_order_of_faults_in_the_file_moves_nothing() {
    always("the_order_of_faults", |settings| {
        let faults = settings.get("faults").unwrap_or("[]");
        let mut listed: Vec<_> = faults.trim_matches(['[', ']']).split("}, ").collect();
        let moments: std::collections::BTreeSet<_> = plan(settings)?
            .faults
            .iter()
            .map(|fault| fault.at)
            .collect();
        if moments.len() < listed.len() {
            return Ok(()); // Faults at one moment strike in the order of the file.
        }
        listed.reverse();
        let listed: Vec<_> = listed
            .iter()
            .map(|fault| format!("{}}}", fault.trim_end_matches('}')))
            .collect();
        let changed = settings
            .clone()
            .with("faults", format!("[{}]", listed.join(", ")));
        same("plans", &plan(settings)?, &plan(&changed)?)
    });
}

#[test]
fn a_fault_that_hits_nothing_moves_no_request() {
    in_calm_sales("a_fault_that_hits_nothing", |settings| {
        let calm = run(settings)?;
        for fault in [
            "{ at = \"239999ms\", action = \"terminate-instances\", zone = \"b\", count = 1 }",
            "{ at = \"239999ms\", action = \"az-power-interruption\", zone = \"a\", lasts = \"1s\" }",
            "{ at = \"30s\", action = \"fill-redis-memory\", share = 0.001, lasts = \"1m\" }",
            "{ at = \"30s\", action = \"hold-database-connections\", count = 1, lasts = \"1m\" }",
            "{ at = \"30s\", action = \"delay-replica\", part = \"redis\", lag = \"2s\", lasts = \"1m\" }",
        ] {
            let broken = run(&settings.clone().with("faults", format!("[{fault}]")))?;
            same(
                &format!("requests with {fault}"),
                &calm.tally.operations,
                &broken.tally.operations,
            )?;
            let fault = format!("buyers with {fault}");
            same(&fault, &calm.tally.stages, &broken.tally.stages)?;
        }
        Ok(())
    });
}

#[test]
fn an_alarm_that_cannot_fire_moves_no_request() {
    in_calm_sales("an_alarm_that_cannot_fire", |settings| {
        let policy = "[{ metric = \"queue_size\", alarm = { above = 1_000_000 }, kind = \"simple\", adjust = 2 }]";
        let watched = run(&settings.clone().with("scaling.policies", policy))?;
        same("tally", &run(settings)?.tally, &watched.tally)
    });
}

#[test]
fn more_instances_or_faster_ones_fail_no_more_requests() {
    let failed = AtomicU64::new(0);
    in_calm_sales("more_instances_or_faster_ones", |settings| {
        // One slow instance, so that there is something to improve.
        let slow = settings
            .clone()
            .with("scaling.min", "1")
            .with("buyers.call_timeout", "\"150ms\"")
            .with("waiting_room.update_every", "\"200ms\"");
        let few = run(&slow)?;
        failed.fetch_add(failures(&few), Ordering::Relaxed);
        // A type that is 13 % faster changes who polls after which message, and with it a few failures.
        let nearly = failures(&few) + failures(&few) / 10 + 5;
        for (key, value, most) in [
            ("scaling.min", "4", failures(&few)),
            ("topology.instances.profile", "\"native\"", failures(&few)),
            ("topology.instances.class", "\"c6i.large\"", nearly),
        ] {
            let better = failures(&run(&slow.clone().with(key, value))?);
            ensure(better <= most, || {
                format!(
                    "{key} = {value}: {better} failures instead of {}",
                    failures(&few)
                )
            })?;
        }
        // With a faster type, percentiles are not monotone: who polls together, after which message, depends on every answer.
        // The percentiles of all requests depend on the share of each kind.
        let ideal = run(&slow
            .clone()
            .with("topology.instances.profile", "\"native\""))?;
        for operation in of_instances() {
            let (without, with) = (p95(&ideal, operation), p95(&few, operation));
            ensure(without <= with + DATABASE_SECONDS, || {
                format!(
                    "without service times, p95 of {operation} is {without} s instead of {with} s"
                )
            })?;
        }
        Ok(())
    });
    // Where nothing ever fails, nothing can fail less often.
    assert!(number("SWARM_SEED").is_some() || failed.into_inner() > 0);
}

#[test]
fn more_virtual_cpus_answer_no_faster() {
    in_calm_sales("more_virtual_cpus", |settings| {
        let large = settings
            .clone()
            .with("topology.instances.class", "\"t3.2xlarge\"");
        same("tally", &run(settings)?.tally, &run(&large)?.tally)
    });
}

#[test]
fn nobody_queues_if_there_are_slots_for_all() {
    in_calm_sales("nobody_queues", |settings| {
        let run = run(&settings.clone().with("waiting_room.active_max", "100000"))?;
        same("queued", &0, &run.tally.reached(Stage::Queued))?;
        same(
            "arrived, admitted",
            &run.tally.reached(Stage::Arrived),
            &run.tally.reached(Stage::Admitted),
        )
    });
}

#[test]
fn willing_buyers_buy_every_seat_that_they_can() {
    in_calm_sales("willing_buyers", |settings| {
        let run = run(settings)?;
        let seats = u64::from(run.plan.show.seats_total());
        let buyers = run.tally.arrivals.started;
        // Slots bound the pace: each buyer keeps one for some seconds, and the run is four minutes.
        let slots = u64::from(run.plan.waiting_room.active_max);
        if buyers / slots <= 6 {
            same("tickets", &seats.min(buyers), &paid(&run))?;
        }
        ensure(paid(&run) <= seats, || {
            format!("{} tickets for {seats} seats", paid(&run))
        })
    });
}

#[test]
fn more_seats_sell_no_fewer_tickets() {
    in_calm_sales("more_seats", |settings| {
        let seats = |rows: u32| {
            let sections =
                format!("[{{ name = \"R\", rows = {rows}, seats_per_row = 10, price = 1 }}]");
            run(&settings.clone().with("show.sections", sections))
        };
        let (few, many) = (paid(&seats(5)?), paid(&seats(25)?));
        ensure(few <= many, || {
            format!("{few} tickets of 50 seats, {many} of 250")
        })
    });
}

#[test]
fn a_block_of_seats_can_be_split() {
    in_calm_sales("a_block_of_seats", |settings| {
        let sections = |sections: &str| run(&settings.clone().with("show.sections", sections));
        let whole = sections("[{ name = \"R\", rows = 10, seats_per_row = 10, price = 1000 }]")?;
        let split = sections(
            "[{ name = \"R\", rows = 4, seats_per_row = 10, price = 9 }, { name = \"S\", rows = 6, seats_per_row = 10, price = 0 }]",
        )?;
        same("figures", &figures(&whole), &figures(&split))
    });
}

#[test]
fn impatient_buyers_give_up_no_less_often() {
    in_calm_sales("impatient_buyers", |settings| {
        let patience = |value: &str| run(&settings.clone().with("buyers.patience", value));
        let gave_up = |run: &Measurements| run.tally.left_for(LeaveReason::OutOfPatience);
        let (patient, impatient) = (patience("\"1h\"")?, patience("\"20s\"")?);
        ensure(gave_up(&patient) <= gave_up(&impatient), || {
            format!(
                "{} patient buyers give up, {} impatient ones",
                gave_up(&patient),
                gave_up(&impatient)
            )
        })
    });
}

#[test]
fn a_third_zone_sells_as_many_tickets() {
    in_calm_sales("a_third_zone", |settings| {
        let three = settings
            .clone()
            .with("topology.zones", "[\"a\", \"b\", \"c\"]");
        let (two, three) = (run(settings)?, run(&three)?);
        let sold = |run: &Measurements| match &run.ending.state {
            FinalState::Read(facts) => facts.seats_sold,
            FinalState::Unread { .. } => 0,
        };
        let difference = sold(&two).abs_diff(sold(&three));
        // Buyers meet other instances; where time runs out, that decides about one or two of them.
        ensure(difference <= 2, || {
            format!(
                "{} tickets in two zones, {} in three",
                sold(&two),
                sold(&three)
            )
        })
    });
}

#[test]
fn the_flag_for_buyers_brings_that_many() {
    in_calm_sales("the_flag_for_buyers", |settings| {
        let overrides = Overrides {
            buyers: Some(37),
            ..Overrides::default()
        };
        let plan = load("swarm.toml", &settings.text(), &overrides);
        let plan = plan.map_err(|problems| problems.to_string())?;
        same("buyers", &37, &play(&plan)?.tally.arrivals.started)
    });
}
