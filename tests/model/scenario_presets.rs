//! The shipped scenarios, and the defaults of a scenario.

use std::path::Path;
use std::time::Duration;

use tiketi_core::fault::catalog::FaultKind;
use tiketi_core::instance_class::InstanceClass;
use tiketi_core::units::ZoneId;
use tiketi_cost::PriceBook;
use tiketi_cost::item::Item;
use tiketi_scenario::data_tier::DataTier;
use tiketi_scenario::environment::{Environment, works_in};
use tiketi_scenario::topology::{CpuCredits, DatabaseKind, Eviction};
use tiketi_scenario::{Diagnostics, Overrides, PRICE_BOOKS, PROFILES, Plan, arrival_times, load};
use tiketi_station::Profile;

fn plan(text: &str) -> Result<Plan, Diagnostics> {
    load("test.toml", text, &Overrides::default())
}

fn valid_plan(text: &str) -> Plan {
    plan(text).unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
}

fn shipped() -> Vec<(String, String)> {
    let mut scenarios: Vec<_> = ["scenarios", "scenarios/claims", "scenarios/studies"]
        .into_iter()
        .flat_map(|folder| {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            std::fs::read_dir(folder).expect("the folder of scenarios is there")
        })
        .map(|entry| entry.expect("the folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .map(|path| {
            let name = path.file_name().expect("a file has a name");
            let name = name.to_string_lossy().into_owned();
            let text = std::fs::read_to_string(path).expect("scenarios are text");
            (name, text)
        })
        .collect();
    scenarios.sort();
    scenarios
}

/// The scenario with few buyers, because generating a million arrivals is slow.
fn with_few_buyers(name: &str, text: &str) -> Plan {
    let flags = Overrides {
        buyers: Some(500),
        ..Overrides::default()
    };
    load(name, text, &flags).unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
}

#[test]
fn every_shipped_scenario_loads_and_asks_a_question() {
    let scenarios = shipped();
    assert!(scenarios.len() >= 14, "only {} scenarios", scenarios.len());
    for (name, text) in scenarios {
        let plan = load(&name, &text, &Overrides::default())
            .unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
        assert!(plan.question.contains('?'), "{name}: {:?}", plan.question);
        assert_eq!(format!("{}.toml", plan.name), name);
        assert!(!plan.gates.is_empty(), "{name} has no gates");
        assert!(!arrival_times(&with_few_buyers(&name, &text)).is_empty());
    }
}

#[test]
fn minimal_scenario_gets_the_documented_architecture() {
    let plan =
        valid_plan("[[arrivals]]\nshape = \"poisson\"\nrate = 5\n[clock]\nduration = \"2m\"\n");
    assert_eq!(plan.name, "test");
    assert_eq!((plan.scaling.min, plan.scaling.max), (2, 10));
    assert_eq!(plan.topology.instances.initial, [1, 1]);
    assert_eq!(plan.topology.zones.len(), 2);
    let private = plan.topology.zones[1].private;
    assert_eq!(private.to_string(), "10.0.12.0/24");
    assert_eq!(plan.topology.database.kind, DatabaseKind::Aurora);
    assert_eq!(plan.topology.database.failover, Duration::from_secs(30));
    assert_eq!(plan.topology.database.connections_max, 420);
    assert_eq!(plan.topology.redis.replica, Some(ZoneId(1)));
    assert_eq!(plan.scaling.policies.len(), 2);
    assert_eq!(plan.show.seats_total(), 2_000);
    assert!(plan.faults.is_empty());
}

