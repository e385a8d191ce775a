//! How much of each item a run and a month use.

use super::item::{Heading, Item};
use super::meter::{Usage, count};
use super::price_book::HOURS_A_MONTH;
use crate::scenario::Plan;
use crate::scenario::scaling::Metric;

/// Memory of the Lambda times the length of one of its runs, in gigabyte-seconds: 128 MB for 0.1 s (an assumption).
const LAMBDA_GB_SECONDS: f64 = 0.0125;
/// Static files, gigabytes (A24).
const STORED_GB: f64 = 50.0;
const SECONDS_AN_HOUR: f64 = 3_600.0;

/// How much of one item is used.
pub(super) struct Quantity {
    pub(super) item: Item,
    pub(super) heading: Heading,
    pub(super) title: String,
    /// Instance or node type, where the price depends on it.
    pub(super) class: Option<String>,
    pub(super) unit: &'static str,
    pub(super) run: f64,
    pub(super) month: f64,
}

/// All quantities: those of this run, and those of a month in which the smallest fleet runs throughout and as many
/// runs like this one as `onsales_per_month` come on top.
pub(super) fn quantities(plan: &Plan, usage: &Usage) -> Vec<Quantity> {
    let mut quantities = vec![base_fleet(plan, usage), scaled_out(plan, usage)];
    quantities.extend(standing(plan, usage));
    quantities.extend(monthly(plan, usage));
    quantities.extend(by_use(plan, usage));
    quantities
}

fn base_fleet(plan: &Plan, usage: &Usage) -> Quantity {
    Quantity {
        item: Item::Instance,
        heading: Heading::Instances,
        title: format!(
            "{} x {}, always on",
            plan.scaling.min, plan.topology.instances.class
        ),
        class: Some(plan.topology.instances.class.clone()),
        unit: "instance-hour",
        run: usage.instance_hours.min(base_hours(plan, usage)),
        month: f64::from(plan.scaling.min) * HOURS_A_MONTH,
    }
}

fn scaled_out(plan: &Plan, usage: &Usage) -> Quantity {
    let extra = (usage.instance_hours - base_hours(plan, usage)).max(0.0);
    Quantity {
        item: Item::Instance,
        heading: Heading::Peak,
        title: format!("{}, scaled out", plan.topology.instances.class),
        class: Some(plan.topology.instances.class.clone()),
        unit: "instance-hour",
        run: extra,
        month: extra * onsales(plan),
    }
}

/// What stands there all month and is billed by the hour; how many follows from the topology.
fn standing(plan: &Plan, usage: &Usage) -> [Quantity; 5] {
    let topology = &plan.topology;
    let by_hour = |item, heading, title: &str, unit, pieces: usize| {
        let pieces = count(u64::try_from(pieces).unwrap_or(u64::MAX));
        Quantity {
            item,
            heading,
            title: title.to_owned(),
            class: None,
            unit,
            run: pieces * usage.hours,
            month: pieces * HOURS_A_MONTH,
        }
    };
    let gateways = topology
        .zones
        .iter()
        .filter(|zone| zone.nat_gateway)
        .count();
    let addresses = topology.zones.len() + gateways;
    let database_nodes = 1 + usize::from(topology.database.standby.is_some());
    let cache_nodes = 1 + usize::from(topology.redis.replica.is_some());
    let (alb, database, cache) = (Heading::LoadBalancer, Heading::Database, Heading::Cache);
    [
        by_hour(Item::LoadBalancer, alb, "ALB", "hour", 1),
        by_hour(
            Item::PublicAddresses,
            alb,
            "Public addresses",
            "address-hour",
            addresses,
        ),
        Quantity {
            class: Some(topology.database.class.clone()),
            ..by_hour(
                Item::Database,
                database,
                "Database",
                "node-hour",
                database_nodes,
            )
        },
        Quantity {
            class: Some(topology.redis.class.clone()),
            ..by_hour(Item::Cache, cache, "Redis", "node-hour", cache_nodes)
        },
        by_hour(
            Item::NatGateway,
            Heading::Nat,
            "NAT gateways",
            "gateway-hour",
            gateways,
        ),
    ]
}

/// What stands there all month and is billed by the month.
fn monthly(plan: &Plan, usage: &Usage) -> [Quantity; 5] {
    let by_month = |item, heading, title: &str, unit, pieces: f64| Quantity {
        item,
        heading,
        title: title.to_owned(),
        class: None,
        unit,
        run: pieces * usage.hours / HOURS_A_MONTH,
        month: pieces,
    };
    let metrics = f64::from(u8::from(watches_queue(plan)));
    let alarms = count(u64::try_from(plan.scaling.policies.len()).unwrap_or(u64::MAX));
    let monitoring = Heading::Monitoring;
    [
        by_month(
            Item::ObjectStorage,
            Heading::Storage,
            "S3",
            "GB-month",
            STORED_GB,
        ),
        by_month(Item::DnsZone, Heading::Dns, "Route 53", "zone-month", 1.0),
        by_month(
            Item::Secrets,
            Heading::Secrets,
            "Secrets Manager",
            "secret-month",
            1.0,
        ),
        by_month(
            Item::Metrics,
            monitoring,
            "CloudWatch metric of the queue",
            "metric-month",
            metrics,
        ),
        by_month(
            Item::Alarms,
            monitoring,
            "CloudWatch alarms",
            "alarm-month",
            alarms,
        ),
    ]
}

/// What follows the load, and the Lambda, which runs all month.
fn by_use(plan: &Plan, usage: &Usage) -> Vec<Quantity> {
    let metered = |item, heading, title: &str, unit, run: f64| Quantity {
        item,
        heading,
        title: title.to_owned(),
        class: None,
        unit,
        run,
        month: run * onsales(plan),
    };
    let lambda = |item, title: &str, unit, each: f64| Quantity {
        item,
        heading: Heading::Lambda,
        title: title.to_owned(),
        class: None,
        unit,
        run: count(usage.lambda_runs) * each,
        month: HOURS_A_MONTH * SECONDS_AN_HOUR / plan.scaling.monitor.period.as_secs_f64() * each,
    };
    vec![
        metered(
            Item::LoadBalancerCapacity,
            Heading::LoadBalancer,
            "ALB capacity",
            "LCU-hour",
            usage.lcu_hours,
        ),
        lambda(Item::LambdaRuns, "Lambda", "run", 1.0),
        lambda(
            Item::LambdaCompute,
            "Lambda compute",
            "GB-second",
            LAMBDA_GB_SECONDS,
        ),
        metered(
            Item::DataOut,
            Heading::Transfer,
            "Transfer to the internet",
            "GB",
            usage.data_out_gb,
        ),
        metered(
            Item::EdgeRequests,
            Heading::Transfer,
            "Requests at the edge",
            "request",
            count(usage.requests),
        ),
    ]
}

fn base_hours(plan: &Plan, usage: &Usage) -> f64 {
    f64::from(plan.scaling.min) * usage.hours
}

fn onsales(plan: &Plan) -> f64 {
    f64::from(plan.cost.onsales_per_month)
}

fn watches_queue(plan: &Plan) -> bool {
    plan.scaling
        .policies
        .iter()
        .any(|policy| policy.alarm.metric == Metric::QueueSize)
}
