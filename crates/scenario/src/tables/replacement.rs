//! How the group replaces instances: maintenance policy, suspended processes, instance refreshes.

use std::collections::BTreeSet;
use std::time::Duration;

use super::limits;
use crate::diagnostic::Problem;
use crate::duration::Written;
use crate::keys::kind::{Instant, Kind, Length, List, OneOf, Or, Whole};
use crate::keys::{Form, Keys, key};
use crate::replacement::{HealthyRange, InstanceRefresh, Process};
use crate::scaling::Scaling;
use crate::value::Value;

/// The part of a group's settings that these keys set.
pub(super) struct Replacement {
    pub(super) maintenance: Option<HealthyRange>,
    pub(super) default_instance_warmup: Option<Duration>,
    pub(super) suspended: Vec<Process>,
    pub(super) refreshes: Vec<InstanceRefresh>,
}

/// Defaults of a refresh that other keys of the group set; `None` where one has a problem.
#[derive(Clone, Copy)]
struct Defaults {
    healthy: Option<HealthyRange>,
    instance_warmup: Option<Duration>,
}

pub(super) fn replacement(
    keys: &mut Keys<'_, '_, Scaling>,
    grace: Option<Duration>,
    end: Option<Duration>,
) -> Option<Replacement> {
    let maintenance = keys.table(
        key("instance_maintenance_policy", "How far the number of instances may go below and above the desired number while the group replaces some."),
        |scaling| &scaling.maintenance,
        policy,
    );
    let default_instance_warmup = keys.value(
        key("default_instance_warmup", "Time after an instance is in service until it counts as ready for the maintenance policy and for refreshes, and warming up for step policies; `none` for none."),
        Or("none", Length(limits::DELAY)),
        |scaling| scaling.default_instance_warmup,
    );
    let suspended = keys.value(
        key(
            "suspended_processes",
            "Processes of the group that do not run.",
        ),
        List(Suspendable, limits::PROCESSES),
        |scaling| scaling.suspended.clone(),
    );
    report_repeated(keys, suspended.as_deref().unwrap_or_default());
    let defaults = Defaults {
        healthy: maintenance.map(|policy| policy.unwrap_or(HealthyRange::REFRESH)),
        instance_warmup: default_instance_warmup
            .zip(grace)
            .map(|(warmup, grace)| warmup.unwrap_or(grace)),
    };
    let refreshes = keys.list(
        key("instance_refreshes", "Instance refreshes: the group replaces its instances, a few at a time, with ones of a new version."),
        limits::REFRESHES,
        Some("instance_refresh"),
        |scaling| &scaling.refreshes,
        |keys| refresh(keys, defaults, end),
    );
    let mut refreshes = refreshes.values?;
    refreshes.sort_by_key(|refresh| refresh.at);
    Some(Replacement {
        maintenance: maintenance?,
        default_instance_warmup: default_instance_warmup?,
        suspended: suspended?,
        refreshes,
    })
}

/// Both percentages, or neither.
fn policy(keys: &mut Keys<'_, '_, Option<HealthyRange>>) -> Option<Option<HealthyRange>> {
    let min_percent = keys.value(
        key(
            "min_healthy_percentage",
            "Instances that stay ready, in percent of the desired number; `none` without a policy.",
        ),
        Or("none", Whole(limits::HEALTHY_MIN)),
        |policy| policy.map(|range| range.min_percent),
    );
    let max_percent = keys.value(
        key(
            "max_healthy_percentage",
            "Instances that may exist, in percent of the desired number; `none` without a policy.",
        ),
        Or("none", Whole(limits::HEALTHY_MAX)),
        |policy| policy.map(|range| range.max_percent),
    );
    match (min_percent?, max_percent?) {
        (None, None) => Some(None),
        (Some(min_percent), Some(max_percent)) => {
            let range = HealthyRange {
                min_percent,
                max_percent,
            };
            report_wide(keys, range);
            Some(Some(range))
        }
        (Some(_), None) | (None, Some(_)) => {
            let message = "a maintenance policy needs both `min_healthy_percentage` and `max_healthy_percentage`";
            let problem = Problem::new(message).expected("both, or \"none\" for both");
            let help = "AWS rejects a policy with only one of them";
            keys.complain(&PERCENTAGES, problem.help(help));
            None
        }
    }
}

