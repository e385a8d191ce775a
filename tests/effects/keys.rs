//! Every key of a scenario: how it is changed, and what that moves.

use super::sales::Change::{self, Busy, Deployed, Replace, Set};

/// What the change moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moves {
    /// What was measured of buyers and system.
    Figures,
    /// The bill alone.
    Bill,
    /// Gates and other verdicts alone.
    Verdicts,
    /// Nothing in a simulation, for this reason.
    Nothing(&'static str),
}
use Moves::{Bill, Figures, Nothing, Verdicts};

const ADDRESS: &str = "addresses are those of the testbed's loopback interface; the model has none";
const CLAIM: &str = "only an architecture claim reads it, and this sale is not that architecture";
const TEXT: &str = "a name for people";
pub(crate) const LIVE: &str = "for live runs only, as its description says";
const ON_THE_WIRE: &str = "for runs with --target only";

/// Every key of a scenario that has no file of its own beside this one. Keys of elements of lists have `[]` in their path.
pub(crate) const KEYS: &[(&str, Change, Moves)] = &[
    (
        "name",
        Replace("name = \"rich\"", "name = \"poor\""),
        Nothing(TEXT),
    ),
    (
        "preset",
        Replace("seed = 3", "seed = 3\npreset = \"tiketi\""),
        Nothing("there is one preset"),
    ),
    ("seed", Replace("seed = 3", "seed = 4"), Figures),
    ("clock.duration", Replace("\"4m20s\"", "\"5m\""), Figures),
    (
        "clock.warmup",
        Replace("\"5s\" }\ncost", "\"9s\" }\ncost"),
        Figures,
    ),
    (
        "clock.speed",
        Replace("warmup = ", "speed = 3, warmup = "),
        Nothing(LIVE),
    ),
    (
        "arrivals[].shape",
        Replace(
            "shape = \"poisson\", rate = 0.3",
            "shape = \"ramp\", start_rate = 0.3, end_rate = 0.2",
        ),
        Figures,
    ),
    (
        "arrivals[].count",
        Replace("rate = 0.3,", "rate = 0.3, count = \"poisson\","),
        Figures,
    ),
    (
        "arrivals[].rate",
        Replace("rate = 0.3,", "rate = 0.4,"),
        Figures,
    ),
    (
        "arrivals[].from",
        Replace("from = \"10s\"", "from = \"12s\""),
        Figures,
    ),
    (
        "arrivals[].until",
        Replace("until = \"190s\"", "until = \"180s\""),
        Figures,
    ),
    (
        "arrivals[].levels[].rate",
        Replace("rate = 0.5", "rate = 0.9"),
        Figures,
    ),
    (
        "arrivals[].levels[].lasts",
        Replace("lasts = \"30s\" }]", "lasts = \"50s\" }]"),
        Figures,
    ),
    (
        "arrivals[].start_rate",
        Replace("start_rate = 0.1", "start_rate = 0.5"),
        Figures,
    ),
    (
        "arrivals[].end_rate",
        Replace("end_rate = 0.6", "end_rate = 0.9"),
        Figures,
    ),
    (
        "arrivals[].buyers",
        Replace("buyers = 40", "buyers = 50"),
        Figures,
    ),
    (
        "arrivals[].rise",
        Replace("rise = \"5s\"", "rise = \"9s\""),
        Figures,
    ),
    (
        "arrivals[].decay",
        Replace("decay = \"8s\"", "decay = \"12s\""),
        Figures,
    ),
    (
        "arrivals[].base",
        Replace("rise = \"5s\"", "rise = \"5s\", base = 0.2"),
        Figures,
    ),
    (
        "arrivals[].opens_at",
        Replace("opens_at = \"4s\"", "opens_at = \"7s\""),
        Figures,
    ),
    (
        "arrivals[].waiting_before",
        Replace("buyers = 150,", "buyers = 150, waiting_before = 0.5,"),
        Figures,
    ),
    (
        "arrivals[].jitter",
        Replace("buyers = 150,", "buyers = 150, jitter = \"3s\","),
        Figures,
    ),
    ("show.title", Set("\"Another show\""), Nothing(TEXT)),
    (
        "show.hold",
        Replace("hold = \"25s\"", "hold = \"18s\""),
        Figures,
    ),
    (
        "show.sections[].name",
        Replace("name = \"R\"", "name = \"S\""),
        Nothing(TEXT),
    ),
    (
        "show.sections[].rows",
        Replace("rows = 6", "rows = 8"),
        Figures,
    ),
    (
        "show.sections[].seats_per_row",
        Replace("seats_per_row = 10", "seats_per_row = 9"),
        Figures,
    ),
    (
        "show.sections[].price",
        Replace("price = 1000", "price = 9000"),
        Nothing(
            "the price makes no difference to buyers, and a payment of any amount takes as long",
        ),
    ),
    (
        "waiting_room.active_max",
        Replace("active_max = 15", "active_max = 20"),
        Figures,
    ),
    ("waiting_room.admit_every", Set("\"3s\""), Figures),
    (
        "waiting_room.idle_timeout",
        Replace("idle_timeout = \"20s\"\n", "idle_timeout = \"9s\"\n"),
        Figures,
    ),
    ("waiting_room.update_every", Set("\"3s\""), Figures),
    (
        "server.rate_limit",
        Replace("rate_limit = 40", "rate_limit = 20"),
        Figures,
    ),
    (
        "server.session_ttl",
        Replace("session_ttl = \"3s\"", "session_ttl = \"1h\""),
        Figures,
    ),
    ("server.show_list_ttl", Set("\"2s\""), Figures),
    ("server.show_detail_ttl", Set("\"1s\""), Figures),
    ("server.ping_interval", Set("\"5s\""), Figures),
    (
        "server.ping_timeout",
        Replace("ping_timeout = \"3s\"", "ping_timeout = \"1s\""),
        Figures,
    ),
    ("server.receipt_bytes", Set("900_000"), Figures),
    ("provider.latency", Set("\"200ms\""), Figures),
    ("provider.declined", Set("\"50%\""), Figures),
    ("provider.errors", Set("\"60%\""), Figures),
    ("provider.timeout", Set("\"1s\""), Figures),
    ("provider.attempts", Set("1"), Figures),
    ("topology.vpc", Set("\"10.0.0.0/17\""), Verdicts),
    ("topology.zones", Set("[\"a\", \"b\", \"c\"]"), Figures),
    (
        "topology.nat_gateways",
        Deployed(
            "[topology]\ninstances",
            "[topology]\nnat_gateways = [\"b\"]\ninstances",
        ),
        Figures,
    ),
    ("topology.s3_endpoint", Set("false"), Figures),
    ("topology.data_tier", Set("\"servers\""), Nothing(LIVE)),
    (
        "topology.routes.public",
        Set("{ a = \"internet-gateway\", b = \"internet-gateway\" }"),
        Nothing("every other route of a public subnet is rejected"),
    ),
    ("topology.routes.private", Set("\"nat-gateway-b\""), Figures),
    (
        "topology.routes.data",
        Set("\"nat-gateway\""),
        Nothing("a database opens no connection to the internet"),
    ),
    (
        "topology.security_groups.load_balancer",
        Set("[\"internet\", \"vpc\"]"),
        Nothing("the internet must be admitted, and nothing else calls the load balancer"),
    ),
    (
        "topology.security_groups.instances",
        Set("[\"load-balancer\", \"redis\"]"),
        Nothing(CLAIM),
    ),
    (
        "topology.security_groups.redis",
        Set("[\"instances\", \"load-balancer\"]"),
        Nothing("no claim is about who else in the VPC reaches Redis"),
    ),
    (
        "topology.security_groups.database",
        Set("[\"instances\", \"load-balancer\"]"),
        Nothing(CLAIM),
    ),
    (
        "topology.subnets.public",
        Set("{ a = \"10.0.5.0/24\", b = \"10.0.2.0/24\" }"),
        Verdicts,
    ),
    (
        "topology.subnets.private",
        Set("{ a = \"10.0.5.0/24\", b = \"10.0.12.0/24\" }"),
        Verdicts,
    ),
    (
        "topology.subnets.data",
        Set("{ a = \"10.0.5.0/24\", b = \"10.0.22.0/24\" }"),
        Nothing(ADDRESS),
    ),
    (
        "topology.instances.class",
        Replace(
            "credits = \"standard\"",
            "credits = \"standard\", class = \"c5.large\"",
        ),
        Figures,
    ),
    (
        "topology.instances.credits",
        Busy("credits = \"standard\"", "credits = \"unlimited\""),
        Figures,
    ),
    (
        "topology.instances.profile",
        Replace(
            "credits = \"standard\"",
            "credits = \"standard\", profile = \"native\"",
        ),
        Figures,
    ),
    (
        "topology.instances.initial",
        Replace("initial = { a = 2, b = 1 }", "initial = { a = 1, b = 2 }"),
        Figures,
    ),
    (
        "topology.alb.health_check.interval",
        Replace("interval = \"5s\"", "interval = \"7s\""),
        Figures,
    ),
    (
        "topology.alb.health_check.timeout",
        Replace("timeout = \"2s\" }", "timeout = \"4s\" }"),
        Figures,
    ),
    (
        "topology.alb.health_check.healthy_count",
        Busy(
            "timeout = \"2s\" }",
            "timeout = \"2s\", healthy_count = 2 }",
        ),
        Figures,
    ),
    (
        "topology.alb.health_check.unhealthy_count",
        Replace(
            "timeout = \"2s\" }",
            "timeout = \"2s\", unhealthy_count = 4 }",
        ),
        Figures,
    ),
    (
        "topology.alb.deregistration_delay",
        Replace(
            "deregistration_delay = \"20s\"",
            "deregistration_delay = \"2s\"",
        ),
        Figures,
    ),
    (
        "topology.alb.stickiness",
        Replace("stickiness = \"8s\"", "stickiness = \"none\""),
        Figures,
    ),
    (
        "topology.alb.idle_timeout",
        Replace("idle_timeout = \"6s\"", "idle_timeout = \"3s\""),
        Figures,
    ),
    (
        "topology.alb.connect_timeout",
        Deployed(
            "deregistration_delay =",
            "connect_timeout = \"1s\", deregistration_delay =",
        ),
        Figures,
    ),
    (
        "topology.alb.dns_ttl",
        Replace("dns_ttl = \"5s\"", "dns_ttl = \"20s\""),
        Figures,
    ),
    (
        "topology.redis.class",
        Replace("redis = { ", "redis = { class = \"cache.t3.medium\", "),
        Figures,
    ),
    (
        "topology.redis.primary",
        Replace("redis = { ", "redis = { primary = \"b\", "),
        Figures,
    ),
    (
        "topology.redis.replica",
        Replace("redis = { ", "redis = { replica = \"none\", "),
        Figures,
    ),
    (
        "topology.redis.failover",
        Replace("failover = \"8s\"", "failover = \"5s\""),
        Figures,
    ),
    (
        "topology.redis.lost_window",
        Replace("redis = { ", "redis = { lost_window = \"2s\", "),
        Figures,
    ),
    (
        "topology.redis.dns_ttl",
        Replace("redis = { ", "redis = { dns_ttl = \"9s\", "),
        Nothing(LIVE),
    ),
    (
        "topology.redis.tls",
        Replace("redis = { ", "redis = { tls = true, "),
        Nothing(LIVE),
    ),
    (
        "topology.redis.idle_timeout",
        Replace("redis = { ", "redis = { idle_timeout = \"9s\", "),
        Nothing(LIVE),
    ),
    (
        "topology.redis.timeout",
        Busy("timeout = \"1s\" }", "timeout = \"3s\" }"),
        Figures,
    ),
    (
        "topology.redis.memory_mib",
        Replace("memory_mib = 2,", "memory_mib = 3,"),
        Figures,
    ),
    (
        "topology.redis.reserved",
        Replace("reserved = 0.465", "reserved = 0.2"),
        Figures,
    ),
    (
        "topology.redis.other_mib",
        Replace("other_mib = 0", "other_mib = 1"),
        Figures,
    ),
    (
        "topology.redis.eviction",
        Replace("redis = { ", "redis = { eviction = \"noeviction\", "),
        Figures,
    ),
    (
        "topology.redis.command",
        Replace("redis = { ", "redis = { command = \"50us\", "),
        Figures,
    ),
    (
        "topology.redis.cpu_credits",
        Replace("cpu_credits = \"spent\"", "cpu_credits = \"full\""),
        Figures,
    ),
    (
        "topology.redis.baseline",
        Replace(
            "cpu_credits = \"spent\"",
            "cpu_credits = \"spent\", baseline = 0.05",
        ),
        Figures,
    ),
    (
        "topology.database.kind",
        Replace("database = { ", "database = { kind = \"rds-multi-az\", "),
        Bill,
    ),
    (
        "topology.database.class",
        Replace("database = { ", "database = { class = \"db.t3.large\", "),
        Bill,
    ),
    (
        "topology.database.primary",
        Replace("database = { ", "database = { primary = \"b\", "),
        Figures,
    ),
    (
        "topology.database.standby",
        Replace("database = { ", "database = { standby = \"none\", "),
        Figures,
    ),
    (
        "topology.database.failover",
        Replace("failover = \"10s\"", "failover = \"5s\""),
        Figures,
    ),
    (
        "topology.database.dns_ttl",
        Replace("database = { ", "database = { dns_ttl = \"9s\", "),
        Nothing(LIVE),
    ),
    (
        "topology.database.pool_max",
        Replace("pool_max = 2", "pool_max = 1"),
        Figures,
    ),
    (
        "topology.database.pool_connect_timeout",
        Replace(
            "pool_connect_timeout = \"300ms\"",
            "pool_connect_timeout = \"900ms\"",
        ),
        Figures,
    ),
    (
        "topology.database.pool_idle",
        Replace("database = { ", "database = { pool_idle = \"9s\", "),
        Nothing(LIVE),
    ),
    (
        "topology.database.keep_alive",
        Replace("database = { ", "database = { keep_alive = \"1s\", "),
        Figures,
    ),
    (
        "topology.database.connections_max",
        Replace("connections_max = 7", "connections_max = 4"),
        Figures,
    ),
    (
        "topology.database.cores",
        Replace("cores = 1", "cores = 2"),
        Figures,
    ),
    (
        "topology.database.commit",
        Replace("commit = \"20ms\"", "commit = \"40ms\""),
        Figures,
    ),
    (
        "topology.database.replica_lag",
        Replace("database = { ", "database = { replica_lag = \"3s\", "),
        Nothing(LIVE),
    ),
    ("scaling.min", Busy("min = 1\n", "min = 2\n"), Figures),
    ("scaling.max", Replace("max = 6\n", "max = 4\n"), Figures),
    (
        "scaling.pending",
        Replace("pending = \"4s\"", "pending = \"7s\""),
        Figures,
    ),
    (
        "scaling.boot",
        Replace("to = \"12s\"", "to = \"30s\""),
        Figures,
    ),
    (
        "scaling.health_type",
        Replace("health_type = \"elb\"", "health_type = \"ec2\""),
        Figures,
    ),
    (
        "scaling.grace",
        Replace("grace = \"10s\"", "grace = \"90s\""),
        Figures,
    ),
    ("scaling.launch_hook", Set("\"until-answers\""), Figures),
    (
        "scaling.monitor.period",
        Replace("period = \"5s\", ingest", "period = \"10s\", ingest"),
        Figures,
    ),
    (
        "scaling.monitor.phase",
        Replace("ingest = \"1s\"", "ingest = \"1s\", phase = \"4s\""),
        Figures,
    ),
    (
        "scaling.monitor.ingest",
        Replace("ingest = \"1s\"", "ingest = \"8s\""),
        Figures,
    ),
    (
        "scaling.policies[].name",
        Replace("name = \"up\"", "name = \"grow\""),
        Figures,
    ),
    (
        "scaling.policies[].metric",
        Replace(
            "name = \"up\", metric = \"queue_size\"",
            "name = \"up\", metric = \"cpu_utilization\"",
        ),
        Figures,
    ),
    (
        "scaling.policies[].alarm.above",
        Replace("above = 30", "above = 90"),
        Figures,
    ),
    (
        "scaling.policies[].alarm.below",
        Replace("below = 10", "below = 25"),
        Figures,
    ),
    (
        "scaling.policies[].alarm.period",
        Replace(
            "above = 30, period = \"10s\"",
            "above = 30, period = \"30s\"",
        ),
        Figures,
    ),
    (
        "scaling.policies[].alarm.datapoints",
        Replace("datapoints = \"2 of 3\"", "datapoints = \"3 of 3\""),
        Figures,
    ),
    (
        "scaling.policies[].alarm.missing",
        Replace(
            "datapoints = \"2 of 3\"",
            "datapoints = \"2 of 3\", missing = \"breaching\"",
        ),
        Figures,
    ),
    (
        "scaling.policies[].kind",
        Replace(
            "kind = \"simple\", adjust = 1, cooldown = \"30s\"",
            "kind = \"step\", steps = [{ adjust = 1 }]",
        ),
        Figures,
    ),
    (
        "scaling.policies[].adjust",
        Replace("adjust = 1, cooldown", "adjust = 2, cooldown"),
        Figures,
    ),
    (
        "scaling.policies[].cooldown",
        Replace("cooldown = \"20s\"", "cooldown = \"90s\""),
        Figures,
    ),
    (
        "scaling.policies[].steps[].adjust",
        Replace("to = 40, adjust = 2", "to = 40, adjust = 3"),
        Figures,
    ),
    (
        "scaling.policies[].steps[].from",
        Replace("from = 10, to = 40", "from = 30, to = 40"),
        Figures,
    ),
    (
        "scaling.policies[].steps[].to",
        Replace("to = 40", "to = 11"),
        Figures,
    ),
    (
        "scaling.policies[].warmup",
        Replace("warmup = \"20s\"", "warmup = \"2s\""),
        Figures,
    ),
    (
        "scaling.scheduled[].name",
        Replace("name = \"more\"", "name = \"less\""),
        Figures,
    ),
    (
        "scaling.scheduled[].at",
        Replace("at = \"70s\"", "at = \"75s\""),
        Figures,
    ),
    (
        "scaling.scheduled[].late",
        Replace("late = \"2s\"", "late = \"9s\""),
        Figures,
    ),
    (
        "scaling.scheduled[].min",
        Replace("min = 4", "min = 7"),
        Figures,
    ),
    (
        "scaling.scheduled[].max",
        Replace("max = 8", "max = 7"),
        Figures,
    ),
    (
        "scaling.scheduled[].desired",
        Replace("desired = 7", "desired = 5"),
        Figures,
    ),
    ("gates", Set("{ errors = [\"rate < 99%\"] }"), Verdicts),
    ("self_check.stall_max", Set("\"1s\""), Nothing(LIVE)),
    (
        "self_check.send_lag_p99_max",
        Set("\"1s\""),
        Nothing("in virtual time no request is sent late"),
    ),
    (
        "cost.prices",
        Replace("\"aws-ap-northeast-2\"", "\"documented-krw\""),
        Bill,
    ),
    (
        "cost.onsales_per_month",
        Replace("cost = { ", "cost = { onsales_per_month = 3, "),
        Bill,
    ),
    (
        "target.allow",
        Set("[\"staging.example\"]"),
        Nothing(ON_THE_WIRE),
    ),
    ("target.show", Set("\"7\""), Nothing(ON_THE_WIRE)),
    ("target.reuse_users", Set("true"), Nothing(ON_THE_WIRE)),
    (
        "target.api",
        Set("{ preset = \"tiketi\" }"),
        Nothing(ON_THE_WIRE),
    ),
    (
        "target.observe.prometheus",
        Set("\"http://127.0.0.1:9090\"\ntarget.observe.cpu = \"x\""),
        Nothing(ON_THE_WIRE),
    ),
    (
        "target.observe.json",
        Set("\"http://127.0.0.1:3000/admin\"\ntarget.observe.cpu = \"/cpu\""),
        Nothing(ON_THE_WIRE),
    ),
    (
        "target.observe.json_authorization",
        Set(
            "\"ADMIN\"\ntarget.observe.json = \"http://127.0.0.1:3000/admin\"\ntarget.observe.cpu = \"/cpu\"",
        ),
        Nothing(ON_THE_WIRE),
    ),
    ("target.observe.every", Set("\"9s\""), Nothing(ON_THE_WIRE)),
    (
        "target.observe.queue_length",
        Set("\"x\"\ntarget.observe.prometheus = \"http://127.0.0.1:9090\""),
        Nothing(ON_THE_WIRE),
    ),
    (
        "target.observe.instances",
        Set("\"x\"\ntarget.observe.prometheus = \"http://127.0.0.1:9090\""),
        Nothing(ON_THE_WIRE),
    ),
    (
        "target.observe.cpu",
        Set("\"x\"\ntarget.observe.prometheus = \"http://127.0.0.1:9090\""),
        Nothing(ON_THE_WIRE),
    ),
    (
        "target.observe.cache_hits",
        Set("\"x\"\ntarget.observe.prometheus = \"http://127.0.0.1:9090\""),
        Nothing(ON_THE_WIRE),
    ),
];
