//! Random valid scenarios.
//!
//! A draft states some keys and leaves the others to the preset. Shrinking drops keys first and then makes values
//! smaller, so a failing draft ends as the few keys that matter.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Keys of a scenario by path, such as `buyers.pays`, with their values as a scenario file writes them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Settings(BTreeMap<String, String>);

impl Settings {
    /// States a key, or states it anew.
    #[must_use]
    pub(crate) fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// Reads the value of a key; `None` if the preset decides.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Writes the scenario file.
    pub(crate) fn text(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, (key, value)| {
            writeln!(text, "{key} = {value}").expect("a text can be extended");
            text
        })
    }
}

type Line = BoxedStrategy<Option<(&'static str, String)>>;

/// A key that half of all scenarios state.
fn maybe(key: &'static str, value: impl Strategy<Value = String> + 'static) -> Line {
    let stated = value.prop_map(move |value| (key, value));
    option::weighted(0.5, stated).boxed()
}

fn length(ms: std::ops::RangeInclusive<u64>) -> impl Strategy<Value = String> + Clone {
    ms.prop_map(|ms| format!("\"{ms}ms\""))
}

fn whole(range: std::ops::RangeInclusive<u64>) -> impl Strategy<Value = String> + Clone {
    range.prop_map(|number| number.to_string())
}

fn share() -> impl Strategy<Value = String> + Clone {
    (0..=100_u32).prop_map(|percent| format!("\"{percent}%\""))
}

fn flag() -> impl Strategy<Value = String> + Clone {
    any::<bool>().prop_map(|flag| flag.to_string())
}

fn word(words: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    select(words).prop_map(|word| format!("\"{word}\""))
}

/// A value as it is, such as `"none"` or `20`.
fn verbatim(values: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    select(values).prop_map(str::to_owned)
}

/// A distribution of any family, with typical values from `from_ms` to `to_ms`.
fn distribution(from_ms: u64, to_ms: u64) -> BoxedStrategy<String> {
    let ms = from_ms..=to_ms;
    let table = |family: &str, keys: String| format!("{{ distribution = \"{family}\", {keys} }}");
    prop_oneof![
        length(ms.clone()),
        (ms.clone(), 0..=to_ms).prop_map(move |(from, more)| {
            let keys = format!("from = \"{from}ms\", to = \"{}ms\"", from + more);
            table("uniform", keys)
        }),
        ms.clone()
            .prop_map(move |mean| table("exponential", format!("mean = \"{mean}ms\""))),
        (ms.clone(), 5..=250_u32).prop_map(move |(median, sigma)| {
            let sigma = f64::from(sigma) / 100.0;
            table(
                "lognormal",
                format!("median = \"{median}ms\", sigma = {sigma}"),
            )
        }),
        (ms, 3..=50_u32).prop_map(move |(mean, shape)| {
            let shape = f64::from(shape) / 10.0;
            table("weibull", format!("shape = {shape:?}, mean = \"{mean}ms\""))
        }),
    ]
    .boxed()
}

/// A moment or a length as a share of the run, in thousandths.
type Permille = u64;

/// Buyers who arrive between two moments.
#[derive(Clone, Debug)]
struct Phase {
    shape: &'static str,
    buyers: u64,
    starts: Permille,
    lasts: Permille,
    exact: bool,
}

impl Phase {
    fn written(&self, run_ms: u64) -> String {
        let from = run_ms * self.starts / 1_000;
        // No phase is shorter than two seconds, which jitter and rise need.
        let until = (from + run_ms * self.lasts / 1_000 + 2_000).min(run_ms - 1_000);
        let (lasts, buyers) = (until - from, self.buyers);
        let seconds = f64::from(u32::try_from(lasts).expect("a short run")) / 1e3;
        let rate = f64::from(u32::try_from(buyers).expect("a small sale")) / seconds;
        let keys = match self.shape {
            "onsale" => format!(
                "buyers = {buyers}, opens_at = \"{from}ms\", until = \"{until}ms\", decay = \"5s\""
            ),
            "flash" => format!(
                "buyers = {buyers}, from = \"{from}ms\", until = \"{until}ms\", rise = \"1s\", decay = \"5s\""
            ),
            "poisson" => format!("rate = {rate:.4}, from = \"{from}ms\", until = \"{until}ms\""),
            "ramp" => format!(
                "start_rate = 0, end_rate = {:.4}, from = \"{from}ms\", until = \"{until}ms\"",
                2.0 * rate
            ),
            _ => format!(
                "from = \"{from}ms\", levels = [{{ rate = {rate:.4}, lasts = \"{half}ms\" }}, {{ rate = {:.4}, lasts = \"{half}ms\" }}]",
                rate / 2.0,
                half = lasts / 2
            ),
        };
        let count = if self.exact { "exact" } else { "poisson" };
        format!(
            "{{ shape = \"{}\", count = \"{count}\", {keys} }}",
            self.shape
        )
    }
}

fn phases(buyers_max: u64) -> impl Strategy<Value = Vec<Phase>> {
    let shapes = select(&["onsale", "poisson", "flash", "ramp", "step"][..]);
    let phase = (
        shapes,
        2..=buyers_max,
        0..600_u64,
        0..400_u64,
        any::<bool>(),
    );
    let phase = phase.prop_map(|(shape, buyers, starts, lasts, exact)| Phase {
        shape,
        buyers,
        starts,
        lasts,
        exact,
    });
    vec(phase, 1..=2)
}

/// One fault before it has a zone and a moment.
#[derive(Clone, Debug)]
struct Break {
    action: &'static str,
    /// Which zone or part, counted around.
    which: usize,
    starts: Permille,
    lasts: Permille,
    count: u64,
}

const ACTIONS: [&str; 18] = [
    "az-power-interruption",
    "terminate-instances",
    "pause-instances",
    "cpu-stress",
    "network-latency",
    "network-packet-loss",
    "lose-alb-node",
    "start-zonal-autoshift",
    "asg-insufficient-instance-capacity-error",
    "lose-primary",
    "pause-primary",
    "delay-replica",
    "fill-redis-memory",
    "hold-database-connections",
    "slow-dns",
    "s3-unavailable",
    "provider-slow",
    "provider-down",
];

impl Break {
    /// What it breaks: two faults of one subject must not meet.
    fn subject<'z>(&self, zones: &[&'z str]) -> (&'static str, &'z str) {
        let part = ["redis", "database"][self.which % 2];
        match self.action {
            "lose-primary" | "pause-primary" => ("primary", part),
            "delay-replica" => ("link", part),
            "fill-redis-memory" | "hold-database-connections" | "slow-dns" | "s3-unavailable" => {
                (self.action, "")
            }
            // Of any two zones, the one that the first shift names.
            "start-zonal-autoshift" => (self.action, zones[0]),
            "provider-slow" | "provider-down" => ("provider", ""),
            _ => (self.action, zones[self.which % zones.len()]),
        }
    }

    /// Whose packets are affected.
    fn peer(&self) -> &'static str {
        ["buyers", "other-zones", "all"][self.which % 3]
    }

    fn window(&self, run_ms: u64) -> (u64, u64) {
        let at = run_ms * self.starts / 1_000;
        let lasts = match self.action {
            "terminate-instances" => 0,
            _ => run_ms * self.lasts / 1_000 + 500,
        };
        (at, at + lasts)
    }

    fn written(&self, run_ms: u64, zones: &[&str]) -> String {
        let (at, end) = self.window(run_ms);
        let ((_, subject), count) = (self.subject(zones), self.count);
        let keys = match self.action {
            "terminate-instances" | "pause-instances" => {
                format!("zone = \"{subject}\", count = {}", 1 + count % 3)
            }
            "az-power-interruption" => {
                let connections = if count % 2 == 0 { "silent" } else { "reset" };
                format!("zone = \"{subject}\", connections = \"{connections}\"")
            }
            "cpu-stress" => {
                let load = (1 + count) % 101;
                format!(
                    "zone = \"{subject}\", count = {}, load = \"{load}%\"",
                    1 + count % 3
                )
            }
            "network-latency" => {
                let (peer, delay) = (self.peer(), 1 + count * 3);
                format!(
                    "zone = \"{subject}\", peer = \"{peer}\", delay = \"{delay}ms\", jitter = \"{count}ms\""
                )
            }
            "network-packet-loss" => {
                let peer = self.peer();
                format!(
                    "zone = \"{subject}\", peer = \"{peer}\", loss = \"{}%\"",
                    1 + count
                )
            }
            "lose-alb-node"
            | "start-zonal-autoshift"
            | "asg-insufficient-instance-capacity-error" => {
                format!("zone = \"{subject}\"")
            }
            "delay-replica" => format!("part = \"{subject}\", lag = \"{}ms\"", 50 + count * 20),
            "fill-redis-memory" => format!("share = \"{}%\"", 1 + count % 100),
            "hold-database-connections" => format!("count = {}", 1 + count * 5),
            "slow-dns" => format!("delay = \"{}ms\", unanswered = \"{count}%\"", count * 30),
            "provider-slow" => format!("delay = \"{}ms\"", 100 + count * 80),
            "s3-unavailable" | "provider-down" => String::new(),
            _ => format!("part = \"{subject}\""),
        };
        let separator = if keys.is_empty() { "" } else { ", " };
        let lasts = match self.action {
            "terminate-instances" => String::new(),
            _ => format!("{separator}lasts = \"{}ms\"", end - at),
        };
        let action = self.action;
        format!("{{ at = \"{at}ms\", action = \"{action}\", {keys}{lasts} }}")
    }
}