const PERCENTAGES: [&str; 2] = ["min_healthy_percentage", "max_healthy_percentage"];

fn report_wide<T>(keys: &Keys<'_, '_, T>, range: HealthyRange) {
    let HealthyRange {
        min_percent,
        max_percent,
    } = range;
    let widest = limits::HEALTHY_RANGE_MAX;
    if max_percent.saturating_sub(min_percent) > widest {
        let message = format!(
            "`max_healthy_percentage` ({max_percent}) is more than {widest} above `min_healthy_percentage` ({min_percent})"
        );
        let problem = Problem::new(message);
        let problem = problem.expected(format!("a maximum up to {}", min_percent + widest));
        let help = "AWS rejects a wider range; raise the minimum or lower the maximum";
        keys.complain(&PERCENTAGES, problem.help(help));
    }
}

fn refresh(
    keys: &mut Keys<'_, '_, InstanceRefresh>,
    defaults: Defaults,
    end: Option<Duration>,
) -> Option<InstanceRefresh> {
    let at = keys.value(key("at", "When it starts."), Instant, |refresh| refresh.at);
    let healthy = healthy(keys, defaults);
    let instance_warmup = keys.value(
        key("instance_warmup", "Time after a new instance is in service until it counts as ready; `default` is `default_instance_warmup`, or else `grace`."),
        Or("default", Length(limits::DELAY)),
        |refresh| Some(refresh.instance_warmup),
    );
    let checkpoints = keys.value(
        key("checkpoint_percentages", "Shares of the group, in percent and ascending, at which the refresh waits. The last one is where it ends."),
        List(Whole(limits::CHECKPOINT), limits::CHECKPOINTS),
        |refresh| refresh.checkpoints.clone(),
    );
    let checkpoint_delay = keys.value(
        key("checkpoint_delay", "How long it waits at a checkpoint."),
        Length(limits::CHECKPOINT_DELAY),
        |refresh| refresh.checkpoint_delay,
    );
    let new_version = keys.value(
        key("new_version", "What the application of the new version does: `answers`, or `never-answers` for a broken release."),
        OneOf::new(),
        |refresh| refresh.new_version,
    );
    let cancel_at = keys.value(
        key(
            "cancel_at",
            "When somebody cancels it; `never` if nobody does.",
        ),
        Or("never", Instant),
        |refresh| refresh.cancel_at,
    );
    if let Some(checkpoints) = &checkpoints
        && !checkpoints.is_sorted_by(|one, next| one < next)
    {
        let problem = Problem::new("`checkpoint_percentages` are not in ascending order");
        let problem = problem.expected("different percentages, from the lowest to the highest");
        let help = "AWS rejects any other order; the last one is where the refresh ends";
        keys.complain(&["checkpoint_percentages"], problem.help(help));
    }
    if let (Some(at), Some(end)) = (at, end)
        && at.since_start() >= end
    {
        let (at, end) = (Written(at.since_start()), Written(end));
        let message = format!("the refresh at {at} is after the end of the run ({end})");
        let problem = Problem::new(message).expected(format!("an instant before {end}"));
        let help = "lengthen `clock.duration`, or start it earlier";
        keys.complain(&["at"], problem.help(help));
    }
    if let (Some(at), Some(Some(cancel_at))) = (at, cancel_at)
        && cancel_at <= at
    {
        let [at, cancel_at] = [at, cancel_at].map(|instant| Written(instant.since_start()));
        let message = format!("`cancel_at` ({cancel_at}) is not after `at` ({at})");
        let problem = Problem::new(message).expected(format!("an instant after {at}"));
        let help = "only a refresh that is in progress can be canceled";
        keys.complain(&["cancel_at"], problem.help(help));
    }
    Some(InstanceRefresh {
        at: at?,
        healthy: healthy?,
        instance_warmup: instance_warmup?.or(defaults.instance_warmup)?,
        checkpoints: checkpoints?,
        checkpoint_delay: checkpoint_delay?,
        new_version: new_version?,
        cancel_at: cancel_at?,
    })
}

