//! Words that the terminal summary and the page share.

use std::time::Duration;

use super::document::RunHeader;
use tiketi_buyer::observation::{LeaveReason, Stage};
use tiketi_cloud::notice::{AlarmState, DataTierPart, InstanceState, SwallowReason, What};
use tiketi_core::fault::catalog::FaultKind;
use tiketi_core::units::{SimTime, Won, ZoneId};
use tiketi_cost::price_book::{Basis, Currency};
use tiketi_cost::statement::{Bill, Line};
use tiketi_measure::{Engine, Measurements};
use tiketi_scenario::data_tier::DataTier;
use tiketi_scenario::topology::Topology;
use tiketi_verdict::figure::{in_words, percent};
use tiketi_verdict::recovery::{Outcome, Recovery, Work};
use tiketi_verdict::scale::ScaleAction;

/// A stage of the purchase.
pub(super) const fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Arrived => "arrived",
        Stage::PageLoaded => "loaded the page",
        Stage::Queued => "waited in the queue",
        Stage::Admitted => "admitted",
        Stage::SeatsSeen => "saw the seats",
        Stage::SeatHeld => "held a seat",
        Stage::Paid => "paid",
    }
}

/// Why a journey ended.
pub(super) const fn reason(reason: LeaveReason) -> &'static str {
    match reason {
        LeaveReason::Paid => "with a ticket",
        LeaveReason::SoldOut => "sold out",
        LeaveReason::OutOfPatience => "out of patience",
        LeaveReason::TooManyConflicts => "too many conflicts",
        LeaveReason::WalkedAway => "did not pay",
        LeaveReason::HoldExpired => "hold expired",
        LeaveReason::TooManyErrors => "too many errors",
        LeaveReason::Unfinished => "run ended first",
    }
}

/// A part of the data tier.
pub(super) const fn tier(part: DataTierPart) -> &'static str {
    match part {
        DataTierPart::Redis => "Redis",
        DataTierPart::Database => "database",
    }
}

/// A part of the data tier in the middle of a sentence.
pub(super) const fn the_tier(part: DataTierPart) -> &'static str {
    match part {
        DataTierPart::Redis => "Redis",
        DataTierPart::Database => "the database",
    }
}

/// A fault that strikes, in as few words as a mark on a chart has room for.
pub(super) fn struck_short(what: &What, topology: &Topology) -> String {
    let What::FaultStruck {
        action,
        zone: at,
        part,
    } = what
    else {
        return notice(what, topology);
    };
    let place = at.map(|at| zone(at, topology));
    let place = place.as_deref().unwrap_or_default();
    let primary = part.map_or("", tier);
    match action {
        FaultKind::AzPowerInterruption => format!("zone {place} lost"),
        FaultKind::TerminateInstances => format!("instances in {place} ended"),
        FaultKind::PauseInstances => format!("instances in {place} paused"),
        FaultKind::LoseAlbNode => format!("ALB node {place} lost"),
        FaultKind::LosePrimary => format!("{primary} primary lost"),
        FaultKind::PausePrimary => format!("{primary} primary paused"),
        FaultKind::DelayReplica => format!("{primary} replica delayed"),
        FaultKind::FillRedisMemory => "Redis memory filled".to_owned(),
        FaultKind::HoldDatabaseConnections => "connections held".to_owned(),
    }
}

/// How sure a price is.
pub(super) const fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Documented => "documented",
        Basis::Reported => "reported",
        Basis::Assumption => "assumption",
        Basis::NotFound => "no price found",
    }
}

