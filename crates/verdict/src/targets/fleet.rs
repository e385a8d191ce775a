//! Claims about the fleet: how requests are spread, how the queue makes it grow, how large it gets.

use std::time::Duration;

use super::{Checked, Claim, Evidence, Found};
use crate::drain;
use crate::figure::{counted, grouped, in_words, percent, share, significant};
use crate::scale::{self, ScaleAction};
use tiketi_cloud::notice::InstanceState;
use tiketi_core::units::SimTime;
use tiketi_measure::Engine;
use tiketi_measure::gauges::Gauges;
use tiketi_scenario::scaling::{Comparison, Metric};

/// Time in service below which an instance's request rate is not compared (assumption): it is mostly the start.
const IN_SERVICE_MIN: Duration = Duration::from_secs(60);

/// States in which an instance is part of the fleet behind the load balancer.
const SERVING: [InstanceState; 2] = [InstanceState::InService, InstanceState::Healthy];

/// A4: how evenly requests were spread, and whether sessions stayed on their instance.
pub(super) fn spread(claim: &Claim, evidence: &Evidence<'_>) -> Checked {
    let system = evidence.run.ending.system.as_ref();
    let targets = system.map_or(&[][..], |system| &system.targets);
    // Rates and not counts: instances that were added later have served fewer requests in total.
    let rates: Vec<_> = targets
        .iter()
        .filter(|target| target.in_service >= IN_SERVICE_MIN)
        .filter_map(|target| share(target.requests, target.in_service.as_secs()))
        .collect();
    if rates.len() < 2 {
        return Err("fewer than two instances served for a minute or longer".into());
    }
    #[expect(clippy::cast_precision_loss, reason = "a handful of instances")]
    let mean = rates.iter().sum::<f64>() / rates.len() as f64;
    let busiest = rates.iter().copied().fold(0.0, f64::max);
    if mean <= 0.0 {
        return Err("no instance got a request".into());
    }
    let uneven = busiest / mean;
    let mut measured = format!(
        "the busiest of {} instances got {} × the mean request rate",
        rates.len(),
        significant(uneven)
    );
    let sticky = system.and_then(|system| system.stickiness);
    let routed = sticky.map_or(0, |sticky| sticky.kept + sticky.target_gone + sticky.broken);
    let broken = sticky.map_or(0, |sticky| sticky.broken);
    if let (Some(sticky), Some(kept)) =
        (sticky, sticky.and_then(|sticky| share(sticky.kept, routed)))
    {
        measured = format!(
            "{measured}; {} of {} requests with a stickiness cookie reached its instance, {} were moved because the instance \
             was gone or unhealthy, {} although it was healthy",
            percent(kept),
            grouped(routed),
            grouped(sticky.target_gone),
            grouped(broken)
        );
    }
    let found = Found::new(claim.admits(uneven) && broken == 0, measured);
    Ok(found.without_unless(routed > 0, "stickiness"))
}

/// A7: the fleet at the start of the run.
pub(super) fn initial(evidence: &Evidence<'_>) -> Checked {
    let initial = &evidence.run.plan.topology.instances.initial;
    let zones = &evidence.run.plan.topology.zones;
    let shown: Vec<_> = zones
        .iter()
        .zip(initial)
        .map(|(zone, count)| format!("{count} in zone {}", zone.name))
        .collect();
    let shown = shown.join(", ");
    if initial[..] != [3, 2] {
        return Err(format!("this scenario starts with {shown}").into());
    }
    let seen = readings(evidence).next();
    let seen = seen.ok_or("the size of the fleet was never read")?;
    let serving = seen.instances_in(&SERVING);
    let measured = format!("started with {shown}; {serving} in service at the first reading");
    let left_out = match evidence.run.ending.engine {
        Engine::Live => "Node.js (replaced by the reference server)",
        Engine::Model => "Node.js (replaced by a service-time profile)",
    };
    Ok(Found::new(serving == 5, measured).without(left_out))
}

/// Runs of the Lambda below which its interval is not judged: of `n` runs it is known only to `length / n`.
const MONITOR_RUNS_MIN: u64 = 5;

/// A13: how often the Lambda ran.
pub(super) fn monitor(claim: &Claim, evidence: &Evidence<'_>) -> Checked {
    let system = evidence.run.ending.system.as_ref();
    let runs = system.and_then(|system| system.monitor_runs);
    let runs = runs.filter(|runs| *runs >= MONITOR_RUNS_MIN);
    let runs = runs.ok_or("the queue monitor ran too few times to know its interval")?;
    let length = evidence.run.ending.ended_at.as_secs_f64();
    let each = |runs: u64| length / share(runs, 1).unwrap_or(1.0);
    // `n` samples enclose `n - 1` intervals, and the first comes at an unknown phase. So the run is between `n - 1` and
    // `n + 1` intervals long, and the interval is known only to lie between these two.
    let (shortest, longest) = (each(runs + 1), each(runs - 1));
    let measured = format!(
        "the emulated Lambda took {} samples in {}, one every {:.0} s",
        grouped(runs),
        in_words(evidence.run.ending.ended_at.since_start()),
        each(runs)
    );
    let is_seldom = claim.high.is_some_and(|high| shortest > high);
    let is_often = claim.low.is_some_and(|low| longest < low);
    Ok(Found::new(!is_seldom && !is_often, measured))
}