fn healthy(keys: &mut Keys<'_, '_, InstanceRefresh>, defaults: Defaults) -> Option<HealthyRange> {
    let min_percent = keys.value(
        key("min_healthy_percentage", "Instances that stay ready, in percent of the desired number; `policy` is the maintenance policy's, or else 90."),
        Or("policy", Whole(limits::HEALTHY_MIN)),
        |refresh| Some(refresh.healthy.min_percent),
    );
    let max_percent = keys.value(
        key("max_healthy_percentage", "Instances that may exist, in percent of the desired number; `policy` is the maintenance policy's, or else 100."),
        Or("policy", Whole(limits::HEALTHY_MAX)),
        |refresh| Some(refresh.healthy.max_percent),
    );
    let or_default = |stated: Option<u32>, of: fn(HealthyRange) -> u32| {
        stated.or_else(|| defaults.healthy.map(of))
    };
    let range = HealthyRange {
        min_percent: or_default(min_percent?, |range| range.min_percent)?,
        max_percent: or_default(max_percent?, |range| range.max_percent)?,
    };
    report_wide(keys, range);
    Some(range)
}

fn report_repeated(keys: &Keys<'_, '_, Scaling>, suspended: &[Process]) {
    let mut seen = BTreeSet::new();
    if let Some(process) = suspended.iter().find(|process| !seen.insert(**process)) {
        let name = process.name();
        let problem = Problem::new(format!("`suspended_processes` lists `{name}` twice"));
        let problem = problem.expected("each process once");
        keys.complain(&["suspended_processes"], problem.help("remove one of them"));
    }
}

/// A process that can be suspended here.
struct Suspendable;

/// Processes that AWS can suspend and a scenario cannot, each with the reason.
const UNSUPPORTED: [(&str, &str); 2] = [
    (
        "AddToLoadBalancer",
        "instances that nobody registers serve nobody: to keep a fleet small, lower `max`",
    ),
    (
        "InstanceRefresh",
        "a refresh that cannot run changes nothing: leave it out of `instance_refreshes`",
    ),
];

impl Kind for Suspendable {
    type Value = Process;

    fn form(&self) -> Form {
        OneOf::<Process>::new().form()
    }

    fn read(&self, value: &Value<'_>) -> Option<Process> {
        let unsupported = UNSUPPORTED.iter().find(|(name, _)| value.is_word(name));
        if let Some((_, why)) = unsupported {
            let problem = value.problem(", which is not simulated");
            value.complain(problem.expected(self.form()).help(*why));
            return None;
        }
        OneOf::new().read(value)
    }

