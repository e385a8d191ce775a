//! A target: each defect that buyers can prove, planted in a healthy run.

use super::*;
use crate::defect::{Defect, Severity};
use crate::gap::Subject;
use tiketi_buyer::observation::{Failure, Outcome, Stage};
use tiketi_core::units::SimTime;
use tiketi_measure::target::{Cases, SeatMaps, TargetFigures, Tickets};
use tiketi_measure::witness::{
    Entries, Positions, Sample, Second, SentRequest, Sessions, StepFigures,
};
use tiketi_scenario::operation::Operation;

const REASON: &str = "no database access to this target";

/// A change that makes a run on a target worse, or leaves nothing to check.
type Break = fn(&mut Measurements, &mut TargetFigures);

fn cases(count: u64) -> Cases {
    Cases {
        count,
        examples: vec!["seat 7".to_owned()],
    }
}

/// A second in which buyers wait, `free` answers say that places are free, and `admitted` are admitted.
fn second(free: u32, admitted: u32) -> Second {
    Second {
        answered: 10,
        unanswered: 0,
        queued: 10,
        free,
        admitted,
    }
}

/// What is known of a target without a defect, on which every audit of its buyers has something to check.
fn healthy() -> TargetFigures {
    let mut target = TargetFigures {
        url: "http://127.0.0.1:3000".to_owned(),
        show: "00000000-0000-4000-8000-000000000001".to_owned(),
        title: Some("One Night".to_owned()),
        tickets: Tickets {
            confirmed: 500,
            seats_twice: Cases::default(),
        },
        seats: Some(Ok(SeatMaps {
            free_before: 500,
            free_after: 0,
            refused: 30,
            reported_unpaid: 4,
            ..SeatMaps::default()
        })),
        ..TargetFigures::default()
    };
    let witness = &mut target.witness;
    witness.seconds = (10..200).map(|at| (at, second(1, 1))).collect();
    witness.last_response = Some(SimTime::from_secs(599));
    witness.occupancies = 1_900;
    witness.positions.compared = 900;
    witness.entries = Entries {
        own: 190,
        ..Entries::default()
    };
    witness.sessions = Sessions {
        messages: 12,
        due: 12,
        restored: 12,
    };
    target
}

/// Judges a run on a target after a change.
fn judged_target(change: impl FnOnce(&mut Measurements, &mut TargetFigures)) -> Verdicts {
    let mut plan = good_plan();
    plan.gates = vec![example::gate(
        GateMetric::TicketsSold,
        Statistic::Count,
        0.0,
        "count > 0",
    )];
    plan.gates[0].relation = tiketi_scenario::objective::Relation::Greater;
    judged(plan, |run| {
        run.ending.system = None;
        run.ending.statement = None;
        run.ending.state = FinalState::Unread {
            reason: REASON.to_owned(),
        };
        let mut target = healthy();
        change(run, &mut target);
        run.ending.target = Some(Box::new(target));
    })
}

fn maps(target: &mut TargetFigures) -> &mut SeatMaps {
    match &mut target.seats {
        Some(Ok(maps)) => maps,
        other => panic!("{other:?}"),
    }
}

fn violated(verdicts: &Verdicts) -> Vec<Audit> {
    let is_violated = |verdict: &&AuditVerdict| matches!(verdict.finding, Finding::Violated { .. });
    let found = verdicts.audits.iter().filter(is_violated);
    found.map(|verdict| verdict.audit).collect()
}

#[test]
fn a_healthy_target_passes_and_has_no_finding() {
    let verdicts = judged_target(|_, _| ());
    assert_eq!(violated(&verdicts), []);
    assert_eq!(verdicts.exit_code(), 0, "{:?}", verdicts.troubles());
    assert_eq!(verdicts.defects, []);
    assert!(verdicts.targets.is_empty(), "no architecture is known");
    let unchecked = verdicts
        .audits
        .iter()
        .filter(|one| matches!(one.finding, Finding::CouldNotCheck { .. }))
        .map(|one| one.audit);
    // The others need the database.
    assert_eq!(
        unchecked.collect::<Vec<_>>(),
        [
            Audit::NoOversell,
            Audit::NoDoubleSale,
            Audit::NothingLost,
            Audit::Ledger,
            Audit::AdmissionsConserved
        ]
    );
}

