//! The three sales in which keys are changed, and how.

/// A sale in which much goes wrong: too few slots, instances, connections and bytes, and most faults.
const RICH: &str = r#"
name = "rich"
seed = 3
clock = { duration = "4m20s", warmup = "5s" }
cost = { prices = "aws-ap-northeast-2" }
arrivals = [
  { shape = "onsale", buyers = 150, opens_at = "4s", until = "100s", decay = "15s" },
  { shape = "flash", buyers = 40, from = "50s", until = "110s", rise = "5s", decay = "8s" },
  { shape = "poisson", rate = 0.3, from = "10s", until = "190s" },
  { shape = "ramp", start_rate = 0.1, end_rate = 0.6, from = "20s", until = "80s" },
  { shape = "step", from = "30s", levels = [{ rate = 0.5, lasts = "20s" }, { rate = 0.2, lasts = "30s" }] },
]
[show]
hold = "25s"
sections = [{ name = "R", rows = 6, seats_per_row = 10, price = 1000 }]
[waiting_room]
active_max = 15
idle_timeout = "20s"
[buyers]
browse = { distribution = "lognormal", median = "1s", sigma = 0.5 }
patience = { distribution = "exponential", mean = "90s" }
seat_pick = { distribution = "lognormal", median = "2s", sigma = 0.7 }
seat_repick = { distribution = "exponential", mean = "1s" }
conflicts_max = 3
payment = { distribution = "lognormal", median = "10s", sigma = 0.6 }
pays = 0.6
retry = { tries_max = 4 }
reload = { share = 0.1, every = "15s" }
bots = { share = 0.02, poll = "700ms" }
call_timeout = "8s"
[server]
rate_limit = 40
session_ttl = "3s"
ping_timeout = "3s"
[topology]
instances = { credits = "standard", initial = { a = 2, b = 1 } }
edge = { files = [{ path = "/index.html", bytes = 2000 }, { path = "/index.js", bytes = 90000 }], ttl = "9s", dns_ttl = "6s" }
alb = { health_check = { interval = "5s", timeout = "2s" }, stickiness = "8s", dns_ttl = "5s", idle_timeout = "6s", deregistration_delay = "20s" }
redis = { memory_mib = 2, other_mib = 0, reserved = 0.465, cpu_credits = "spent", failover = "8s", timeout = "1s" }
database = { failover = "10s", pool_max = 2, pool_connect_timeout = "300ms", connections_max = 7, cores = 1, commit = "20ms" }
[scaling]
min = 2
max = 6
pending = "4s"
boot = { distribution = "uniform", from = "8s", to = "12s" }
health_type = "elb"
grace = "10s"
monitor = { period = "5s", ingest = "1s" }
policies = [
  { name = "up", metric = "queue_size", alarm = { above = 30, period = "10s" }, kind = "simple", adjust = 1, cooldown = "30s" },
  { name = "steps", metric = "queue_size", alarm = { above = 60, period = "10s" }, kind = "step", warmup = "20s", steps = [{ to = 10, adjust = 1 }, { from = 10, to = 40, adjust = 2 }] },
  { name = "down", metric = "queue_size", alarm = { below = 10, period = "10s", datapoints = "2 of 3" }, kind = "simple", adjust = -1, cooldown = "20s" },
]
scheduled = [{ name = "more", at = "70s", late = "2s", min = 4, max = 8, desired = 7 }]
"#;

/// The faults of the rich sale.
const FAULTS: &str = r#"
faults = [
  { at = "40s", lasts = "20s", action = "pause-instances", zone = "b", count = 1 },
  { at = "65s", lasts = "15s", action = "lose-primary", part = "redis" },
  { at = "20s", lasts = "10s", action = "hold-database-connections", count = 7 },
  { at = "100s", lasts = "20s", action = "fill-redis-memory", share = 0.9 },
  { at = "62s", lasts = "10s", action = "delay-replica", part = "redis", lag = "4s" },
  { at = "110s", lasts = "20s", action = "az-power-interruption", zone = "b" },
  { at = "85s", lasts = "12s", action = "lose-primary", part = "database" },
  { at = "150s", action = "terminate-instances", zone = "a", count = 1 },
  { at = "160s", lasts = "30s", action = "lose-alb-node", zone = "a" },
  { at = "200s", lasts = "10s", action = "pause-primary", part = "database" },
  { at = "20s", lasts = "15s", action = "cpu-stress", zone = "a", count = 1, load = 0.9 },
  { at = "22s", lasts = "40s", action = "network-latency", zone = "a", peer = "buyers", delay = "30ms", jitter = "9ms" },
  { at = "24s", lasts = "40s", action = "network-packet-loss", zone = "b", peer = "other-zones", loss = 0.2 },
  { at = "75s", lasts = "30s", action = "slow-dns", delay = "300ms", unanswered = 0.2 },
  { at = "30s", lasts = "25s", action = "provider-slow", delay = "3s" },
  { at = "70s", lasts = "50s", action = "lose-nat-gateway", zone = "a" },
  { at = "75s", action = "replace-route", zone = "a", gateway = "b" },
]
"#;

