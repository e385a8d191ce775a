//! Problems of invalid scenarios: all are reported, each with line and column.

use crate::snapshot::{self, assert_snapshot};
use tiketi_scenario::{Diagnostics, Overrides, Rendering, load, load_with_warnings};

fn problems(text: &str) -> Diagnostics {
    load("test.toml", text, &Overrides::default()).expect_err("the scenario is invalid")
}

/// Asserts that `text` has exactly one problem, whose message contains `message`, at this line and column.
fn assert_problem(text: &str, (line, column): (usize, usize), message: &str) {
    let diagnostics = problems(text);
    let [problem] = diagnostics.problems() else {
        panic!("not one problem:\n{diagnostics}");
    };
    let shown = diagnostics.to_string();
    assert!(shown.contains(message), "no `{message}` in: {shown}");
    assert_eq!(diagnostics.position(problem), (line, column), "{shown}");
}

#[test]
fn all_problems_of_a_scenario_are_reported_with_position() {
    let text = std::fs::read_to_string(snapshot::folder().join("broken.toml")).unwrap();
    let diagnostics = load("broken.toml", &text, &Overrides::default()).unwrap_err();
    assert_snapshot("broken.lines.txt", &diagnostics.render(Rendering::Lines));
    assert_snapshot(
        "broken.excerpts.txt",
        &diagnostics.render(Rendering::Monochrome),
    );
}

#[test]
fn syntax_errors_have_a_position() {
    assert_problem("seed = 1\nname = \"x\n", (2, 10), "invalid basic string");
    assert_problem("seed = 1\nseed = 2\n", (2, 1), "duplicate key");
}

#[test]
fn invalid_combinations_are_refused() {
    let cases = [
        (
            "[clock]\nwarmup = \"10m\"\n",
            (2, 10),
            "`warmup` (10m) must be shorter than the run (10m)",
        ),
        (
            "[scaling]\nmin = 11\n",
            (2, 7),
            "`min` (11) is above `max` (10)",
        ),
        (
            "[scaling]\nscheduled = [{ at = \"3m\", min = 12 }]\n",
            (2, 33),
            "from 3m on, `min` (12) is above `max` (10) (expected 0 to 10)",
        ),
        (
            "[scaling]\nscheduled = [{ at = \"3m\", max = 5 }, { at = \"4m\", desired = 6 }]\n",
            (2, 61),
            "`desired` (6) is outside the limits from 4m on (expected 2 to 5)",
        ),
        (
            "[scaling]\nscheduled = [{ at = \"3m\" }]\n",
            (2, 21),
            "`scaling.scheduled[0]` changes nothing (expected at least one of min, max, desired); help: add",
        ),
        (
            "topology.instances.initial = { a = 1 }\n",
            (1, 30),
            "starts with 1 instances (expected 2 to 10)",
        ),
        (
            "[[faults]]\nat = \"10m\"\nlasts = \"1m\"\nzone = \"a\"\naction = \"az-power-interruption\"\n",
            (2, 6),
            "the fault at 10m is after the end of the run (10m)",
        ),
        (
            "[topology.redis]\neviction = \"allkeys-lfu\"\n",
            (2, 12),
            "`topology.redis.eviction` is \"allkeys-lfu\" (expected one of allkeys-lru, volatile-lru, noeviction)",
        ),
        (
            "[topology.redis]\nbaseline = 0\n",
            (2, 12),
            "`topology.redis.baseline` is 0 (expected more than 0, at most 1)",
        ),
        (
            "[topology.subnets]\nprivate.b = \"10.0.12.0/28\"\n",
            (2, 13),
            "has 11 free addresses; Redis and the largest fleet in one zone need 12",
        ),
        (
            "[topology]\nzones = [\"a\", \"x\"]\nsubnets = { public.x = \"10.0.7.0/24\", data.x = \"10.0.9.0/24\" }\n",
            (3, 11),
            "zone `x` has no private subnet",
        ),
        (
            "[topology]\nvpc = \"10.0.0.0/20\"\nsubnets.data = { b = \"10.0.16.0/24\", a = \"10.0.4.0/24\" }\n",
            (3, 22),
            "is outside the VPC",
        ),
        (
            "[[scaling.policies]]\nmetric = \"queue_size\"\nkind = \"simple\"\nadjust = 1\nalarm.above = 10\n\
             [[scaling.policies]]\nmetric = \"queue_size\"\nkind = \"simple\"\nadjust = -1\nalarm.below = 20\n",
            (1, 1),
            "are both on between 10 and 20",
        ),
        (
            "[[arrivals]]\nshape = \"ramp\"\nstart_rate = 0\nend_rate = 0\n",
            (1, 1),
            "the arrivals add up to 0 buyers",
        ),
        (
            "[[arrivals]]\nshape = \"poisson\"\nrate = 1\nfrom = \"5m\"\nuntil = \"4m\"\n",
            (5, 9),
            "`until` (4m) is not after `from` (5m)",
        ),
        (
            "[[scaling.policies]]\nmetric = \"queue_size\"\nkind = \"simple\"\nadjust = 1\n",
            (1, 1),
            "`scaling.policies[0].alarm` has no threshold (expected one of above, below); help: add `alarm = { above = 60 }`",
        ),
        (
            "[topology.data_tier]\nredis = \"redis://localhost/256\"\ndatabase = \"postgres://u@localhost/d\"\n",
            (2, 9),
            "`topology.data_tier.redis` has an invalid database number (expected 0 to 255)",
        ),
        (
            "[topology.data_tier]\nredis = \"redis://localhost\"\ndatabase = \"postgres://u@localhost/d?sslmode=require\"\n",
            (3, 12),
            "`topology.data_tier.database` asks for TLS with `sslmode`",
        ),
        (
            "[show]\nsections = []\n",
            (2, 12),
            "`show.sections` has 0 elements (expected 1 to 1000)",
        ),
    ];
    for (text, position, message) in cases {
        assert_problem(text, position, message);
    }
}