/// A14: time from the queue crossing a threshold to the alarm.
pub(super) fn alarms(claim: &Claim, evidence: &Evidence<'_>) -> Checked {
    let policies = evidence.run.plan.scaling.policies.iter();
    let alarms: Vec<_> = policies
        .map(|policy| policy.alarm)
        .filter(|alarm| alarm.metric == Metric::QueueSize)
        .collect();
    let documented = [(Comparison::Above, 5_000.0), (Comparison::Below, 1_000.0)];
    let as_documented = alarms.iter().all(|alarm| {
        documented.iter().any(|(comparison, threshold)| {
            // Thresholds are whole buyers, stored as floats.
            alarm.comparison == *comparison && (alarm.threshold - threshold).abs() < 0.5
        })
    });
    if !as_documented {
        let others: Vec<_> = alarms
            .iter()
            .map(|alarm| alarm.threshold.to_string())
            .collect();
        return Err(format!(
            "the alarms of this scenario are at {}",
            others.join(" and ")
        )
        .into());
    }
    let longest = claim.high.map_or(Duration::MAX, Duration::from_secs_f64);
    let silent = scale::unanswered(evidence.run, longest);
    if let Some(first) = silent.first() {
        let crossed_at = in_words(first.crossed_at.since_start());
        return Ok(Found::new(
            false,
            format!(
                "{} did not fire within {} of the crossing at {crossed_at}",
                first.policy,
                in_words(longest)
            ),
        ));
    }
    let mut delays: Vec<_> = evidence
        .scaling
        .iter()
        .filter_map(|action| Some((action, action.alarm_delay()?)))
        .collect();
    // An alarm that stays in ALARM triggers its policy again and again, but it fired once.
    delays.dedup_by_key(|(action, _)| (action.policy.clone(), action.alarm_at));
    let slowest = delays.iter().map(|(_, delay)| *delay).max();
    let slowest = slowest.ok_or("the queue crossed no threshold that has an alarm")?;
    let shown: Vec<_> = delays
        .iter()
        .map(|(action, delay)| format!("{} after {}", action.policy, in_words(*delay)))
        .collect();
    let measured = format!(
        "from crossing the threshold to the alarm: {}",
        shown.join(", ")
    );
    let acted = |grew: bool| {
        let mut actions = delays.iter();
        actions.any(|(action, _)| (action.to > action.from) == grew)
    };
    Ok(Found::new(claim.admits(slowest.as_secs_f64()), measured)
        .without_unless(acted(true), "scale-out")
        .without_unless(acted(false), "scale-in"))
}

/// A15: time from the scaling action to instances in service.
pub(super) fn in_service(claim: &Claim, evidence: &Evidence<'_>) -> Checked {
    let policies = &evidence.run.plan.scaling.policies;
    // Scheduled actions also change the fleet; the claim is about policies.
    let by_policy =
        |action: &&ScaleAction| policies.iter().any(|policy| policy.name == action.policy);
    let grown: Vec<_> = evidence
        .scaling
        .iter()
        .filter(by_policy)
        .filter(|action| action.to > action.from)
        .collect();
    if grown.is_empty() {
        return Err("no policy scaled out".into());
    }
    let ended_at = evidence.run.ending.ended_at;
    // An action whose instances were still booting when the run ended has no time yet, unless it had all the time that the claim
    // allows.
    let is_overdue = |action: &&&ScaleAction| {
        let waited = ended_at.saturating_since(action.acted_at);
        action.in_service_after().is_none()
            && !action.is_lost()
            && !claim.admits(waited.as_secs_f64())
    };
    let overdue = grown.iter().filter(is_overdue).count();
    let times: Vec<_> = grown
        .iter()
        .filter_map(|action| Some((action, action.in_service_after()?)))
        .collect();
    let slowest = times.iter().map(|(_, after)| *after).max();
    if slowest.is_none() && overdue == 0 {
        return Err("no added instance was in service before the run ended".into());
    }
    let mut shown: Vec<_> = times
        .iter()
        .map(|(action, after)| {
            let added = action.to - action.from;
            let after = in_words(*after);
            match action.lost {
                0 => format!("+{added} after {after}"),
                lost => format!(
                    "+{} of {added} after {after}, {lost} lost to a fault",
                    added - lost
                ),
            }
        })
        .collect();
    if overdue > 0 {
        let actions = counted(overdue as u64, "action");
        shown.push(format!(
            "not all instances of {actions} before the run ended"
        ));
    }
    let removed = evidence
        .scaling
        .iter()
        .filter(|action| action.to < action.from);
    let removed: Vec<_> = removed.flat_map(removal_in_words).collect();
    let max = evidence.run.plan.scaling.max;
    // The last step before the maximum may be smaller than two.
    let by_two = |action: &&ScaleAction| action.to - action.from == 2 || action.to == max;
    let by_two = grown.iter().all(by_two);
    let mut measured = format!("added instances in service: {}", shown.join(", "));
    if !removed.is_empty() {
        measured = format!("{measured}; removed instances gone: {}", removed.join(", "));
    }
    let drained = draining(evidence);
    if let Some((_, told)) = &drained {
        measured = format!("{measured}; {told}");
    }
    let is_quick = slowest.is_none_or(|slowest| claim.admits(slowest.as_secs_f64()));
    let is_gentle = drained.as_ref().is_none_or(|(is_gentle, _)| *is_gentle);
    let found = Found::new(is_quick && overdue == 0 && by_two && is_gentle, measured);
    Ok(found
        .without_unless(!removed.is_empty(), "scale-in")
        .without_unless(
            drained.is_some(),
            "whether draining dropped users (no instance was drained without a fault)",
        ))
}

