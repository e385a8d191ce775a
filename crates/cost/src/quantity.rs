//! The quantity of each billed item, for a run and for a month.

use super::item::{DatabaseOffer, Heading, Item};
use super::meter::count;
use super::price_book::HOURS_PER_MONTH;
use super::usage::{Traffic, Usage};
use tiketi_scenario::Plan;
use tiketi_scenario::scaling::Metric;

/// Memory times duration of a Lambda invocation, in gigabyte-seconds: 128 MB for 0.1 s (assumption).
const LAMBDA_GB_SECONDS: f64 = 0.0125;
/// Static files, in gigabytes (A24).
const STORED_GB: f64 = 50.0;
/// Root volume of an instance, in gigabytes of gp3: the default of common Linux images (assumption).
const VOLUME_GB: f64 = 8.0;
/// Aurora storage, in gigabytes. It grows with the data, but the minimum that is billed exceeds what a sale writes
/// (assumption).
const AURORA_GB: f64 = 10.0;
/// RDS storage, in gigabytes (B5).
const RDS_GB: f64 = 20.0;
/// Traffic between zones is billed to the sender and to the receiver.
const BOTH_SIDES: f64 = 2.0;
const SECONDS_PER_HOUR: f64 = 3_600.0;

/// The quantity of one item.
#[derive(Clone, Debug)]
pub(super) struct Quantity {
    pub(super) item: Item,
    pub(super) heading: Heading,
    pub(super) title: String,
    /// Kind of the database; `None` if the price doesn't depend on it.
    pub(super) kind: Option<DatabaseOffer>,
    /// Instance or node type; `None` if the price doesn't depend on it.
    pub(super) class: Option<String>,
    pub(super) unit: &'static str,
    /// Quantity in the run; `None` if it is not metered.
    pub(super) run: Option<f64>,
    /// Quantity in the month; `None` if it is not metered.
    pub(super) month: Option<f64>,
}

/// Returns all quantities of this run, and of a month with the smallest fleet throughout plus `onsales_per_month` runs like
/// this one.
pub(super) fn quantities(plan: &Plan, usage: &Usage) -> Vec<Quantity> {
    let bill = Reckoning { plan, usage };
    let mut quantities = bill.fleet();
    quantities.extend(bill.fixed());
    quantities.extend(bill.monthly());
    quantities.extend(bill.lambda());
    quantities.extend(bill.load());
    quantities.extend(bill.traffic());
    quantities
}

/// Returns the instance-hours per month of the smallest fleet.
pub(super) fn base_hours_per_month(plan: &Plan) -> f64 {
    f64::from(plan.scaling.min) * HOURS_PER_MONTH
}

/// The inputs of the quantities.
struct Reckoning<'a> {
    plan: &'a Plan,
    usage: &'a Usage,
}