fn breaks() -> impl Strategy<Value = Vec<Break>> {
    let one = (
        select(&ACTIONS[..]),
        0..6_usize,
        0..950_u64,
        0..500_u64,
        0..100_u64,
    );
    let one = one.prop_map(|(action, which, starts, lasts, count)| Break {
        action,
        which,
        starts,
        lasts,
        count,
    });
    vec(one, 0..=3)
}

/// Keeps the faults that do not meet an earlier one of the same subject.
fn faults(breaks: &[Break], run_ms: u64, zones: &[&str]) -> Vec<String> {
    let mut kept: Vec<&Break> = Vec::new();
    for one in breaks {
        let (at, end) = one.window(run_ms);
        let meets = |other: &&&Break| {
            let (from, until) = other.window(run_ms);
            // A second between them: faults that touch are rejected as well.
            other.subject(zones) == one.subject(zones) && at <= until + 1_000 && from <= end + 1_000
        };
        if kept.iter().find(meets).is_none() {
            kept.push(one);
        }
    }
    let written = kept.into_iter().map(|one| one.written(run_ms, zones));
    written.collect()
}

/// The size of the fleet, and what changes it.
fn fleet() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let sizes = (1..=4_u64, 0..=6_u64, 0..=20_000_u64, 0..=30_000_u64);
    let policies = option::of(policies());
    (sizes, policies).prop_map(|((min, more, pending, boot), policies)| {
        let boot = pending + boot;
        vec![
            ("scaling.min", min.to_string()),
            ("scaling.max", (min + more).to_string()),
            ("scaling.pending", format!("\"{pending}ms\"")),
            ("scaling.boot", format!("\"{boot}ms\"")),
            (
                "scaling.policies",
                policies.unwrap_or_else(|| "[]".to_owned()),
            ),
        ]
    })
}