#[test]
fn written_scenario_loads_as_the_same_plan() {
    let step = r#"
        arrivals = [
            { shape = "step", from = "1500us", levels = [{ rate = "7/m", lasts = "10s" }, { rate = 3, lasts = "20s" }] },
            { shape = "ramp", start_rate = 0, end_rate = "2/s", until = "1m" },
            { shape = "flash", buyers = 50, base = "0.05/s", rise = "3s", count = "poisson" },
        ]
        faults = [{ at = "2m", lasts = "30s", action = "az-power-interruption", zone = "a 1" }]
        gates = {}
        [show]
        title = "\"quoted\" \\ 공연"
        [server]
        rate_limit = 100
        [target]
        show = "1e6f"
        allow = ["staging.example"]
        [buyers]
        patience = "20m"
        payment = { distribution = "exponential", mean = "1234567891ns" }
        [topology]
        zones = ["a 1", "b"]
        nat_gateways = ["b"]
        subnets = { public = { "a 1" = "10.0.7.0/24" }, private = { "a 1" = "10.0.8.0/24" }, data = { "a 1" = "10.0.9.0/24" } }
        alb.stickiness = "none"
        redis = { replica = "none", other_mib = 7, reserved = "30%", eviction = "volatile-lru", command = "12us" }
        database = { kind = "rds-multi-az", primary = "b", standby = "a 1" }
        instances.credits = "standard"
        [scaling]
        monitor.phase = "12s"
        launch_hook = "until-answers"
        scheduled = [{ at = "3m", min = 4, max = 12 }, { name = "back", at = "2m", late = "5s", desired = 3 }]
        policies = [
            { metric = "cpu_utilization", alarm = { above = 60.5, datapoints = "2 of 3", missing = "notBreaching" }, kind = "step", steps = [{ to = 10, adjust = 1 }, { from = 10, adjust = 2 }] },
        ]
    "#;
    let mut scenarios = shipped();
    scenarios.push(("step.toml".to_owned(), step.to_owned()));
    for (name, text) in scenarios {
        let plan = load(&name, &text, &Overrides::default())
            .unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
        let written = plan.to_toml();
        let again = load("scenario.toml", &written, &Overrides::default())
            .unwrap_or_else(|diagnostics| panic!("{diagnostics}\n{written}"));
        assert_eq!(plan, again, "{written}");
    }
}

#[test]
fn database_kind_sets_its_defaults() {
    let plan = valid_plan("[topology.database]\nkind = \"rds-multi-az\"\n");
    let database = plan.topology.database;
    assert_eq!(database.class, "db.t3.micro");
    assert_eq!(database.failover, Duration::from_secs(90));
    assert_eq!(database.connections_max, 112);
    assert_eq!(database.commit, Duration::from_millis(4));
}

#[test]
fn data_tier_class_sets_its_size() {
    let plan =
        valid_plan("[topology.redis]\nclass = \"cache.t3.medium\"\neviction = \"noeviction\"\n");
    let redis = plan.topology.redis;
    assert_eq!((redis.memory_mib, redis.other_mib), (3_164, 0));
    assert!((redis.baseline.get() - 0.4).abs() < f64::EPSILON);
    assert_eq!(redis.eviction, Eviction::NoEviction);
    let plan = valid_plan("topology.redis = { memory_mib = 100, cpu_credits = \"spent\" }\n");
    assert_eq!(plan.topology.redis.memory_mib, 100, "the file wins");
    assert_eq!(plan.topology.redis.cpu_credits, CpuCredits::Spent);
    assert_eq!(plan.topology.redis.eviction, Eviction::AllKeysLru, "B7");
    assert_eq!(plan.topology.database.cores, 2);
    let plan = valid_plan("topology.database = { cores = 8, commit = \"1ms\" }\n");
    assert_eq!(plan.topology.database.cores, 8);
    assert_eq!(plan.topology.database.commit, Duration::from_millis(1));
}

#[test]
fn single_zone_has_no_replicas() {
    let plan = valid_plan("[topology]\nzones = [\"a\"]\n");
    assert_eq!(plan.topology.instances.initial, [2]);
    assert_eq!(plan.topology.redis.replica, None);
    assert_eq!(plan.topology.database.standby, None);
}

#[test]
fn third_zone_and_moved_primary_are_placed() {
    let text = "[topology]\nzones = [\"a\", \"b\", \"c\"]\nredis.primary = \"b\"\n";
    let topology = valid_plan(text).topology;
    assert_eq!(topology.instances.initial, [1, 1, 0]);
    assert_eq!(topology.zones[2].data.to_string(), "10.0.23.0/24");
    assert_eq!(topology.redis.primary, ZoneId(1));
    assert_eq!(topology.redis.replica, Some(ZoneId(2)));
}

#[test]
fn custom_profile_reproduces_the_plan() {
    let mut profile = Profile::t3_medium_node();
    profile.name = "calibrated".to_owned();
    profile.query_ms = 2.5;
    let flags = Overrides {
        profile: Some(profile.clone()),
        ..Overrides::default()
    };
    let plan = load("test.toml", "seed = 3\n", &flags).unwrap_or_else(|d| panic!("{d}"));
    assert_eq!(plan.topology.instances.profile, profile);
    let again = load("test.toml", &plan.to_toml(), &flags);
    assert_eq!(plan, again.unwrap_or_else(|d| panic!("{d}")));
}