#[test]
fn each_audit_of_a_target_fails_for_its_own_reason_only() {
    let breaks: [(Audit, Break); 14] = [
        (Audit::NoDoubleSale, |_, target| {
            target.tickets.seats_twice = cases(10);
        }),
        (Audit::SoldSeatsStaySold, |_, target| {
            maps(target).sold_but_free = cases(1);
        }),
        (Audit::PaymentsReportedCorrectly, |_, target| {
            maps(target).reported_unpaid_but_sold = cases(1);
        }),
        (Audit::PaymentsReportedCorrectly, |_, target| {
            maps(target).unanswered_but_sold = cases(1);
        }),
        (Audit::PaymentsReportedCorrectly, |_, target| {
            target.witness.paid_after_failure = 1;
        }),
        (Audit::HoldsSucceed, |run, _| {
            run.tally.stages[Stage::SeatHeld as usize] = 0;
            let holds = &mut run.tally.operations[Operation::SeatReserve.index()];
            holds.refused += holds.ok;
            holds.ok = 0;
        }),
        (Audit::RefusedHoldsLockNothing, |_, target| {
            maps(target).locked_for_nobody = cases(599);
        }),
        (Audit::AdmissionsConserved, |run, _| {
            run.tally.dropped.entered = 13;
        }),
        (Audit::AdmissionsConserved, |_, target| {
            target.witness.turned_away = 6;
        }),
        (Audit::QueueMoves, |_, target| {
            for (_, second) in &mut target.witness.seconds[50..75] {
                second.admitted = 0;
            }
        }),
        (Audit::AdmittedOnce, |_, target| {
            target.witness.entries.twice = 1;
        }),
        (Audit::PositionsImprove, |_, target| {
            target.witness.positions = Positions {
                compared: 9,
                backward: 1,
                example: Some((SimTime::from_secs(4), 7, 8)),
            };
        }),
        (Audit::SessionsRestored, |_, target| {
            target.witness.sessions.restored -= 1;
        }),
        (Audit::ConnectionsLast, |run, _| {
            run.tally.sockets.lost = 3 * run.tally.sockets.connected.max(10);
        }),
    ];
    for (broken, break_it) in breaks {
        let verdicts = judged_target(break_it);
        assert_eq!(violated(&verdicts), [broken]);
        assert_eq!(verdicts.exit_code(), 90, "{broken:?}");
        let Some(Defect {
            title, looks_like, ..
        }) = verdicts.defects.first()
        else {
            panic!("{broken:?} is no finding");
        };
        assert!(title.ends_with('.') && !looks_like.is_empty(), "{title}");
    }
}

#[test]
fn an_audit_without_anything_to_check_says_why() {
    let reasons: [(Audit, Break, &str); 9] = [
        (
            Audit::SoldSeatsStaySold,
            |_, target| target.seats = Some(Err("HTTP 503".to_owned())),
            "HTTP 503",
        ),
        (
            Audit::PaymentsReportedCorrectly,
            |_, target| maps(target).reported_unpaid = 0,
            "every payment was confirmed",
        ),
        (
            Audit::RefusedHoldsLockNothing,
            |_, target| maps(target).refused = 0,
            "no hold of an available seat was refused",
        ),
        (
            Audit::QueueMoves,
            |_, target| target.witness.occupancies = 0,
            "its responses about the queue do not say how many places are taken",
        ),
        (
            Audit::AdmittedOnce,
            |_, target| target.tokens_reused = true,
            "several buyers share one user",
        ),
        (
            Audit::PositionsImprove,
            |_, target| target.witness.positions.compared = 0,
            "no two positions of one wait were stated",
        ),
        (
            Audit::SessionsRestored,
            |_, target| {
                target.witness.sessions.due = 0;
                target.witness.sessions.restored = 0;
            },
            "no connection was opened again and lasted",
        ),
        (
            Audit::SessionsRestored,
            |_, target| {
                target.witness.sessions.messages = 0;
                target.witness.sessions.restored = 0;
            },
            "no `session-restored` message arrived: the target may not send any",
        ),
        (
            Audit::AdmissionsConserved,
            |_, target| {
                target.witness.turned_away = 6;
                target.witness.entries.own = 0;
            },
            REASON,
        ),
    ];
    for (audit, change, expected) in reasons {
        let verdicts = judged_target(change);
        let Finding::CouldNotCheck { reason } = verdict_of(&verdicts, audit) else {
            panic!("{audit:?}: {:?}", verdict_of(&verdicts, audit));
        };
        assert_eq!(reason, expected);
        assert_eq!(verdicts.exit_code(), 0, "a target is excused");
    }
}

