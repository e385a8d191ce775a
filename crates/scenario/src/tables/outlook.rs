//! What a run of this length can show at all: buyers whose pauses are longer than the run do nothing, and an alarm
//! beyond what its metric can reach never fires.

use std::time::Duration;

use crate::arrival::ArrivalPhase;
use crate::diagnostic::Problem;
use crate::document::Section;
use crate::duration::Written;
use crate::edge::{ApiWay, Edge, RoomPlace};
use crate::plan::Temperament;
use crate::scaling::{Alarm, Comparison, Metric, MissingData, Scaling};
use tiketi_core::instance_class::InstanceClass;
use tiketi_core::units::SimTime;

/// The parts of a scenario that decide it; `None` where one has a problem.
pub(super) struct Outlook<'p> {
    pub(super) end: Option<Duration>,
    pub(super) arrivals: Option<&'p [ArrivalPhase]>,
    pub(super) buyers: Option<&'p Temperament>,
    /// EC2 instance type.
    pub(super) class: Option<InstanceClass>,
    pub(super) edge: Option<&'p Edge>,
}

impl Outlook<'_> {
    /// Reports what makes the run pointless, and warns of what can never happen in it.
    pub(super) fn report(&self, root: &Section<'_>, scaling: Option<&Scaling>) {
        self.report_idle_buyers(root);
        self.report_far_edge(root);
        self.warn_of_unreachable_alarms(root, scaling);
        self.warn_of_slow_alarms(root, scaling);
    }

    /// Rejects pauses with which nobody joins the queue, and warns of those with which nobody can hold a seat or pay.
    fn report_idle_buyers(&self, root: &Section<'_>) -> Option<()> {
        let (end, arrivals, buyers) = (self.end?, self.arrivals?, self.buyers?);
        let first = arrivals.iter().map(|phase| phase.shape.start()).min()?;
        let left = (SimTime::ZERO + end).saturating_since(first);
        let count = self.buyers_planned()?;
        let browse = buyers.browse.shortest_of(count);
        // Two pauses: after the list of shows, and after the show.
        let queued = browse.saturating_mul(2);
        let picked = queued.saturating_add(buyers.seat_pick.shortest_of(count));
        let paid = picked.saturating_add(buyers.payment.shortest_of(count));
        let steps = [
            ("browse", queued, "no buyer reaches the queue"),
            ("seat_pick", picked, "no buyer can hold a seat"),
            ("payment", paid, "no buyer can pay"),
        ];
        let (key, at_least, consequence) = steps.into_iter().find(|(_, time, _)| *time >= left)?;
        let (at_least, left) = (Written(at_least), Written(left));
        let message = format!(
            "{consequence}: with `buyers.{key}` it takes {at_least} or longer, and the run ends {left} after the first arrival"
        );
        let problem = Problem::new(message)
            .expected(format!("pauses that leave time within {left}"))
            .help(format!(
                "shorten `buyers.{key}`, or lengthen `clock.duration`"
            ));
        let section = root.peek("buyers");
        let stated = section.find(key).filter(|value| value.is_in_file());
        match (key, stated) {
            ("browse", Some(value)) => value.complain(problem),
            ("browse", None) => root.peek("clock").complain(&["duration"], problem),
            (_, Some(value)) => value.warn(problem),
            (_, None) => {
                if let Some(duration) = root.peek("clock").find("duration") {
                    duration.warn(problem);
                }
            }
        }
        Some(())
    }

    /// Rejects an edge that is farther away than buyers wait for a response, if they send it more than page loads.
    fn report_far_edge(&self, root: &Section<'_>) -> Option<()> {
        let (edge, buyers) = (self.edge?, self.buyers?);
        let key = match (edge.api, edge.waiting_room) {
            (ApiWay::Through, _) => "api",
            (ApiWay::Direct, RoomPlace::Edge) => "waiting_room",
            (ApiWay::Direct, RoomPlace::Application) => return None,
        };
        let (latency, patience) = (edge.latency, buyers.call_timeout);
        if latency < patience {
            return None;
        }
        let (latency, patience) = (Written(latency), Written(patience));
        let message = format!(
            "no request that `{key}` sends to the edge is answered in time: `latency` is {latency}, and buyers give up after {patience} (`buyers.call_timeout`)"
        );
        let problem = Problem::new(message).expected(format!("a latency below {patience}"));
        let help = format!("lower `latency`, or remove `{key}`");
        let section = root.peek("topology").peek("edge");
        section.complain(&["latency", key], problem.help(help));
        Some(())
    }

    /// Warns of stated alarms that no value of their metric sets off.
    fn warn_of_unreachable_alarms(
        &self,
        root: &Section<'_>,
        scaling: Option<&Scaling>,
    ) -> Option<()> {
        let section = root.peek("scaling");
        let stated = section
            .find("policies")
            .filter(|value| value.is_in_file())?;
        let elements = stated.elements(super::limits::POLICIES)?;
        for (element, policy) in elements.iter().zip(&scaling?.policies) {
            let Some((most, because)) = self.most(policy.alarm.metric) else {
                continue;
            };
            if !is_unreachable(&policy.alarm, most) {
                continue;
            }
            let Alarm {
                metric,
                comparison,
                threshold,
                ..
            } = policy.alarm;
            let (name, metric) = (&policy.name, metric.name());
            let (side, expected) = match comparison {
                Comparison::Above => ("above", format!("a threshold below {most}")),
                Comparison::Below => ("below", "a threshold above 0".to_owned()),
            };
            let message = format!(
                "the alarm of `{name}` cannot fire: `{metric}` {side} {threshold}, and it is from 0 to {most}, {because}"
            );
            let problem = Problem::new(message).expected(expected);
            element.warn(problem.help("change the threshold, or remove the policy"));
        }
        Some(())
    }

    /// Warns of stated alarms whose periods are not over before the run is: an alarm sees only periods that have ended.
    fn warn_of_slow_alarms(&self, root: &Section<'_>, scaling: Option<&Scaling>) -> Option<()> {
        let end = self.end?;
        let section = root.peek("scaling");
        let stated = section
            .find("policies")
            .filter(|value| value.is_in_file())?;
        let elements = stated.elements(super::limits::POLICIES)?;
        for (element, policy) in elements.iter().zip(&scaling?.policies) {
            let Some(needed) = seen_after(&policy.alarm).filter(|needed| *needed > end) else {
                continue;
            };
            let (name, needed, end) = (&policy.name, Written(needed), Written(end));
            let message = format!(
                "the alarm of `{name}` cannot fire: the periods it needs are over after {needed}, and the run ends after {end}"
            );
            let problem = Problem::new(message).expected(format!("periods that end within {end}"));
            let help =
                "shorten `period`, lower the M in `datapoints`, or lengthen `clock.duration`";
            element.warn(problem.help(help));
        }
        Some(())
    }

    /// The highest value of a metric, and why; `None` if a problem hides it.
    fn most(&self, metric: Metric) -> Option<(f64, String)> {
        match metric {
            Metric::QueueSize => {
                let buyers = self.buyers_planned()?;
                Some((f64::from(buyers), "the number of buyers".to_owned()))
            }
            Metric::CpuUtilization => {
                let class = self.class?;
                let because = format!(
                    "because Node.js runs on one virtual CPU, and CloudWatch shows the mean over all of a {class}"
                );
                Some((class.cpu_utilization_max(), because))
            }
        }
    }

    /// Whole buyers of the run, rounded up; `None` if the arrivals have a problem.
    fn buyers_planned(&self) -> Option<u32> {
        let planned: f64 = self.arrivals?.iter().map(ArrivalPhase::total).sum();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the number of buyers is limited to ten million"
        )]
        Some(planned.ceil() as u32)
    }
}