/// Two policies on one metric, one that grows the fleet and one that shrinks it.
fn policies() -> impl Strategy<Value = String> {
    let alarm = || {
        let period = verbatim(&["\"10s\"", "\"30s\"", "\"60s\""]);
        let datapoints = word(&["1 of 1", "2 of 3", "3 of 3"]);
        let missing = word(&["missing", "notBreaching", "breaching", "ignore"]);
        (period, datapoints, missing).prop_map(|(period, datapoints, missing)| {
            format!("period = {period}, datapoints = {datapoints}, missing = {missing}")
        })
    };
    let grow = prop_oneof![
        (1..=4_u64, 0..=120_000_u64).prop_map(|(adjust, cooldown)| {
            format!("kind = \"simple\", adjust = {adjust}, cooldown = \"{cooldown}ms\"")
        }),
        (1..=4_u64, 0..=120_000_u64).prop_map(|(adjust, warmup)| {
            format!(
                "kind = \"step\", warmup = \"{warmup}ms\", steps = [{{ to = 10, adjust = 1 }}, {{ from = 10, adjust = {adjust} }}]"
            )
        }),
    ];
    let metric = word(&["queue_size", "cpu_utilization"]);
    let thresholds = (1..=40_u64, 0..=40_u64);
    let shrink = (1..=2_u64, 0..=120_000_u64);
    (metric, alarm(), alarm(), thresholds, grow, shrink).prop_map(
        |(metric, high, low, (above, less), grow, (adjust, cooldown))| {
            let below = above.saturating_sub(less);
            format!(
                "[{{ name = \"up\", metric = {metric}, alarm = {{ above = {above}, {high} }}, {grow} }}, \
                 {{ name = \"down\", metric = {metric}, alarm = {{ below = {below}, {low} }}, kind = \"simple\", adjust = -{adjust}, cooldown = \"{cooldown}ms\" }}]"
            )
        },
    )
}