#[test]
fn a_short_time_without_admissions_is_no_defect() {
    let starved_for = |seconds: usize| {
        let verdicts = judged_target(|_, target| {
            for (_, second) in &mut target.witness.seconds[50..50 + seconds] {
                second.admitted = 0;
            }
        });
        violated(&verdicts) == [Audit::QueueMoves]
    };
    assert!(!starved_for(15));
    assert!(starved_for(25));
    // Full places explain it.
    let full = judged_target(|_, target| {
        for (_, second) in &mut target.witness.seconds {
            *second = self::second(0, second.admitted);
        }
        for (_, second) in &mut target.witness.seconds[50..100] {
            second.admitted = 0;
        }
    });
    assert_eq!(violated(&full), []);
}

#[test]
fn a_queue_that_admits_nobody_is_never_green() {
    let verdicts = judged_target(|_, target| {
        target.witness.occupancies = 0;
        for (_, second) in &mut target.witness.seconds {
            *second = self::second(0, 0);
        }
    });
    assert_eq!(verdicts.exit_code(), 91);
    assert_eq!(verdicts.gaps[0].subject, Subject::Queue);
    assert!(
        verdicts.gaps[0]
            .reason
            .ends_with("waited, and none was admitted")
    );
}

#[test]
fn a_gate_on_double_sales_fails_by_the_confirmations_of_buyers() {
    let gate = |seats| {
        let verdicts = judged_target(|run, target| {
            run.plan.gates.push(example::gate(
                GateMetric::DoubleSales,
                Statistic::Count,
                0.0,
                "count == 0",
            ));
            run.plan.gates[1].relation = tiketi_scenario::objective::Relation::Equal;
            target.tickets.seats_twice = cases(seats);
        });
        verdicts.gates[1].result
    };
    assert_eq!(gate(10), GateResult::Failed);
    // That buyers saw none does not show that there is none, and the scenario asks for it.
    assert_eq!(gate(0), GateResult::NotMeasured);
}

fn sample(outcome: Outcome, status: Option<u16>, words: &str) -> Sample {
    Sample {
        operation: Operation::SeatReserve,
        step: Operation::SeatReserve.name().to_owned(),
        is_understood: true,
        outcome,
        status,
        count: 29,
        first_at: SimTime::from_secs(3),
        last_at: SimTime::from_secs(61),
        words: words.to_owned(),
        sent: SentRequest {
            method: "POST".to_owned(),
            path: "/api/seats/reserve".to_owned(),
            body: "{\"seatIds\":[\"it's\"]}".to_owned(),
            ..SentRequest::default()
        },
    }
}

#[test]
fn a_failure_has_the_servers_words_and_a_command() {
    let failed = Outcome::Failed(Failure::Status(500));
    let verdicts = judged_target(|_, target| {
        target.witness.samples = vec![sample(failed, Some(500), "대기열 `조회` 실패")];
    });
    let [defect] = &verdicts.defects[..] else {
        panic!("{:?}", verdicts.defects);
    };
    assert_eq!(defect.severity, Severity::Failed);
    assert_eq!(defect.title, "`seat_reserve` failed with 500 29 times.");
    let expected = "from 3s to 1m01s. The server says: “대기열 '조회' 실패”";
    assert!(
        defect
            .facts
            .starts_with("`POST /api/seats/reserve`: 29 of ")
    );
    assert!(defect.facts.ends_with(expected), "{}", defect.facts);
    assert_eq!(
        defect.repeat.as_deref(),
        Some(
            r#"curl -i -X POST 'http://127.0.0.1:3000/api/seats/reserve' -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"seatIds":["it'\''s"]}'"#
        )
    );
    assert_eq!(verdicts.exit_code(), 0, "gates decide about failures");
}