/// A sale on one slow instance without CPU credits, whose buyers ask all the time; for keys that only matter under load, or
/// where nothing else goes wrong.
pub(crate) const BUSY: &str = r#"
name = "busy"
clock = { duration = "80s", warmup = "0s" }
availability = { faults = [{ action = "pause-primary", per_year = 2, lasts = "as-run", detection = "0s" }] }
arrivals = [{ shape = "onsale", buyers = 120, opens_at = "8s", until = "20s", decay = "2s" }]
faults = [
  { at = "2s", action = "terminate-instances", zone = "a", count = 1 },
  { at = "20s", lasts = "10s", action = "fill-redis-memory", share = 0.9 },
  { at = "36s", lasts = "12s", action = "pause-instances", zone = "a", count = 1 },
  { at = "62s", lasts = "6s", action = "pause-primary", part = "redis" },
]
waiting_room = { active_max = 5, update_every = "500ms" }
buyers = { poll = { connected = "100ms", disconnected = "100ms" } }
[topology]
zones = ["a"]
instances = { class = "t3.micro", credits = "standard" }
alb = { health_check = { interval = "5s", timeout = "2s" } }
redis = { memory_mib = 4, timeout = "1s" }
[scaling]
min = 1
max = 4
pending = "1s"
boot = "2s"
policies = []
"#;

/// A sale whose group replaces instances: a zone is lost and comes back, and a new version is deployed; for keys that say
/// how.
pub(crate) const DEPLOYED: &str = r#"
name = "deployed"
seed = 2
clock = { duration = "10m", warmup = "0s" }
arrivals = [{ shape = "poisson", rate = 2, until = "9m" }]
faults = [{ at = "20s", lasts = "40s", action = "az-power-interruption", zone = "a" }]
[topology]
instances = { initial = { a = 2, b = 2 } }
alb = { health_check = { interval = "5s", timeout = "2s" }, deregistration_delay = "10s" }
[scaling]
min = 4
max = 8
pending = "2s"
boot = { distribution = "uniform", from = "30s", to = "60s" }
launch_hook = "until-answers"
launch_hook_timeout = "45s"
launch_hook_default = "abandon"
instance_maintenance_policy = { min_healthy_percentage = 100, max_healthy_percentage = 125 }
default_instance_warmup = "20s"
policies = []
instance_refreshes = [
  { at = "4m", min_healthy_percentage = 75, max_healthy_percentage = 100, instance_warmup = "15s", checkpoint_percentages = [50, 100], checkpoint_delay = "20s", new_version = "answers", cancel_at = "570s" },
]
"#;

/// How a key is changed.
#[derive(Clone, Copy)]
pub(crate) enum Change {
    /// The key gets this value. A key of the preset that the sale does not state is stated.
    Set(&'static str),
    /// A text of the sale is replaced by another, for keys inside lists and inline tables.
    Replace(&'static str, &'static str),
    /// The same, in the busy sale.
    Busy(&'static str, &'static str),
    /// The same, in the sale with a deployment.
    Deployed(&'static str, &'static str),
}

use Change::{Busy, Deployed, Replace, Set};

pub(crate) fn base() -> String {
    let (top, tables) = RICH.split_once("[show]").expect("the sale has tables");
    format!("{top}{FAULTS}[show]{tables}")
}

/// The sale with one key changed.
pub(crate) fn changed(path: &str, change: Change) -> String {
    match change {
        Set(value) => {
            let base = base();
            let (table, key) = path.rsplit_once('.').unwrap_or(("", path));
            let header = format!("[{table}]\n");
            if base.contains(&header) {
                base.replacen(&header, &format!("{header}{key} = {value}\n"), 1)
            } else if let Some((outer, rest)) = path
                .split_once('.')
                .filter(|(outer, _)| base.contains(&format!("[{outer}]\n")))
            {
                let header = format!("[{outer}]\n");
                base.replacen(&header, &format!("{header}{rest} = {value}\n"), 1)
            } else {
                format!("{path} = {value}\n{base}")
            }
        }
        Replace(from, to) => replaced(path, &base(), (from, to)),
        Busy(from, to) => replaced(path, BUSY, (from, to)),
        Deployed(from, to) => replaced(path, DEPLOYED, (from, to)),
    }
}

fn replaced(path: &str, sale: &str, (from, to): (&str, &str)) -> String {
    assert!(sale.contains(from), "{path}: the sale has no `{from}`");
    sale.replacen(from, to, 1)
}