/// What a bill leaves out, and why: `not metered: …`, `without a price: …`; empty if it has everything.
pub(super) fn left_out(bill: &Bill) -> Vec<String> {
    let named = |why: &str, lines: &mut dyn Iterator<Item = &Line>| {
        let titles: Vec<_> = lines.map(|line| line.title.as_str()).collect();
        (!titles.is_empty()).then(|| format!("{why}: {}", titles.join(", ")))
    };
    let without_price = |line: &&Line| line.basis == Basis::NotFound;
    let mut unmetered = bill.not_metered().filter(|line| !without_price(line));
    [
        named("not metered", &mut unmetered),
        named("without a price", &mut bill.not_priced()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// An amount of money; small ones with as many decimals as three figures take.
pub(super) fn money(amount: f64, currency: Currency) -> String {
    match currency {
        Currency::Krw => won(amount),
        Currency::Usd => format!("${amount:.*}", decimals(amount).max(2)),
    }
}

/// An amount in won; what is less than a hundred keeps a fraction.
pub(super) fn won(amount: f64) -> String {
    if amount.abs() < 100.0 {
        return format!("₩{amount:.*}", decimals(amount));
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a bill stays far below 2^63 won"
    )]
    let whole = amount.round() as i64;
    Won(whole).to_string()
}

/// Decimals that make three figures of an amount.
fn decimals(amount: f64) -> usize {
    match amount.abs() {
        0.0 | 100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        0.1.. => 3,
        0.01.. => 4,
        0.001.. => 5,
        0.000_1.. => 6,
        0.000_01.. => 7,
        0.000_001.. => 8,
        _ => 9,
    }
}

/// Scenario time and wall time of a run, and what lies between them.
pub(super) fn both_times(run: &RunHeader) -> String {
    let scenario = in_words(Duration::from_secs_f64(run.scenario_seconds));
    let wall = in_words(Duration::from_secs_f64(run.wall_seconds));
    let seed = run.seed;
    match run.engine {
        Engine::Live => format!(
            "{scenario} of scenario time in {wall} of wall time (speed {}); seed {seed}",
            run.speed
        ),
        Engine::Model => format!(
            "{scenario} of virtual time in {wall} of wall time ({:.0} scenario seconds a second); seed {seed}",
            run.speed
        ),
    }
}

/// The engine that played.
pub(super) const fn engine(engine: Engine) -> &'static str {
    match engine {
        Engine::Live => "live: real traffic",
        Engine::Model => "model: virtual time",
    }
}

/// What kept the data, by its name in the report's head.
pub(super) fn data_tier(name: &str) -> String {
    let means = match name {
        "embedded" => "stores in memory",
        "servers" => "Redis and PostgreSQL, replicated",
        "external" => "servers that existed before the run: in no zone, and broken by no fault",
        _ => return name.to_owned(),
    };
    format!("{name} ({means})")
}

/// What stands in place of the generator's checks where there is no generator; `None` where there is one.
pub(super) const fn no_generator(engine: Engine) -> Option<&'static str> {
    match engine {
        Engine::Live => None,
        Engine::Model => Some(
            "virtual time: there is no load generator that could be late, and no processor or open files of it to check",
        ),
    }
}

/// What the system under test was made of.
pub(super) fn emulation(run: &Measurements) -> String {
    let instances = &run.plan.topology.instances;
    let profile = &instances.profile.name;
    match (run.ending.engine, &run.ending.system) {
        (Engine::Model, _) => format!(
            "Nothing was sent anywhere: the model played buyers, load balancer, instances, Redis and database in virtual \
             time. Instances are modelled as {} with the service times of the profile {profile}, whose entries say which \
             are measured and which assumed; what the model leaves out (the machine, the kernel, the network beyond the \
             profile's latency) is an assumption. How far it agrees with a live run is what `tiketi-sim compare --model` \
             tells.",
            instances.class
        ),
        (Engine::Live, Some(_)) => {
            let data = match &run.plan.topology.data_tier {
                DataTier::Embedded => {
                    "Redis and PostgreSQL are stores in memory that stand in for them"
                }
                DataTier::Servers => {
                    "Redis and PostgreSQL are servers, replicated, on this machine, and the delays of their links stand in \
                     for the way between zones"
                }
                DataTier::External(_) => {
                    "Redis and PostgreSQL are servers that existed before the run: they are in no zone, so no fault took \
                     them, and none was promoted"
                }
            };
            format!(
                "Instances are emulated as {} with the service times of the profile {profile}, whose entries say which \
                 are measured and which assumed. {data}; load balancer, DNS and network are real, on loopback addresses.",
                instances.class
            )
        }
        (Engine::Live, None) => {
            "The system under test was there already: nothing of it is emulated.".to_owned()
        }
    }
}

/// What there is to tell about one recovery, as names and figures.
pub(super) fn recovery(recovery: &Recovery) -> Vec<(String, String)> {
    let outcome = match &recovery.outcome {
        Outcome::Recovered { after } => in_words(*after),
        Outcome::NotRecovered => "not within the run".to_owned(),
        Outcome::CouldNotTell { reason } => format!("could not tell: {reason}"),
    };
    let is_back = matches!(recovery.outcome, Outcome::Recovered { .. });
    let until = if is_back {
        "work until then"
    } else {
        "work since"
    };
    let mut told = vec![
        ("successful work back after".to_owned(), outcome),
        ("work before".to_owned(), work(recovery.before)),
        (until.to_owned(), work(recovery.during)),
    ];
    if !is_back {
        let name = format!("work in the last {} s", recovery.at_the_end.seconds);
        told.push((name, work(recovery.at_the_end)));
    }
    told.extend([
        (
            "longest time without a success".to_owned(),
            in_words(recovery.longest_stop),
        ),
        (
            "control plane reacted after".to_owned(),
            maybe(recovery.detected_after),
        ),
        (
            "first replacement in use after".to_owned(),
            maybe(recovery.replaced_after),
        ),
    ]);
    told.extend(recovery.failovers.iter().map(|failover| {
        let name = format!("{} takes writes after", tier(failover.tier));
        (name, maybe(failover.took))
    }));
    told
}

fn work(work: Work) -> String {
    let success = work.success_share();
    format!(
        "{:.1} useful calls a second, {} successful",
        work.useful_per_second(),
        success.map_or_else(|| "none".to_owned(), percent)
    )
}

fn maybe(length: Option<Duration>) -> String {
    length.map_or_else(|| "not within the run".to_owned(), in_words)
}