fn backoff(key: &'static str) -> Line {
    let tries = verbatim(&["\"none\"", "0", "1", "3", "20"]);
    let table = (100..=2_000_u64, 0..=8_000_u64, share(), tries);
    let table = table.prop_map(|(first, more, jitter, tries)| {
        let max = first + more;
        format!(
            "{{ first = \"{first}ms\", max = \"{max}ms\", jitter = {jitter}, tries_max = {tries} }}"
        )
    });
    maybe(key, table)
}

fn of_the_sale() -> Vec<Line> {
    let section = |name: char| {
        (1..=8_u64, 1..=15_u64, 0..=200_000_u64).prop_map(move |(rows, seats, price)| {
            format!(
                "{{ name = \"{name}\", rows = {rows}, seats_per_row = {seats}, price = {price} }}"
            )
        })
    };
    let sections = (section('R'), option::of(section('S')));
    let sections = sections.prop_map(|(one, more)| {
        let more = more.map_or_else(String::new, |more| format!(", {more}"));
        format!("[{one}{more}]")
    });
    vec![
        maybe("show.sections", sections),
        maybe("show.hold", length(1_000..=90_000)),
        maybe(
            "waiting_room.active_max",
            verbatim(&["1", "2", "5", "20", "100"]),
        ),
        maybe("waiting_room.admit_every", length(100..=4_000)),
        maybe("waiting_room.idle_timeout", length(1_000..=120_000)),
        maybe("waiting_room.update_every", length(200..=20_000)),
        maybe(
            "server.rate_limit",
            verbatim(&["\"none\"", "5", "30", "300"]),
        ),
        maybe("server.session_ttl", length(1_000..=600_000)),
        maybe("server.show_list_ttl", length(500..=30_000)),
        maybe("server.show_detail_ttl", length(500..=30_000)),
    ]
}

fn of_the_buyers() -> Vec<Line> {
    let poll = (500..=8_000_u64, 500..=8_000_u64, flag());
    let poll = poll.prop_map(|(on, off, update)| {
        format!("{{ connected = \"{on}ms\", disconnected = \"{off}ms\", on_update = {update} }}")
    });
    let profiles = select(&["fiber", "cable", "lte", "3g"]);
    let network = (profiles, 0..=400_u64, 0..=20_u32).prop_map(|(profile, delay, loss)| {
        format!("{{ profile = \"{profile}\", delay = \"{delay}ms\", loss = \"{loss}%\" }}")
    });
    let by_position = (0..=200_u32, 500..=20_000_u64).prop_map(|(beyond, every)| {
        format!(
            "[{{ beyond = {beyond}, every = \"{every}ms\" }}, {{ beyond = 400, every = \"30s\" }}]"
        )
    });
    vec![
        maybe("buyers.browse", distribution(100, 3_000)),
        maybe("buyers.patience", distribution(1_000, 300_000)),
        maybe("buyers.seat_pick", distribution(100, 8_000)),
        maybe("buyers.seat_repick", distribution(100, 4_000)),
        maybe("buyers.conflicts_max", whole(1..=12)),
        maybe("buyers.payment", distribution(100, 30_000)),
        maybe("buyers.pays", share()),
        maybe("buyers.poll", poll),
        backoff("buyers.retry"),
        backoff("buyers.reconnect"),
        maybe("buyers.call_timeout", length(200..=12_000)),
        maybe("buyers.network", network),
        maybe("buyers.poll_by_position", by_position),
    ]
}

