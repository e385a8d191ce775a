//! How much of each item a run and a month use.

use super::item::{Heading, Item};
use super::meter::count;
use super::price_book::HOURS_A_MONTH;
use super::usage::{Traffic, Usage};
use tiketi_scenario::Plan;
use tiketi_scenario::scaling::Metric;
use tiketi_scenario::topology::DatabaseKind;

/// Memory of the Lambda times the length of one of its runs, in gigabyte-seconds: 128 MB for 0.1 s (an assumption).
const LAMBDA_GB_SECONDS: f64 = 0.0125;
/// Static files, gigabytes (A24).
const STORED_GB: f64 = 50.0;
/// Root volume of an instance, gigabytes of gp3: what the usual Linux image asks for (an assumption).
const VOLUME_GB: f64 = 8.0;
/// Storage of Aurora, gigabytes: it grows with the rows, and the least that is billed is more than an on-sale writes (an
/// assumption).
const AURORA_GB: f64 = 10.0;
/// Storage of RDS, gigabytes (B5).
const RDS_GB: f64 = 20.0;
/// What crosses the border of a zone is billed to who sends and to who receives.
const BOTH_SIDES: f64 = 2.0;
const SECONDS_AN_HOUR: f64 = 3_600.0;

/// How much of one item is used.
#[derive(Clone, Debug)]
pub(super) struct Quantity {
    pub(super) item: Item,
    pub(super) heading: Heading,
    pub(super) title: String,
    /// Instance, node or storage type, where the price depends on it.
    pub(super) class: Option<String>,
    pub(super) unit: &'static str,
    /// In the run; `None` if not metered.
    pub(super) run: Option<f64>,
    /// In the month; `None` if not metered.
    pub(super) month: Option<f64>,
}

/// All quantities: those of this run, and those of a month in which the smallest fleet runs throughout and as many
/// runs like this one as `onsales_per_month` come on top.
pub(super) fn quantities(plan: &Plan, usage: &Usage) -> Vec<Quantity> {
    let bill = Reckoning { plan, usage };
    let mut quantities = bill.fleet();
    quantities.extend(bill.standing());
    quantities.extend(bill.monthly());
    quantities.extend(bill.lambda());
    quantities.extend(bill.load());
    quantities.extend(bill.traffic());
    quantities
}

/// Hours a month of instances that run throughout.
pub(super) fn base_hours_a_month(plan: &Plan) -> f64 {
    f64::from(plan.scaling.min) * HOURS_A_MONTH
}

/// What the quantities follow from.
struct Reckoning<'a> {
    plan: &'a Plan,
    usage: &'a Usage,
}