#[test]
fn flags_override_the_scenario() {
    let text = "seed = 3\n[[arrivals]]\nshape = \"onsale\"\nbuyers = 300\nopens_at = \"10s\"\nuntil = \"9m\"\n\
                [[arrivals]]\nshape = \"poisson\"\nrate = 1\nuntil = \"100s\"\n";
    let flags = Overrides {
        seed: Some(8),
        buyers: Some(800),
        duration: Some(Duration::from_secs(120)),
        speed: Some(2.0),
        profile: None,
        data_tier: None,
        api: None,
    };
    let plan = load("test.toml", text, &flags).unwrap_or_else(|d| panic!("{d}"));
    assert_eq!(plan.seed, 8);
    assert_eq!(plan.clock.duration, Duration::from_secs(120));
    assert!((plan.clock.speed - 2.0).abs() < f64::EPSILON);
    let arrivals = arrival_times(&plan);
    assert_eq!(arrivals.len(), 800);
    assert!(arrivals.iter().all(|at| at.as_secs() <= 120));
    assert_eq!(
        plan,
        load("test.toml", &plan.to_toml(), &Overrides::default()).unwrap()
    );
}

#[test]
fn plan_round_trips_to_a_load_worker() {
    for (name, text) in shipped() {
        let plan = with_few_buyers(&name, &text);
        let sent = serde_json::to_string(&plan).unwrap();
        let received: Plan = serde_json::from_str(&sent).unwrap();
        assert_eq!(plan, received);
        assert_eq!(arrival_times(&plan), arrival_times(&received));
    }
}

#[test]
fn every_name_a_scenario_may_use_exists() {
    assert_eq!(PRICE_BOOKS, PriceBook::BUILT_IN);
    for profile in PROFILES {
        assert!(Profile::named(profile).is_some(), "{profile}");
    }
    let book = PriceBook::built_in("aws-ap-northeast-2").unwrap();
    for class in InstanceClass::ALL {
        assert!(
            book.price(Item::Instance, None, Some(class.name()))
                .is_some(),
            "{class} has no price"
        );
    }
}

#[test]
fn empty_scenario_is_valid() {
    assert!(plan("").is_ok(), "{:?}", plan(""));
}

#[test]
fn existing_servers_are_written_without_passwords() {
    let text = "name = \"theirs\"\n[topology.data_tier]\nredis = \"redis://:s3cret@127.0.0.1:6380/1\"\n\
                database = \"postgres://u:s3cret@localhost/d?sslmode=disable\"\nprefix = \"run:\"\nschema = \"run\"\n";
    let plan = load("theirs.toml", text, &Overrides::default()).unwrap_or_else(|d| panic!("{d}"));
    let DataTier::External(servers) = &plan.topology.data_tier else {
        panic!("{:?}", plan.topology.data_tier);
    };
    assert_eq!(servers.redis.password(), Some("s3cret"));
    assert_eq!(servers.redis.database(), 1);
    assert_eq!(servers.prefix.as_deref(), Some("run:"));
    assert_eq!(servers.schema.as_deref(), Some("run"));
    let json = serde_json::to_string(&plan).expect("a plan is sent to workers");
    for shown in [plan.to_toml(), json.clone(), format!("{plan:?}")] {
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("127.0.0.1:6380/1"), "{shown}");
    }
    let again = load("theirs.toml", &plan.to_toml(), &Overrides::default());
    let again = again.unwrap_or_else(|d| panic!("{d}"));
    assert_eq!(again.to_toml(), plan.to_toml());
    let sent: Plan = serde_json::from_str(&json).expect("workers read it");
    assert_eq!(sent.to_toml(), plan.to_toml());
}

/// The columns of the table of faults in the README are the environments, in their order.
#[test]
fn readme_says_where_each_fault_works() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).expect("the README is text");
    for kind in FaultKind::ALL {
        let start = format!("| `{kind}` |");
        let row = readme.lines().find(|line| line.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("the README has no row for `{kind}`"));
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        for (environment, cell) in Environment::ALL.into_iter().zip(&cells[3..]) {
            let (works, name) = (works_in(kind, environment).is_ok(), environment.name());
            assert_eq!(works, *cell == "yes", "`{kind}`, {name}: {cell}");
            assert!(
                works || cell.starts_with("no: "),
                "`{kind}`, {name}: why not?"
            );
        }
        assert_eq!(cells.len(), 3 + Environment::ALL.len(), "{row}");
    }
}