/// Time until as many periods as an alarm needs have ended; `None` if missing datapoints can set it off.
fn seen_after(alarm: &Alarm) -> Option<Duration> {
    match alarm.missing {
        MissingData::Breaching => None,
        MissingData::Missing | MissingData::Ignore | MissingData::NotBreaching => {
            Some(alarm.period.saturating_mul(alarm.datapoints_to_alarm))
        }
    }
}

fn is_unreachable(alarm: &Alarm, most: f64) -> bool {
    match alarm.comparison {
        Comparison::Above => alarm.threshold >= most,
        Comparison::Below => alarm.threshold <= 0.0,
    }
}

#[cfg(test)]
mod tests {
    use crate::{Overrides, load_with_warnings};

    /// All problems of an invalid scenario, or all warnings about a valid one.
    fn told(text: &str) -> String {
        match load_with_warnings("x.toml", text, &Overrides::default()) {
            Ok(loaded) => loaded.warnings.to_string(),
            Err(problems) => format!("error: {problems}"),
        }
    }

    #[test]
    fn pauses_longer_than_the_run_are_reported_by_name() {
        let with =
            |buyers: &str| told(&format!("[clock]\nduration = \"2m\"\n[buyers]\n{buyers}\n"));
        assert!(
            with("browse = \"31d\"").starts_with(
                "error: x.toml:4:10: no buyer reaches the queue: with `buyers.browse` it takes 62d"
            ),
            "{}",
            with("browse = \"31d\"")
        );
        let uniform = with("browse = { distribution = \"uniform\", from = \"40s\", to = \"1h\" }");
        assert!(uniform.starts_with("error: "), "{uniform}");
        let seats = with("seat_pick = \"1h\"");
        assert!(
            seats.starts_with(
                "x.toml:4:13: warning: no buyer can hold a seat: with `buyers.seat_pick`"
            ),
            "{seats}"
        );
        let payment = with("payment = \"59s\"");
        assert!(payment.contains("warning: no buyer can pay"), "{payment}");
        for in_time in [
            "browse = \"1s\"",
            "payment = \"40s\"",
            "payment = { distribution = \"exponential\", mean = \"1h\" }",
        ] {
            assert_eq!(with(in_time), "", "{in_time}");
        }
    }