impl Reckoning<'_> {
    /// The instances, always on and scaled out, each with its volume.
    fn fleet(&self) -> Vec<Quantity> {
        let (plan, usage) = (self.plan, self.usage);
        let class = &plan.topology.instances.class;
        let throughout = f64::from(plan.scaling.min) * usage.hours;
        let extra = (usage.instance_hours - throughout).max(0.0);
        let (always, peak) = (Heading::Instances, Heading::Peak);
        let hours_always = (
            usage.instance_hours.min(throughout),
            base_hours_a_month(plan),
        );
        let hours_peak = (extra, extra * self.onsales());
        let instances = |heading, title: String, (run, month): (f64, f64)| Quantity {
            item: Item::Instance,
            heading,
            title,
            class: Some(class.clone()),
            unit: "instance-hour",
            run: Some(run),
            month: Some(month),
        };
        let volumes = |heading, title: &str, (run, month): (f64, f64)| {
            let gb_months = |hours: f64| hours * VOLUME_GB / HOURS_A_MONTH;
            let (run, month) = (gb_months(run), gb_months(month));
            piece(Item::Volumes, heading, title, "GB-month").of(run, month)
        };
        let always_on = format!("{} x {class}, always on", plan.scaling.min);
        vec![
            instances(always, always_on, hours_always),
            volumes(always, "Volumes, always on", hours_always),
            instances(peak, format!("{class}, scaled out"), hours_peak),
            volumes(peak, "Volumes, scaled out", hours_peak),
            self.each_onsale(
                piece(Item::Surplus, peak, "Surplus credits", "vCPU-hour"),
                usage.surplus_vcpu_hours,
            ),
        ]
    }

    /// What stands there all month and is billed by the hour; how many follows from the topology.
    fn standing(&self) -> Vec<Quantity> {
        let topology = &self.plan.topology;
        let gateways = topology
            .zones
            .iter()
            .filter(|zone| zone.nat_gateway)
            .count();
        let database_nodes = 1 + usize::from(topology.database.standby.is_some());
        let cache_nodes = 1 + usize::from(topology.redis.replica.is_some());
        let (alb, nat) = (Heading::LoadBalancer, Heading::Nat);
        let address = |heading, title| {
            let item = Item::PublicAddresses;
            piece(item, heading, title, "address-hour")
        };
        let database = piece(Item::Database, Heading::Database, "Database", "node-hour");
        let cache = piece(Item::Cache, Heading::Cache, "Redis", "node-hour");
        let gateway = piece(Item::NatGateway, nat, "NAT gateways", "gateway-hour");
        vec![
            self.by_hour(piece(Item::LoadBalancer, alb, "ALB", "hour"), 1),
            self.by_hour(address(alb, "Addresses of the ALB"), topology.zones.len()),
            self.by_hour(
                database.class(topology.database.class.clone()),
                database_nodes,
            ),
            self.by_hour(cache.class(topology.redis.class.clone()), cache_nodes),
            self.by_hour(gateway, gateways),
            self.by_hour(address(nat, "Addresses of NAT"), gateways),
        ]
    }

    /// What stands there all month and is billed by the month.
    fn monthly(&self) -> Vec<Quantity> {
        let by_month = |quantity: Quantity, pieces: f64| {
            quantity.of(pieces * self.usage.hours / HOURS_A_MONTH, pieces)
        };
        let (storage, monitoring) = (Heading::Storage, Heading::Monitoring);
        let metrics = f64::from(u8::from(self.watches_queue()));
        let alarms = count(u64::try_from(self.plan.scaling.policies.len()).unwrap_or(u64::MAX));
        let (kind, gb) = self.database_storage();
        let rows = piece(
            Item::DatabaseStorage,
            Heading::Database,
            "Storage of the database",
            "GB-month",
        );
        vec![
            by_month(rows.class(kind.to_owned()), gb),
            by_month(
                piece(Item::ObjectStorage, storage, "S3", "GB-month"),
                STORED_GB,
            ),
            by_month(
                piece(Item::DnsZone, Heading::Dns, "Route 53", "zone-month"),
                1.0,
            ),
            by_month(
                piece(
                    Item::Secrets,
                    Heading::Secrets,
                    "Secrets Manager",
                    "secret-month",
                ),
                1.0,
            ),
            by_month(
                piece(
                    Item::Metrics,
                    monitoring,
                    "CloudWatch metric of the queue",
                    "metric-month",
                ),
                metrics,
            ),
            by_month(
                piece(Item::Alarms, monitoring, "CloudWatch alarms", "alarm-month"),
                alarms,
            ),
        ]
    }

    /// The Lambda, which runs all month, and reports a metric each time if an alarm watches it.
    fn lambda(&self) -> Vec<Quantity> {
        let runs = count(self.usage.lambda_runs);
        let period = self.plan.scaling.monitor.period.as_secs_f64();
        let runs_a_month = HOURS_A_MONTH * SECONDS_AN_HOUR / period;
        let (lambda, monitoring) = (Heading::Lambda, Heading::Monitoring);
        let each = |quantity: Quantity, each: f64| quantity.of(runs * each, runs_a_month * each);
        let mut quantities = vec![
            each(piece(Item::LambdaRuns, lambda, "Lambda", "run"), 1.0),
            each(
                piece(Item::LambdaCompute, lambda, "Lambda compute", "GB-second"),
                LAMBDA_GB_SECONDS,
            ),
        ];
        if self.watches_queue() {
            let calls = piece(Item::MetricCalls, monitoring, "CloudWatch calls", "call");
            quantities.push(each(calls, 1.0));
        }
        quantities
    }

    /// What follows the load from outside.
    fn load(&self) -> Vec<Quantity> {
        let (usage, transfer) = (self.usage, Heading::Transfer);
        let capacity = piece(
            Item::LoadBalancerCapacity,
            Heading::LoadBalancer,
            "ALB capacity",
            "LCU-hour",
        );
        let out = piece(Item::DataOut, transfer, "Transfer to the internet", "GB");
        let requests = piece(
            Item::EdgeRequests,
            transfer,
            "Requests at the edge",
            "request",
        );
        vec![
            self.each_onsale(capacity, Some(usage.lcu_hours())),
            self.each_onsale(out, Some(usage.data_out_gb)),
            self.each_onsale(requests, usage.requests.map(count)),
        ]
    }

    /// What follows the traffic behind the load balancer.
    fn traffic(&self) -> Vec<Quantity> {
        let (nat, transfer) = (Heading::Nat, Heading::Transfer);
        let (cross, both) = (Heading::CrossZone, "GB, each side");
        let by_endpoint = self.plan.topology.s3_endpoint;
        let s3_by_nat = move |traffic: &Traffic| if by_endpoint { 0.0 } else { traffic.s3_gb };
        let path = |quantity: Quantity, gb: &dyn Fn(&Traffic) -> f64| {
            self.each_onsale(quantity, self.usage.traffic.as_ref().map(gb))
        };
        let crossing = |title| piece(Item::CrossZone, cross, title, both);
        vec![
            path(
                piece(Item::NatTraffic, nat, "Traffic through NAT", "GB"),
                &|traffic| traffic.nat_gb + s3_by_nat(traffic),
            ),
            path(
                piece(
                    Item::EndpointTraffic,
                    Heading::Storage,
                    "Traffic through S3 endpoint",
                    "GB",
                ),
                &|traffic| traffic.s3_gb - s3_by_nat(traffic),
            ),
            path(
                piece(Item::DataOutNat, transfer, "Transfer out through NAT", "GB"),
                &|traffic| traffic.nat_out_gb,
            ),
            path(crossing("Redis across zones"), &|traffic| {
                traffic.redis_cross_zone_gb * BOTH_SIDES
            }),
            path(crossing("Database across zones"), &|traffic| {
                traffic.database_cross_zone_gb * BOTH_SIDES
            }),
            path(crossing("NAT across zones"), &|traffic| {
                traffic.detour_gb * BOTH_SIDES
            }),
            path(
                piece(Item::CrossZoneLoadBalancer, cross, "ALB across zones", both),
                &|traffic| traffic.load_balancer_cross_zone_gb * BOTH_SIDES,
            ),
            path(
                piece(
                    Item::CrossZoneReplication,
                    cross,
                    "Replication across zones",
                    both,
                ),
                &|traffic| traffic.replication_gb * BOTH_SIDES,
            ),
            path(
                piece(
                    Item::DatabaseIo,
                    Heading::Database,
                    "Database I/O",
                    "request",
                )
                .class(self.database_storage().0.to_owned()),
                &|traffic| count(traffic.database_io),
            ),
        ]
    }

    fn by_hour(&self, quantity: Quantity, pieces: usize) -> Quantity {
        let pieces = count(u64::try_from(pieces).unwrap_or(u64::MAX));
        quantity.of(pieces * self.usage.hours, pieces * HOURS_A_MONTH)
    }

    /// What each on-sale uses anew.
    fn each_onsale(&self, quantity: Quantity, used: Option<f64>) -> Quantity {
        Quantity {
            run: used,
            month: used.map(|used| used * self.onsales()),
            ..quantity
        }
    }

    /// What the database keeps its rows in, as price books call it, and how many gigabytes.
    fn database_storage(&self) -> (&'static str, f64) {
        let database = &self.plan.topology.database;
        match (database.kind, database.standby) {
            (DatabaseKind::Aurora, _) => ("aurora", AURORA_GB),
            (DatabaseKind::RdsMultiAz, Some(_)) => ("rds-multi-az", RDS_GB),
            (DatabaseKind::RdsMultiAz, None) => ("rds-single-az", RDS_GB),
        }
    }

    fn onsales(&self) -> f64 {
        f64::from(self.plan.cost.onsales_per_month)
    }

    fn watches_queue(&self) -> bool {
        self.plan
            .scaling
            .policies
            .iter()
            .any(|policy| policy.alarm.metric == Metric::QueueSize)
    }
}

/// An item of which the quantity is still to be said.
fn piece(item: Item, heading: Heading, title: &str, unit: &'static str) -> Quantity {
    Quantity {
        item,
        heading,
        title: title.to_owned(),
        class: None,
        unit,
        run: None,
        month: None,
    }
}

impl Quantity {
    fn of(self, run: f64, month: f64) -> Self {
        Self {
            run: Some(run),
            month: Some(month),
            ..self
        }
    }

    fn class(self, class: String) -> Self {
        Self {
            class: Some(class),
            ..self
        }
    }
}