fn of_the_topology() -> Vec<Line> {
    let classes = &["t3.micro", "t3.medium", "t3.xlarge", "c5.large"];
    let check = (2..=10_u64, 2..=5_u64, 2..=5_u64).prop_map(|(timeout, healthy, unhealthy)| {
        let interval = (timeout + 3).max(5);
        format!("{{ interval = \"{interval}s\", timeout = \"{timeout}s\", healthy_count = {healthy}, unhealthy_count = {unhealthy} }}")
    });
    vec![
        maybe("topology.s3_endpoint", flag()),
        maybe("server.receipt_bytes", verbatim(&["0", "4096", "300000"])),
        maybe("provider.latency", distribution(10, 4_000)),
        maybe("provider.declined", share()),
        maybe("provider.errors", share()),
        maybe("provider.timeout", length(100..=8_000)),
        maybe("provider.attempts", whole(1..=4)),
        maybe("topology.instances.class", word(classes)),
        maybe(
            "topology.instances.credits",
            word(&["unlimited", "standard"]),
        ),
        maybe(
            "topology.instances.profile",
            word(&["t3-medium-node", "native"]),
        ),
        maybe("topology.alb.health_check", check),
        maybe(
            "topology.alb.deregistration_delay",
            whole(0..=60).prop_map(|s| format!("\"{s}s\"")),
        ),
        maybe("topology.alb.stickiness", word(&["none", "5s", "1d"])),
        maybe(
            "topology.alb.idle_timeout",
            whole(1..=60).prop_map(|s| format!("\"{s}s\"")),
        ),
        maybe("topology.alb.connect_timeout", length(100..=10_000)),
        maybe("topology.alb.dns_ttl", length(0..=60_000)),
        maybe("topology.edge.ttl", length(1..=60_000)),
        maybe("topology.edge.cache", word(&["warm", "empty"])),
        maybe(
            "topology.edge.locations",
            whole(1..=4).prop_map(|n| n.to_string()),
        ),
        maybe("topology.edge.latency", length(0..=50)),
        maybe("topology.edge.origin_latency", length(0..=12_000)),
        maybe("topology.edge.dns_ttl", length(0..=60_000)),
        maybe(
            "topology.edge.resolvers",
            whole(1..=9).prop_map(|n| n.to_string()),
        ),
        maybe("topology.edge.api", word(&["direct", "through"])),
        maybe("topology.edge.waiting_room", word(&["application", "edge"])),
        maybe(
            "topology.edge.files",
            verbatim(&["[]", "[{ path = \"/index.html\", bytes = 2_000 }]"]),
        ),
        maybe("topology.redis.failover", length(0..=30_000)),
        maybe("topology.redis.lost_window", length(0..=2_000)),
        maybe("topology.redis.dns_ttl", length(0..=10_000)),
        maybe("topology.redis.timeout", length(100..=5_000)),
        // At least 1 MiB must be left for keys.
        maybe("topology.redis.memory_mib", verbatim(&["2", "4", "64"])),
        maybe(
            "topology.redis.reserved",
            (0..=50_u32).prop_map(|percent| format!("\"{percent}%\"")),
        ),
        maybe(
            "topology.redis.eviction",
            word(&["allkeys-lru", "volatile-lru", "noeviction"]),
        ),
        maybe(
            "topology.redis.command",
            word(&["0s", "10us", "200us", "2ms"]),
        ),
        maybe("topology.redis.cpu_credits", word(&["full", "spent"])),
        maybe("topology.database.kind", word(&["aurora", "rds-multi-az"])),
        maybe("topology.database.failover", length(0..=30_000)),
        maybe("topology.database.dns_ttl", length(0..=10_000)),
        maybe("topology.database.pool_max", verbatim(&["1", "2", "20"])),
        maybe("topology.database.pool_connect_timeout", length(0..=3_000)),
        maybe(
            "topology.database.connections_max",
            verbatim(&["1", "3", "40", "420"]),
        ),
        maybe("topology.database.cores", whole(1..=4)),
        maybe("topology.database.commit", length(0..=50)),
    ]
}

