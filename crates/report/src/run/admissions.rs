//! How buyers learned of their admission, and what it cost those who missed a message.

use serde::Serialize;

use tiketi_buyer::observation::Learned;
use tiketi_measure::Measurements;
use tiketi_measure::admissions::{Admissions, WayOfLearning};
use tiketi_scenario::operation::Operation;
use tiketi_verdict::figure::share;

use crate::number::Number;
use crate::page::{Cell, Column, Prose, Section, Table};
use crate::wording::capitalized;

/// The admissions of a run in which somebody had to wait.
#[derive(Clone, Debug, Serialize)]
pub struct AdmissionsReport {
    /// By how the buyers learned of them.
    pub ways: Vec<AdmissionRow>,
    /// What missed messages cost, in sentences; `None` if no channel was there that could bring them.
    pub cost: Option<String>,
}

/// Admissions that buyers learned of in one way.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct AdmissionRow {
    /// How.
    pub learned: Learned,
    /// How many.
    pub admissions: u64,
    /// Share of all admissions.
    pub share: Option<f64>,
    /// Mean time in the queue in seconds; `None` without admissions.
    pub mean_wait_seconds: Option<f64>,
}

/// Reports the admissions; `None` if nobody was admitted after a wait.
pub(super) fn report(run: &Measurements) -> Option<AdmissionsReport> {
    let admissions = &run.tally.admissions;
    if admissions.after_waiting() == 0 {
        return None;
    }
    let all = admissions.after_waiting() + admissions.at_once;
    let row = |learned| {
        let way = admissions.of(learned);
        AdmissionRow {
            learned,
            admissions: way.count,
            share: share(way.count, all),
            mean_wait_seconds: way.mean_seconds(),
        }
    };
    let connects = run.tally.operation(Some(Operation::SocketConnect)).calls();
    let has_channel = connects > 0 || run.tally.sockets.connected > 0;
    Some(AdmissionsReport {
        ways: Learned::ALL.into_iter().map(row).collect(),
        cost: has_channel.then(|| cost(admissions)),
    })
}

/// What it cost to learn of an admission by a poll.
fn cost(admissions: &Admissions) -> String {
    let messages = admissions.of(Learned::Message);
    let (missed, without) = (
        admissions.of(Learned::PollBeforeMessage),
        admissions.of(Learned::Poll),
    );
    let polls = WayOfLearning {
        count: missed.count + without.count,
        total: missed.total + without.total,
    };
    let (Some(by_message), Some(by_poll)) = (messages.mean_seconds(), polls.mean_seconds()) else {
        return if polls.count == 0 {
            "No admission was learned of by a poll: no message was missed.".to_owned()
        } else {
            "No admission was learned of by a message. A poll tells a buyer half its interval later on average.".to_owned()
        };
    };
    let longer = by_poll - by_message;
    let difference = Number::seconds(longer.abs());
    let compared = if longer > 0.0 {
        format!("{difference} longer than")
    } else {
        format!("{difference} less than")
    };
    let difference = format!(
        "Buyers who learned of it by a poll waited {compared} those who got a message, on average."
    );
    if missed.count == 0 {
        return difference;
    }
    format!(
        "{difference} {} of {} polls that told of an admission were sent while the channel was open: its message came later, or never.",
        Number::count(missed.count),
        Number::count(polls.count),
    )
}

/// Adds the table and what it says to the section about buyers.
pub(super) fn explain(report: Option<&AdmissionsReport>, section: Section) -> Section {
    let Some(report) = report else {
        return section;
    };
    let columns = vec![
        Column::label("Learned of it"),
        Column::number("Admissions"),
        Column::number("Share"),
        Column::number("Mean wait"),
    ];
    let rows = report.ways.iter().filter(|row| row.admissions > 0);
    let rows = rows.map(|row| {
        vec![
            Cell::text(capitalized(in_words(row.learned))),
            Cell::count(row.admissions),
            Cell::number(row.share.map(Number::share)),
            Cell::number(row.mean_wait_seconds.map(Number::seconds)),
        ]
    });
    let table = Table::new(columns)
        .titled("Admissions by how buyers learned of them")
        .with_rows(rows);
    let section = section.with(table);
    match &report.cost {
        Some(cost) => section.with(Prose::new(cost)),
        None => section,
    }
}

const fn in_words(learned: Learned) -> &'static str {
    match learned {
        Learned::Message => "by a message of the push channel",
        Learned::PollBeforeMessage => "by a poll, with the channel open",
        Learned::Poll => "by a poll, without an open channel",
        Learned::OnEntry => "on entry, from the response to entering the queue",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use tiketi_measure::example;

    fn way(count: u64, mean_s: u64) -> WayOfLearning {
        WayOfLearning {
            count,
            total: Duration::from_secs(count * mean_s),
        }
    }

    #[test]
    fn missed_messages_are_counted_with_what_they_cost() {
        let mut run = example::run();
        run.tally.admissions = Admissions {
            waited: [way(60, 10), way(10, 14), way(10, 18), way(0, 0)],
            at_once: 20,
        };
        let report = report(&run).expect("buyers waited");
        let counts: Vec<_> = report.ways.iter().map(|way| way.admissions).collect();
        assert_eq!(counts, [60, 10, 10, 20]);
        let cost = report.cost.expect("there was a channel");
        assert!(cost.contains("waited 6s longer than"), "{cost}");
        assert!(
            cost.contains("10 of 20 polls that told of an admission were"),
            "{cost}"
        );
        run.tally.admissions.waited[0] = way(0, 0);
        let cost = super::report(&run).and_then(|report| report.cost);
        assert!(
            cost.is_some_and(|cost| cost.starts_with("No admission was learned of by a message"))
        );
        run.tally.admissions = Admissions {
            at_once: 20,
            ..Admissions::default()
        };
        assert!(super::report(&run).is_none(), "nobody waited");
    }
}