#[test]
fn a_command_repeats_a_request_as_it_was_sent() {
    let repeated = |change: fn(&mut TargetFigures)| {
        let failed = Outcome::Failed(Failure::Status(500));
        let verdicts = judged_target(|_, target| {
            target.witness.samples = vec![sample(failed, Some(500), "broken")];
            change(target);
        });
        let command = verdicts.defects[0].repeat.clone().unwrap();
        let end = command.find(" -H").unwrap();
        command[..end].to_owned()
    };
    let with_path = repeated(|target| {
        target.url = "https://a.example:443/base".to_owned();
        target.base = "/base".to_owned();
        target.witness.samples[0].sent.path = "/base/api/seats/reserve".to_owned();
    });
    assert_eq!(
        with_path,
        "curl -i -X POST 'https://a.example:443/base/api/seats/reserve'"
    );
    let of_ipv6 = repeated(|target| target.url = "http://[::1]:3000".to_owned());
    assert_eq!(
        of_ipv6,
        "curl -i -g -X POST 'http://[::1]:3000/api/seats/reserve'"
    );
    let unchecked = repeated(|target| target.certificates_unchecked = true);
    assert!(unchecked.starts_with("curl -i -k -X POST"), "{unchecked}");
    let elsewhere = repeated(|target| {
        target.url = "https://a.example:443/base".to_owned();
        target.base = "/base".to_owned();
        target.witness.samples[0].sent.origin = "http://queue.example:9000".to_owned();
    });
    assert_eq!(
        elsewhere,
        "curl -i -X POST 'http://queue.example:9000/api/seats/reserve'"
    );
}