fn of_the_scaling() -> Vec<Line> {
    let monitor = (verbatim(&["1s", "5s", "60s"]), 0..=6_000_u64);
    let monitor = monitor.prop_map(|(period, ingest)| {
        format!("{{ period = \"{period}\", phase = \"random\", ingest = \"{ingest}ms\" }}")
    });
    vec![
        maybe("scaling.health_type", word(&["ec2", "elb"])),
        maybe("scaling.grace", length(0..=120_000)),
        maybe("scaling.launch_hook", word(&["none", "until-answers"])),
        maybe("scaling.launch_hook_timeout", length(30_000..=60_000)),
        maybe(
            "scaling.launch_hook_default",
            word(&["abandon", "continue"]),
        ),
        maybe(
            "scaling.instance_maintenance_policy",
            verbatim(&[
                "{ min_healthy_percentage = 100, max_healthy_percentage = 110 }",
                "{ min_healthy_percentage = 0, max_healthy_percentage = 100 }",
                "{ min_healthy_percentage = 90, max_healthy_percentage = 150 }",
            ]),
        ),
        maybe("scaling.default_instance_warmup", length(0..=20_000)),
        maybe(
            "scaling.suspended_processes",
            verbatim(&[
                "[]",
                "[\"AZRebalance\"]",
                "[\"Launch\"]",
                "[\"Terminate\"]",
                "[\"HealthCheck\", \"ScheduledActions\"]",
                "[\"ReplaceUnhealthy\", \"AlarmNotification\"]",
            ]),
        ),
        maybe(
            "scaling.instance_refreshes",
            verbatim(&[
                "[{ at = \"1s\" }]",
                "[{ at = \"1s\", min_healthy_percentage = 100, max_healthy_percentage = 200, instance_warmup = \"0s\" }]",
                "[{ at = \"1s\", min_healthy_percentage = 0, max_healthy_percentage = 100, checkpoint_percentages = [30, 100], checkpoint_delay = \"2s\" }]",
                "[{ at = \"1s\", new_version = \"never-answers\", cancel_at = \"9s\" }]",
            ]),
        ),
        maybe("scaling.monitor", monitor),
        maybe(
            "cost.prices",
            word(&["documented-krw", "aws-ap-northeast-2"]),
        ),
        maybe("cost.onsales_per_month", whole(0..=40)),
        maybe("availability.maintenances_per_year", whole(0..=40)),
        maybe("availability.maintenance", length(0..=20_000)),
    ]
}

/// Where things are at the start.
fn placement() -> impl Strategy<Value = (Vec<&'static str>, Vec<(&'static str, String)>)> {
    let zones = select(vec![
        vec!["a"],
        vec!["a", "b"],
        vec!["b", "a"],
        vec!["a", "b", "c"],
    ]);
    let flags = (any::<bool>(), any::<bool>(), 0..3_usize, 0..3_usize);
    (zones, flags).prop_map(|(zones, (replica, standby, primary, nat))| {
        let at = |index: usize| format!("\"{}\"", zones[index % zones.len()]);
        let list: Vec<_> = (0..zones.len()).map(at).collect();
        let mut keys = vec![("topology.zones", format!("[{}]", list.join(", ")))];
        if !replica {
            keys.push(("topology.redis.replica", "\"none\"".to_owned()));
        }
        if !standby {
            keys.push(("topology.database.standby", "\"none\"".to_owned()));
        }
        if primary > 0 && !replica && !standby {
            keys.push(("topology.redis.primary", at(primary)));
            keys.push(("topology.database.primary", at(primary)));
        }
        let nat = [
            "\"each-zone\"".to_owned(),
            format!("[{}]", at(0)),
            "[]".to_owned(),
        ][nat]
            .clone();
        keys.push(("topology.nat_gateways", nat));
        (zones, keys)
    })
}