impl Reckoning<'_> {
    /// Returns the instances, always on and scaled out, with their volumes.
    fn fleet(&self) -> Vec<Quantity> {
        let (plan, usage) = (self.plan, self.usage);
        let class = plan.topology.instances.class;
        let throughout = f64::from(plan.scaling.min) * usage.hours;
        let extra = (usage.instance_hours - throughout).max(0.0);
        let (always, peak) = (Heading::Instances, Heading::Peak);
        let hours_always = (
            usage.instance_hours.min(throughout),
            base_hours_per_month(plan),
        );
        let hours_peak = (extra, extra * self.onsales());
        let instances = |heading, title: String, (run, month): (f64, f64)| Quantity {
            item: Item::Instance,
            heading,
            title,
            kind: None,
            class: Some(class.name().to_owned()),
            unit: "instance-hour",
            run: Some(run),
            month: Some(month),
        };
        let volumes = |heading, title: &str, (run, month): (f64, f64)| {
            let gb_months = |hours: f64| hours * VOLUME_GB / HOURS_PER_MONTH;
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

    /// Returns the fixed infrastructure that is billed by the hour; its size follows from the topology.
    fn fixed(&self) -> Vec<Quantity> {
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
                database
                    .kind(self.database())
                    .class(topology.database.class.clone()),
                database_nodes,
            ),
            self.by_hour(cache.class(topology.redis.class.clone()), cache_nodes),
            self.by_hour(gateway, gateways),
            self.by_hour(address(nat, "Addresses of NAT"), gateways),
        ]
    }

    /// Returns the fixed infrastructure that is billed by the month.
    fn monthly(&self) -> Vec<Quantity> {
        let by_month = |quantity: Quantity, pieces: f64| {
            quantity.of(pieces * self.usage.hours / HOURS_PER_MONTH, pieces)
        };
        let (storage, monitoring) = (Heading::Storage, Heading::Monitoring);
        let metrics = f64::from(u8::from(self.watches_queue()));
        let alarms = count(u64::try_from(self.plan.scaling.policies.len()).unwrap_or(u64::MAX));
        let kind = self.database();
        let gb = match kind {
            DatabaseOffer::Aurora => AURORA_GB,
            DatabaseOffer::RdsMultiAz | DatabaseOffer::RdsSingleAz => RDS_GB,
        };
        let rows = piece(
            Item::DatabaseStorage,
            Heading::Database,
            "Storage of the database",
            "GB-month",
        );
        vec![
            by_month(rows.kind(kind), gb),
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

    /// Returns the Lambda, which runs all month, and the metric it reports if an alarm uses it.
    fn lambda(&self) -> Vec<Quantity> {
        let runs = count(self.usage.lambda_runs);
        let period = self.plan.scaling.monitor.period.as_secs_f64();
        let runs_per_month = HOURS_PER_MONTH * SECONDS_PER_HOUR / period;
        let (lambda, monitoring) = (Heading::Lambda, Heading::Monitoring);
        let each = |quantity: Quantity, each: f64| quantity.of(runs * each, runs_per_month * each);
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

    /// Returns what depends on the load from outside.
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
        let from_origin = piece(
            Item::OriginRequests,
            Heading::Storage,
            "Requests of the edge to S3",
            "request",
        );
        let room = piece(
            Item::RoomRequests,
            transfer,
            "Waiting room at the edge",
            "request",
        );
        let room = self.each_onsale(room, Some(count(usage.room_requests)));
        // A book without a plan leaves it out.
        let plan = piece(Item::EdgePlan, transfer, "Edge plan", "plan-month");
        let mut load = vec![
            self.each_onsale(capacity, Some(usage.lcu_hours())),
            self.each_onsale(out, Some(usage.data_out_gb)),
            self.each_onsale(requests, usage.requests.map(count)),
            self.each_onsale(from_origin, usage.origin_requests.map(count)),
            plan.of(usage.hours / HOURS_PER_MONTH, 1.0),
        ];
        // A scenario with the waiting room in the application has no such line.
        load.extend(self.plan.topology.edge.has_room().then_some(room));
        load
    }

    /// Returns what depends on the traffic behind the load balancer.
    fn traffic(&self) -> Vec<Quantity> {
        let mut quantities = self.traffic_out();
        quantities.extend(self.traffic_between_zones());
        quantities
    }

    /// Returns what instances send out of the VPC.
    fn traffic_out(&self) -> Vec<Quantity> {
        let (nat, storage) = (Heading::Nat, Heading::Storage);
        let path = |quantity: Quantity, gb: &dyn Fn(&Traffic) -> f64| {
            self.each_onsale(quantity, self.usage.traffic.as_ref().map(gb))
        };
        let by_nat = piece(Item::NatTraffic, nat, "Traffic through NAT", "GB");
        let by_endpoint = "Traffic through S3 endpoint";
        let by_endpoint = piece(Item::EndpointTraffic, storage, by_endpoint, "GB");
        let out = "Transfer out from instances";
        let out = piece(Item::DataOutNat, Heading::Transfer, out, "GB");
        vec![
            path(by_nat, &|traffic| traffic.nat_gb + traffic.s3_nat_gb),
            path(by_endpoint, &|traffic| traffic.s3_gb - traffic.s3_nat_gb),
            path(
                piece(
                    Item::ObjectUploads,
                    Heading::Transfer,
                    "Uploads to S3",
                    "request",
                ),
                &|traffic| count(traffic.s3_puts),
            ),
            path(out, &|traffic| traffic.internet_gb),
        ]
    }

    /// Returns what crosses zones, and the I/O of the database.
    fn traffic_between_zones(&self) -> Vec<Quantity> {
        let (cross, both) = (Heading::CrossZone, "GB, each side");
        let path = |quantity: Quantity, used: &dyn Fn(&Traffic) -> Option<f64>| {
            self.each_onsale(quantity, self.usage.traffic.as_ref().and_then(used))
        };
        let sides = |gb: Option<f64>| gb.map(|gb| gb * BOTH_SIDES);
        let crossing = |title| piece(Item::CrossZone, cross, title, both);
        let balancer = piece(Item::CrossZoneLoadBalancer, cross, "ALB across zones", both);
        let replication = "Replication across zones";
        let replication = piece(Item::CrossZoneReplication, cross, replication, both);
        let io = piece(
            Item::DatabaseIo,
            Heading::Database,
            "Database I/O",
            "request",
        );
        vec![
            path(crossing("Redis across zones"), &|traffic| {
                sides(traffic.redis_cross_zone_gb)
            }),
            path(crossing("Database across zones"), &|traffic| {
                sides(traffic.database_cross_zone_gb)
            }),
            path(crossing("NAT across zones"), &|traffic| {
                sides(Some(traffic.detour_gb))
            }),
            path(balancer, &|traffic| {
                sides(traffic.load_balancer_cross_zone_gb)
            }),
            path(replication, &|traffic| sides(traffic.replication_gb)),
            path(io.kind(self.database()), &|traffic| {
                traffic.database_io.map(count)
            }),
        ]
    }

    fn by_hour(&self, quantity: Quantity, pieces: usize) -> Quantity {
        let pieces = count(u64::try_from(pieces).unwrap_or(u64::MAX));
        quantity.of(pieces * self.usage.hours, pieces * HOURS_PER_MONTH)
    }

    /// Sets the quantity that each sale uses.
    fn each_onsale(&self, quantity: Quantity, used: Option<f64>) -> Quantity {
        Quantity {
            run: used,
            month: used.map(|used| used * self.onsales()),
            ..quantity
        }
    }

    /// Returns the kind by which the database is billed.
    const fn database(&self) -> DatabaseOffer {
        DatabaseOffer::of(&self.plan.topology.database)
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

/// Returns an item whose quantity is not set yet.
fn piece(item: Item, heading: Heading, title: &str, unit: &'static str) -> Quantity {
    Quantity {
        item,
        heading,
        title: title.to_owned(),
        kind: None,
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

    fn kind(self, kind: DatabaseOffer) -> Self {
        Self {
            kind: Some(kind),
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