    #[test]
    fn an_edge_beyond_the_patience_of_buyers_is_rejected_where_it_is() {
        let with = |edge: &str| told(&format!("[topology.edge]\nlatency = \"12s\"\n{edge}\n"));
        for key in ["api = \"through\"", "waiting_room = \"edge\""] {
            let shown = with(key);
            assert!(
                shown.starts_with("error: x.toml:2:11: no request that `"),
                "{shown}"
            );
            assert!(shown.contains("a latency below 10s"), "{shown}");
        }
        assert_eq!(with(""), "", "pages may be slow");
        assert_eq!(
            with("api = \"through\"\n[buyers]\ncall_timeout = \"13s\""),
            ""
        );
    }

    #[test]
    fn alarms_that_cannot_fire_are_warned_of() {
        let with = |metric: &str, alarm: &str| {
            told(&format!(
                "arrivals = [{{ shape = \"onsale\", buyers = 500 }}]\n[[scaling.policies]]\nname = \"mine\"\n\
                 metric = \"{metric}\"\nkind = \"simple\"\nadjust = 1\nalarm = {{ {alarm} }}\n"
            ))
        };
        let cpu = with("cpu_utilization", "above = 60");
        assert!(
            cpu.starts_with("x.toml:2:1: warning: the alarm of `mine` cannot fire: `cpu_utilization` above 60, and it is from 0 to 50"),
            "{cpu}"
        );
        for unreachable in ["above = 50", "below = 0", "below = -1"] {
            assert!(
                with("cpu_utilization", unreachable).contains("warning: "),
                "{unreachable}"
            );
        }
        assert!(with("queue_size", "above = 500").contains("the number of buyers"));
        for reachable in ["above = 49.9", "below = 0.1"] {
            assert_eq!(with("cpu_utilization", reachable), "", "{reachable}");
        }
        assert_eq!(with("queue_size", "above = 499"), "");
    }

    #[test]
    fn alarms_whose_periods_outlast_the_run_are_warned_of() {
        let with = |alarm: &str| {
            told(&format!(
                "clock = {{ duration = \"10m\" }}\narrivals = [{{ shape = \"onsale\", buyers = 500 }}]\n\
                 [[scaling.policies]]\nname = \"mine\"\nmetric = \"queue_size\"\nkind = \"simple\"\nadjust = 1\n\
                 alarm = {{ above = 100, {alarm} }}\n"
            ))
        };
        let slow = with("period = \"5m\", datapoints = \"3 of 3\"");
        assert!(
            slow.contains(
                "the alarm of `mine` cannot fire: the periods it needs are over after 15m, and the run ends after 10m"
            ),
            "{slow}"
        );
        assert!(with("period = \"11m\"").contains("warning: "));
        for in_time in [
            "period = \"5m\", datapoints = \"2 of 3\"",
            "period = \"5m\", datapoints = \"3 of 3\", missing = \"breaching\"",
        ] {
            assert_eq!(with(in_time), "", "{in_time}");
        }
    }
}