/// One scaling action from the crossing to the last instance in use.
pub(super) fn scaling(action: &ScaleAction) -> String {
    let at = |at: SimTime| in_words(at.since_start());
    let mut told = format!(
        "{}: {} → {} at {}",
        action.policy,
        action.from,
        action.to,
        at(action.acted_at)
    );
    // An alarm that stays up makes its policy act again and again; it rose once.
    match (action.crossed_at, action.alarm_at) {
        (_, Some(alarm)) if alarm < action.acted_at => {
            told = format!("{told}; its alarm stood since {}", at(alarm));
        }
        (Some(crossed), _) => told = format!("{told}; queue crossed at {}", at(crossed)),
        (None, _) => {}
    }
    let each = |instants: &[Option<SimTime>], reached: &str| {
        let after = |instant: &SimTime| in_words(instant.saturating_since(action.acted_at));
        let known: Vec<_> = instants.iter().flatten().map(after).collect();
        let missing = instants.len() - known.len();
        let mut parts = Vec::new();
        if !known.is_empty() {
            parts.push(format!("{reached} after {}", known.join(" and ")));
        }
        if missing > 0 {
            parts.push(format!("{missing} not {reached} within the run"));
        }
        parts
    };
    let useful = each(&action.useful_at, "in use");
    let gone = each(&action.gone_at, "gone");
    for part in useful.into_iter().chain(gone) {
        told = format!("{told}; {part}");
    }
    told
}

/// The name of a zone.
pub(super) fn zone(zone: ZoneId, topology: &Topology) -> String {
    let known = topology.zones.get(zone.index());
    known.map_or_else(|| zone.0.to_string(), |zone| zone.name.clone())
}

/// One notice of the control plane.
pub(super) fn notice(what: &What, topology: &Topology) -> String {
    let zone = |id: ZoneId| zone(id, topology);
    match what {
        What::FaultStruck {
            action,
            zone: at,
            part,
        } => match (at, part) {
            (Some(at), _) => format!("{action} strikes zone {}", zone(*at)),
            (None, Some(part)) => format!("{action} strikes {}", the_tier(*part)),
            (None, None) => format!("{action} strikes"),
        },
        What::FaultHealed {
            action,
            zone: at,
            part,
        } => match (at, part) {
            (Some(at), _) => format!("{action} heals in zone {}", zone(*at)),
            (None, Some(part)) => format!("{action} of {} heals", the_tier(*part)),
            (None, None) => format!("{action} heals"),
        },
        What::Alarm {
            policy,
            state,
            datapoint,
        } => {
            let decided = datapoint.map_or_else(String::new, |value| format!(" at {value:.0}"));
            format!("alarm of {policy}: {}{decided}", alarm(*state))
        }
        What::Scaled { policy, from, to } => format!("{policy} wants {to} instances, not {from}"),
        What::Swallowed { policy, reason } => {
            format!("{policy} does nothing: {}", swallowed(*reason))
        }
        What::Instance {
            instance,
            zone: at,
            state,
        } => format!("{instance} in zone {}: {}", zone(*at), lifecycle(*state)),
        What::PrimaryLost {
            tier: part,
            zone: at,
        } => {
            format!("{} primary in zone {} lost", tier(*part), zone(*at))
        }
        What::Promoted {
            tier: part,
            zone: at,
        } => {
            format!("{} takes writes in zone {}", tier(*part), zone(*at))
        }
    }
}

const fn alarm(state: AlarmState) -> &'static str {
    match state {
        AlarmState::Ok => "OK",
        AlarmState::Alarm => "ALARM",
        AlarmState::InsufficientData => "not enough data",
    }
}

const fn swallowed(reason: SwallowReason) -> &'static str {
    match reason {
        SwallowReason::ActivityInProgress => "the activity before has not ended",
        SwallowReason::Cooldown => "cooldown",
        SwallowReason::WarmingUp => "warming instances already count",
        SwallowReason::AtLimit => "the fleet is at its limit",
    }
}

/// A step in the life of an instance.
pub(super) const fn lifecycle(state: InstanceState) -> &'static str {
    match state {
        InstanceState::Pending => "launched",
        InstanceState::InService => "registered",
        InstanceState::Healthy => "healthy, gets requests",
        InstanceState::Unhealthy => "unhealthy",
        InstanceState::Draining => "draining",
        InstanceState::Terminated => "terminated",
        InstanceState::Lost => "lost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_keeps_three_figures() {
        let shown = [0.0, 0.001_234, 0.0934, 5.488, 27.3, 104.4, 254_693.0].map(won);
        let expected = [
            "₩0",
            "₩0.00123",
            "₩0.0934",
            "₩5.49",
            "₩27.3",
            "₩104",
            "₩254,693",
        ];
        assert_eq!(shown, expected);
        assert_eq!(money(12.5, Currency::Usd), "$12.50");
        assert_eq!(money(0.004_56, Currency::Usd), "$0.00456");
        assert_eq!(money(0.000_000_24, Currency::Usd), "$0.000000240");
    }
}