/// Any valid scenario: all shapes of arrivals, every fault, every part too small or too slow for once.
pub(crate) fn any_scenario() -> impl Strategy<Value = Settings> {
    let mut lines = of_the_sale();
    lines.extend(of_the_buyers());
    lines.extend(of_the_topology());
    lines.extend(of_the_scaling());
    let run = (select(&[20_u64, 60, 150][..]), any::<u64>(), 0..=300_u64);
    (
        run,
        placement(),
        phases(90),
        lines,
        fleet(),
        breaks(),
        scheduled(),
    )
        .prop_map(
            |(
                (seconds, seed, warmup),
                (zones, places),
                phases,
                lines,
                fleet,
                breaks,
                scheduled,
            )| {
                let run_ms = seconds * 1_000;
                let listed = |elements: Vec<String>| format!("[{}]", elements.join(", "));
                let arrivals = phases.iter().map(|phase| phase.written(run_ms)).collect();
                let limits = |key| fleet.iter().find(|(name, _)| *name == key);
                let desired = limits("scaling.min").map_or("1", |(_, min)| min.as_str());
                let scheduled = scheduled.iter().map(|at| {
                    let at = run_ms * at / 1_000;
                    format!("{{ at = \"{at}ms\", late = \"0s\", desired = {desired} }}")
                });
                let scheduled = scheduled.collect();
                let stated = places
                    .into_iter()
                    .chain(lines.into_iter().flatten())
                    .chain(fleet);
                stated
                    .fold(Settings::default(), |settings, (key, value)| {
                        settings.with(key, value)
                    })
                    .with("name", "\"swarm\"")
                    // Seeds that a scenario file can hold: TOML has signed numbers.
                    .with("seed", (seed >> 1).to_string())
                    .with("clock.duration", format!("\"{seconds}s\""))
                    .with("clock.warmup", format!("\"{}ms\"", seconds * warmup))
                    .with("arrivals", listed(arrivals))
                    .with("faults", listed(faults(&breaks, run_ms, &zones)))
                    .with("scaling.scheduled", listed(scheduled))
                    .with("gates.errors", "[\"rate < 50%\"]")
            },
        )
}

/// Moments at which the size of the fleet is set.
fn scheduled() -> impl Strategy<Value = Vec<Permille>> {
    vec(0..900_u64, 0..=1)
}

/// A sale without faults in which nothing is too small but the instances: all patience, all paid, and time to sell out.
pub(crate) fn calm_sale() -> impl Strategy<Value = Settings> {
    let sizes = (40..=250_u64, 5..=15_u64, 1..=3_u64, 10..=80_u64);
    (any::<u64>(), sizes, 1..=20_u64).prop_map(|(seed, (buyers, rows, fleet, slots), decay)| {
        Settings::default()
            .with("name", "\"calm\"")
            .with("seed", (seed >> 1).to_string())
            .with("clock.duration", "\"4m\"")
            .with("clock.warmup", "\"0s\"")
            .with("show.sections", format!("[{{ name = \"R\", rows = {rows}, seats_per_row = 10, price = 1000 }}]"))
            .with("waiting_room.active_max", slots.to_string())
            .with(
                "arrivals",
                format!("[{{ shape = \"onsale\", buyers = {buyers}, opens_at = \"2s\", decay = \"{decay}s\", until = \"60s\" }}]"),
            )
            .with("buyers.browse", "\"1s\"")
            .with("buyers.seat_pick", "\"2s\"")
            .with("buyers.seat_repick", "\"1s\"")
            .with("buyers.conflicts_max", "1000")
            .with("buyers.payment", "\"4s\"")
            .with("buyers.pays", "1.0")
            .with("buyers.patience", "\"1h\"")
            .with("scaling.min", fleet.to_string())
            .with("scaling.max", "12")
            .with("scaling.policies", "[]")
            .with("gates.errors", "[\"rate < 50%\"]")
    })
}