/// Share of requests that may fail while an instance is drained without users being dropped (assumption: the preset's gate).
const DRAIN_FAILED_MAX: f64 = 0.01;

/// Whether requests went on while instances were drained, and what it did to connections; `None` if none was drained, or only
/// while a fault disturbed the system.
fn draining(evidence: &Evidence<'_>) -> Option<(bool, String)> {
    let run = evidence.run;
    let drains = drain::drains(run, SimTime::ZERO, run.ending.ended_at);
    let quiet = drains
        .iter()
        .filter(|drain| !drain.is_disturbed(evidence.recoveries));
    let quiet: Vec<_> = quiet.copied().collect();
    let longest = quiet.iter().map(|drain| drain.took()).max()?;
    let shares = quiet
        .iter()
        .map(|drain| share(drain.failed, drain.requests).unwrap_or(0.0));
    let worst = shares.fold(0.0, f64::max);
    let cut = drain::sockets_cut(run, &quiet);
    let told = format!(
        "{} drained within {}: at most {} of the requests failed meanwhile, and {} were closed at the end, whose buyers reconnect",
        counted(quiet.len() as u64, "instance"),
        in_words(longest),
        percent(worst),
        counted(cut, "connection")
    );
    Some((worst <= DRAIN_FAILED_MAX, told))
}

fn removal_in_words(action: &ScaleAction) -> Vec<String> {
    let after = |gone: &SimTime| in_words(gone.saturating_since(action.acted_at));
    let gone = action.gone_at.iter().flatten();
    gone.map(|gone| format!("-1 after {}", after(gone)))
        .collect()
}

/// Instances at the peak (documented, A16 and B4).
const PEAK: u32 = 10;

/// A16 and B4: the smallest and the largest fleet.
pub(super) fn size(evidence: &Evidence<'_>) -> Checked {
    let scaling = &evidence.run.plan.scaling;
    if (scaling.min, scaling.max) != (2, PEAK) {
        return Err(format!(
            "the fleet of this scenario has {} to {} instances",
            scaling.min, scaling.max
        )
        .into());
    }
    let desired: Vec<_> = readings(evidence)
        .map(|gauges| gauges.desired_instances)
        .collect();
    let bounds = (desired.iter().min(), desired.iter().max());
    let (Some(&fewest), Some(&most)) = bounds else {
        return Err("the size of the fleet was never read".into());
    };
    let serving = readings(evidence).map(|gauges| gauges.instances_in(&SERVING));
    let serving_most = serving.max().unwrap_or(0);
    let desired = if fewest == most {
        format!("{most} instances desired throughout")
    } else {
        format!("{fewest} to {most} instances desired")
    };
    let measured = format!("{desired}, at most {serving_most} in service at once");
    // Scheduled actions may raise the maximum for a part of the run.
    let stayed = fewest >= scaling.min && most <= scaling.fleet_max();
    Ok(Found::new(stayed, measured).without_unless(
        most == PEAK,
        "the peak of 10 instances, which this run did not need",
    ))
}

fn readings<'a>(evidence: &Evidence<'a>) -> impl Iterator<Item = &'a Gauges> + use<'a> {
    let ticks = evidence.run.series.ticks().iter();
    ticks.filter_map(|tick| tick.gauges.as_ref())
}