#[test]
fn gate_errors_point_into_the_condition() {
    assert_problem(
        "[gates]\nerrors = [\"rate < 1%\", \"rate < 200%\"]\n",
        (2, 32),
        "invalid bound `200%`",
    );
}

#[test]
fn unsuitable_file_name_needs_a_scenario_name() {
    let diagnostics = load("My Sale.toml", "", &Overrides::default()).unwrap_err();
    assert!(diagnostics.to_string().contains("add a line such as"));
}

#[test]
fn arbitrary_text_does_not_panic() {
    use proptest::prelude::*;
    proptest!(|(text in "(\\[{1,2}[a-z.]{0,12}\\]{1,2}|[a-z_]{1,9} = [-0-9a-z\"{}=., ]{0,12}|\\PC{0,9}|\n){0,12}")| {
        let _outcome = load("fuzz.toml", &text, &Overrides::default());
    });
}

#[test]
fn gates_that_decide_nothing_are_refused() {
    assert_problem(
        "[gates]\n\"errors\" = []\n",
        (2, 12),
        "`gates.errors` has 0 elements (expected 1 to 20); help: a gate without a condition checks nothing",
    );
    assert_problem(
        "[gates]\n\"errors\" = [\"rate <= 100%\"]\n",
        (2, 13),
        "gate `errors`: `rate <= 100%` passes whatever happens (expected a condition that a run can fail)",
    );
    assert_problem(
        "[gates]\n\"lost_orders\" = [\"count == 0\", \"count < 0\"]\n",
        (2, 32),
        "gate `lost_orders`: `count < 0` fails whatever happens (expected a condition that a run can pass)",
    );
}

#[test]
fn a_gate_with_a_bound_out_of_reach_is_a_warning_with_its_place() {
    let text = "[gates]\n\"errors\" = [\"rate < 1\"]\n\"response_time\" = [\"p(95) < 20s\", \"p(99) < 1s\"]\n";
    let loaded = load_with_warnings("test.toml", text, &Overrides::default());
    let loaded = loaded.expect("a warning is no error");
    assert_eq!(loaded.plan.gates.len(), 3);
    let shown = loaded.warnings.render(Rendering::Lines);
    let lines: Vec<_> = shown.lines().collect();
    let [share, late] = lines[..] else {
        panic!("two warnings: {shown}");
    };
    let only = "test.toml:2:13: warning: gate `errors`: `rate < 1` fails only if the rate is exactly 100 %";
    assert!(share.starts_with(only), "{share}");
    let limit = "test.toml:3:20: warning: gate `response_time`: `p(95) < 20s` cannot fail, because a buyer gives up on a request \
                 after `buyers.call_timeout` (10s) (expected a condition that a run can fail); help: write a tighter bound";
    assert!(late.starts_with(limit), "{late}");
    let calm = load_with_warnings("test.toml", "name = \"x\"\n", &Overrides::default());
    let calm = calm.expect("the defaults are valid").warnings;
    assert_eq!(calm.problems(), [], "the defaults need no warning");
}