    fn write(&self, value: &Process) -> String {
        OneOf::new().write(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::PolicyKind;
    use crate::{Overrides, load};

    fn problem(scaling: &str) -> String {
        let text = format!("name = \"x\"\n[scaling]\n{scaling}\n");
        let problems = load("x.toml", &text, &Overrides::default()).expect_err("has a mistake");
        assert_eq!(problems.problems().len(), 1, "{scaling}: {problems}");
        problems.to_string()
    }

    #[test]
    fn what_aws_rejects_is_rejected_with_its_reason() {
        let policy = |min: &str, max: &str| {
            format!(
                "instance_maintenance_policy = {{ min_healthy_percentage = {min}, max_healthy_percentage = {max} }}"
            )
        };
        let refresh = |keys: &str| format!("instance_refreshes = [{{ at = \"2m\", {keys} }}]");
        let cases = [
            (policy("101", "200"), "AWS permits 0 to 100 percent"),
            (policy("90", "99"), "AWS permits 100 to 200 percent"),
            (policy("50", "160"), "AWS rejects a wider range"),
            (
                policy("90", "\"none\""),
                "AWS rejects a policy with only one",
            ),
            (
                refresh("min_healthy_percentage = 20, max_healthy_percentage = 121"),
                "a maximum up to 120",
            ),
            // 90 is the default minimum.
            (
                refresh("max_healthy_percentage = 191"),
                "a maximum up to 190",
            ),
            (
                refresh("checkpoint_percentages = [50, 20]"),
                "AWS rejects any other order",
            ),
            (
                refresh("checkpoint_percentages = [50, 50]"),
                "AWS rejects any other order",
            ),
            (refresh("checkpoint_percentages = [0]"), "1 to 100"),
            (refresh("checkpoint_delay = \"49h\""), "48 hours at most"),
            (
                refresh("cancel_at = \"2m\""),
                "only a refresh that is in progress",
            ),
            (refresh("new_version = \"slow\""), "answers, never-answers"),
            (
                "instance_refreshes = [{ at = \"10m\" }]".to_owned(),
                "after the end of the run",
            ),
            (
                "launch_hook_timeout = \"29s\"".to_owned(),
                "AWS permits 30 seconds to 2 hours",
            ),
            (
                "suspended_processes = [\"InstanceRefresh\"]".to_owned(),
                "leave it out of",
            ),
            (
                "suspended_processes = [\"AddToLoadBalancer\"]".to_owned(),
                "lower `max`",
            ),
            (
                "suspended_processes = [\"Launch\", \"Launch\"]".to_owned(),
                "`Launch` twice",
            ),
            (
                "suspended_processes = [\"azrebalance\"]".to_owned(),
                "AZRebalance",
            ),
        ];
        for (scaling, reason) in cases {
            let shown = problem(&scaling);
            assert!(shown.contains(reason), "{scaling}: {shown}");
        }
    }

    #[test]
    fn a_step_policy_takes_its_warmup_from_the_group() {
        let warmup = |group: &str, own: &str| {
            let text = format!(
                "name = \"x\"\n[scaling]\n{group}\npolicies = [{{ metric = \"queue_size\", alarm = {{ above = 5 }}, \
                 kind = \"step\", steps = [{{ adjust = 1 }}]{own} }}]\n"
            );
            let plan = load("x.toml", &text, &Overrides::default());
            let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
            match &plan.scaling.policies[0].kind {
                PolicyKind::Step { warmup, .. } => warmup.as_secs(),
                PolicyKind::Simple { .. } => panic!("it is a step policy"),
            }
        };
        assert_eq!(warmup("", ""), 300);
        assert_eq!(warmup("default_instance_warmup = \"40s\"", ""), 40);
        let own = ", warmup = \"9s\"";
        assert_eq!(warmup("default_instance_warmup = \"40s\"", own), 9);
    }

    #[test]
    fn a_refresh_takes_its_defaults_from_the_group() {
        let refreshed = |scaling: &str| {
            let text = format!(
                "name = \"x\"\n[scaling]\ninstance_refreshes = [{{ at = \"2m\" }}]\n{scaling}\n"
            );
            let plan = load("x.toml", &text, &Overrides::default());
            let plan = plan.unwrap_or_else(|problems| panic!("{scaling}: {problems}"));
            let again = load("x.toml", &plan.to_toml(), &Overrides::default());
            let again = again.unwrap_or_else(|problems| panic!("{problems}"));
            assert_eq!(again.scaling, plan.scaling, "{}", plan.to_toml());
            let refresh = &plan.scaling.refreshes[0];
            (refresh.healthy, refresh.instance_warmup.as_secs())
        };
        let policy = "instance_maintenance_policy = { min_healthy_percentage = 100, max_healthy_percentage = 120 }";
        let of_the_policy = HealthyRange {
            min_percent: 100,
            max_percent: 120,
        };
        assert_eq!(refreshed("grace = \"2m\""), (HealthyRange::REFRESH, 120));
        let warmup = "grace = \"2m\"\ndefault_instance_warmup = \"40s\"";
        assert_eq!(refreshed(warmup), (HealthyRange::REFRESH, 40));
        assert_eq!(refreshed(policy), (of_the_policy, 300));
    }
}