#[test]
fn a_refused_socket_of_another_system_names_what_to_compare_and_its_host() {
    let failed = Outcome::Failed(Failure::Handshake);
    let verdicts = judged_target(|_, target| {
        let mut refused = sample(failed, None, r#"{"message":"Invalid namespace"}"#);
        refused.operation = Operation::SocketConnect;
        refused.step = "push (socket.io)".to_owned();
        refused.sent = SentRequest {
            origin: "http://127.0.0.1:9000".to_owned(),
            method: "GET".to_owned(),
            path: "/io/?EIO=4&transport=websocket".to_owned(),
            body: String::new(),
        };
        target.witness.samples = vec![refused];
    });
    let defect = &verdicts.defects[0];
    let title = "The push channel (socket.io) was refused, or ended by the server, 29 times";
    assert!(defect.title.starts_with(title), "{}", defect.title);
    assert!(
        defect.facts.contains("Invalid namespace"),
        "{}",
        defect.facts
    );
    assert!(
        defect.looks_like.contains("`auth`"),
        "{}",
        defect.looks_like
    );
    let command = defect.repeat.as_deref().unwrap();
    let address = "'http://127.0.0.1:9000/io/?EIO=4&transport=websocket' -H 'Connection: Upgrade'";
    assert!(command.contains(address), "{command}");
}

#[test]
fn a_failed_handshake_says_what_is_wrong_with_the_certificate() {
    let failed = Outcome::Failed(Failure::Handshake);
    let verdicts = judged_target(|_, target| {
        let words = "certificate expired on 2026-01-02";
        target.witness.samples = vec![sample(failed, None, words)];
    });
    let [defect] = &verdicts.defects[..] else {
        panic!("{:?}", verdicts.defects);
    };
    assert_eq!(
        defect.title,
        "`seat_reserve` failed in the TLS handshake 29 times."
    );
    let said = "The reason: certificate expired on 2026-01-02.";
    assert!(defect.facts.ends_with(said), "{}", defect.facts);
    assert!(defect.looks_like.contains("a certificate or a TLS setting"));
}

#[test]
fn a_response_that_is_not_understood_is_a_finding_under_the_name_of_its_step() {
    let verdicts = judged_target(|_, target| {
        let confirm = StepFigures {
            operation: Operation::PaymentProcess,
            calls: 40,
            failed: 40,
            total: Duration::from_secs(4),
            longest: Duration::from_secs(1),
        };
        let steps = &mut target.witness.steps;
        steps.insert("confirm".to_owned(), confirm);
        target.witness.samples = vec![Sample {
            step: "confirm".to_owned(),
            operation: Operation::PaymentProcess,
            is_understood: false,
            ..sample(
                Outcome::Failed(Failure::BadAnswer),
                Some(200),
                "{\"status\":\"weird\"}",
            )
        }];
    });
    let defect = &verdicts.defects[0];
    assert_eq!(
        defect.title,
        "`confirm` got a response with 200 that no row of the API mapping describes 29 times, and never succeeded."
    );
    assert_eq!(defect.severity, Severity::Stopped);
    let facts = &defect.facts;
    assert!(
        facts.contains("29 of 40 from 3s to 1m01s. It counts as `payment_process`."),
        "{facts}"
    );
    assert!(
        facts.ends_with("The server says: “{\"status\":\"weird\"}”"),
        "{facts}"
    );
}

#[test]
fn a_request_that_could_not_be_sent_gives_the_reason() {
    let verdicts = judged_target(|_, target| {
        let failed = Outcome::Failed(Failure::BadAnswer);
        target.witness.samples = vec![sample(failed, None, "not sent: {ticket} has no value")];
    });
    let Defect { title, facts, .. } = &verdicts.defects[0];
    assert!(
        title.starts_with("`seat_reserve` could not be sent 29 times"),
        "{title}"
    );
    assert!(
        facts.ends_with("The reason: not sent: {ticket} has no value."),
        "{facts}"
    );
}

#[test]
fn an_ordinary_refusal_is_no_finding_and_an_exception_is_one() {
    let findings = |words: &str| {
        let refused = sample(Outcome::Refused, Some(400), words);
        judged_target(|_, target| target.witness.samples = vec![refused]).defects
    };
    assert_eq!(findings("seat is taken"), []);
    let defects = findings("Cannot read properties of undefined (reading 'labels')");
    assert!(
        defects[0].looks_like.contains("programming error"),
        "{defects:?}"
    );
}

#[test]
fn the_end_of_all_responses_has_its_time() {
    let verdicts = judged_target(|_, target| {
        target.witness.last_response = Some(SimTime::from_nanos(7_400_000_000));
        target.witness.samples = vec![sample(Outcome::Failed(Failure::ConnectRefused), None, "")];
        target.witness.seconds.push((
            300,
            Second {
                unanswered: 119,
                ..Second::default()
            },
        ));
    });
    let defect = &verdicts.defects[0];
    assert_eq!(defect.severity, Severity::Stopped);
    assert_eq!(
        defect.title,
        "No response after 7.4s: the target stopped answering."
    );
    assert!(defect.facts.starts_with("119 requests without a response"));
    assert!(defect.looks_like.contains("nothing listens"), "{defect:?}");
}

#[test]
fn a_request_that_never_gets_a_response_does_not_stop_the_others() {
    let verdicts = judged_target(|run, target| {
        target.witness.last_response = Some(SimTime::from_secs(7));
        target.witness.samples = vec![sample(Outcome::Failed(Failure::Timeout), None, "")];
        let silent = Second {
            unanswered: 119,
            ..Second::default()
        };
        target.witness.seconds.push((300, silent));
        let holds = &mut run.tally.operations[Operation::SeatReserve.index()];
        (holds.ok, holds.refused) = (0, 0);
        holds.failed.insert(Failure::Timeout, 119);
        run.tally.stages[Stage::SeatHeld as usize] = 0;
    });
    let titles: Vec<_> = verdicts.defects.iter().map(|one| &one.title).collect();
    assert!(
        !titles
            .iter()
            .any(|title| title.contains("stopped answering")),
        "{titles:?}"
    );
    assert!(
        titles
            .iter()
            .any(|title| title.contains("got no response in time")),
        "{titles:?}"
    );
}

#[test]
fn messages_for_others_are_a_note_and_change_no_exit_code() {
    let verdicts = judged_target(|_, target| target.witness.entries.others = 86_000);
    assert_eq!(verdicts.defects.len(), 1);
    assert_eq!(verdicts.defects[0].severity, Severity::Note);
    assert!(verdicts.defects[0].title.contains("86,000 of 86,190"));
    assert_eq!(verdicts.exit_code(), 0);
}

#[test]
fn the_list_of_findings_is_bounded_and_counts_the_others() {
    let verdicts = judged_target(|_, target| {
        let failed = |status| sample(Outcome::Failed(Failure::Status(status)), Some(status), "");
        target.witness.samples = (500..540).map(failed).collect();
        target.witness.samples_left_out = 7;
    });
    assert_eq!(verdicts.defects.len(), 13);
    assert_eq!(verdicts.defects[12].count, 28 * 29 + 7);
    assert_eq!(verdicts.defects[0].count, 29);
}
