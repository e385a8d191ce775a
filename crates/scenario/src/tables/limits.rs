//! Limits of all keys, each with its reason: the engines neither fail, nor hang, nor wrap within them.
//!
//! Limits of AWS are documented: quotas of Auto Scaling, CloudWatch and Elastic Load Balancing. The others are
//! assumptions about what a sale can be.

use std::time::Duration;

use crate::duration::LENGTH_MAX;
use crate::keys::Limits;

const ZERO: Duration = Duration::ZERO;
const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Length of the run.
pub(super) const RUN: Limits<Duration> = Limits::new(
    SECOND,
    Duration::from_hours(7 * 24),
    "reports have a row per second: a shorter run has none, and a run of more than a week has too many",
);

/// Start of the run that is not judged.
pub(super) const WARMUP: Limits<Duration> =
    Limits::new(ZERO, RUN.max, "the warm-up is part of the run");

/// Scenario seconds per real second.
pub(super) const SPEED: Limits<f64> = Limits::new(
    0.1,
    1_000.0,
    "no machine keeps up with a faster clock, and a slower one only makes the run longer",
);

/// Buyers of a run, of a phase, and per second.
pub(super) const BUYERS: Limits<u32> = Limits::new(
    1,
    10_000_000,
    "a sale needs a buyer, and no machine can start more than ten million",
);

/// Buyers per second.
pub(super) const ARRIVAL_RATE: Limits<f64> = Limits::new(
    0.0,
    10_000_000.0,
    "a rate is not negative, and the largest sale has ten million buyers in all",
);

/// Time constants of arrivals, lengths of levels, instants after the start: they divide.
pub(super) const SPAN: Limits<Duration> = Limits::new(
    MS,
    LENGTH_MAX,
    "people do not arrive by the microsecond; write at least 1ms",
);

/// Times that may be zero.
pub(super) const DELAY: Limits<Duration> = Limits::new(
    ZERO,
    LENGTH_MAX,
    "a length of time is not negative, and 31 days are longer than any run",
);

/// Delays within the data tier: milliseconds in reality.
pub(super) const DATA_DELAY: Limits<Duration> = Limits::new(
    ZERO,
    HOUR,
    "with a longer delay the data tier is down: use a fault such as `pause-primary`",
);

/// Time of one command of Redis: microseconds in reality.
pub(super) const COMMAND: Limits<Duration> = Limits::new(
    ZERO,
    SECOND,
    "Redis takes microseconds for a command; a slower one is down: use the fault `pause-primary`",
);

/// Timers of the application that repeat throughout the run.
pub(super) const TIMER: Limits<Duration> = Limits::new(
    Duration::from_millis(10),
    HOUR,
    "shorter timers keep the engine busy with nothing else, and longer ones never fire in a sale",
);

/// Pings of a socket, and the wait for them.
pub(super) const HEARTBEAT: Limits<Duration> = Limits::new(
    SECOND,
    HOUR,
    "pings more often than once a second are most of the load, and rarer ones than hourly keep nothing alive",
);

/// Period of the monitor's samples.
pub(super) const SAMPLE_PERIOD: Limits<Duration> = Limits::new(
    SECOND,
    DAY,
    "CloudWatch keeps one value per second of a metric, and looks back one day at most",
);

/// Aggregation period of a datapoint.
pub(super) const ALARM_PERIOD: Limits<Duration> = Limits::new(
    Duration::from_secs(10),
    DAY,
    "CloudWatch has periods of 10s, 20s, 30s, and whole minutes up to a day",
);

/// Pauses between two polls or attempts.
pub(super) const PAUSE: Limits<Duration> = Limits::new(
    Duration::from_millis(10),
    LENGTH_MAX,
    "browsers fire repeated timers every 4 ms at most: shorter pauses are an attack, not a buyer",
);

/// Time after which somebody stops to wait for an answer.
pub(super) const TIMEOUT: Limits<Duration> = Limits::new(
    MS,
    HOUR,
    "no answer arrives within less than 1ms, and nobody waits longer than an hour for one",
);

/// Attempts of one call.
pub(super) const ATTEMPTS: Limits<u32> = Limits::new(
    1,
    10,
    "a payment needs an attempt, and nobody waits for more than ten",
);

/// Size of a receipt, in bytes.
pub(super) const RECEIPT: Limits<u32> = Limits::new(
    0,
    10_485_760,
    "a receipt is a page of text; 10 MiB are a book",
);

/// How much slower a server becomes.
pub(super) const SLOWDOWN: Limits<Duration> = Limits::new(
    MS,
    HOUR,
    "less than 1ms is noise, and a server that takes an hour is down",
);

/// Lifetimes of keys, holds, sessions and idle connections.
pub(super) const LIFETIME: Limits<Duration> = Limits::new(
    MS,
    LENGTH_MAX,
    "Redis counts lifetimes in milliseconds, and 31 days are longer than any run",
);

/// Idle time after which Redis closes a connection, which it counts in seconds; it reads zero as never.
pub(super) const REDIS_IDLE: Limits<Duration> = Limits::new(
    SECOND,
    LENGTH_MAX,
    "Redis counts this timeout in whole seconds, and reads zero as never",
);

/// Lengths of faults.
pub(super) const FAULT: Limits<Duration> = Limits::new(
    MS,
    LENGTH_MAX,
    "a fault of less than 1ms breaks nothing, and 31 days are longer than any run",
);

/// Delay of the name server.
pub(super) const DNS_DELAY: Limits<Duration> = Limits::new(
    ZERO,
    HOUR,
    "resolvers give up on a query after 2 seconds, so an hour is as good as no response",
);

/// Lag of a replica.
pub(super) const LAG: Limits<Duration> = Limits::new(
    MS,
    HOUR,
    "a replica is always 1ms late, and an hour of lag is a replica that is down",
);

/// How much later packets arrive.
pub(super) const PACKET_DELAY: Limits<Duration> = Limits::new(
    Duration::from_micros(1),
    Duration::from_mins(1),
    "packets that are no later are no fault, and after a minute everybody has given up: use `network-packet-loss`",
);

/// How much the delay of packets varies.
pub(super) const PACKET_JITTER: Limits<Duration> = Limits::new(
    ZERO,
    PACKET_DELAY.max,
    "a variation is not negative, and one of more than a minute is a loss: use `network-packet-loss`",
);

/// How much later packets of buyers arrive than on loopback.
pub(super) const ACCESS_DELAY: Limits<Duration> = Limits::new(
    ZERO,
    PACKET_DELAY.max,
    "a delay is not negative, and after a minute everybody has given up",
);

/// Megabits per second that a buyer receives.
pub(super) const BANDWIDTH: Limits<f64> = Limits::new(
    0.01,
    100_000.0,
    "no access network is slower than 10 kbit/s, and for no limit, write \"none\"",
);

/// Limit on the scheduling delay of the load generator.
pub(super) const SEND_LAG: Limits<Duration> = Limits::new(
    Duration::from_micros(1),
    HOUR,
    "delays are measured in microseconds, and a run with a delay of an hour measures nothing",
);

/// Limit on stalls of the tool.
pub(super) const STALL: Limits<Duration> = Limits::new(
    Duration::from_millis(100),
    HOUR,
    "shorter stalls are not reported, and a part that stands still for an hour has ended the run",
);

/// How late AWS carries out a scheduled action.
pub(super) const LATE: Limits<Duration> = Limits::new(
    ZERO,
    HOUR,
    "AWS is up to 2 minutes late; to carry it out later, schedule it later",
);

/// Timeout of a lifecycle hook.
pub(super) const HOOK_TIMEOUT: Limits<Duration> = Limits::new(
    Duration::from_secs(30),
    Duration::from_hours(2),
    "AWS permits 30 seconds to 2 hours",
);

/// Instances that stay healthy, in percent of the desired number.
pub(super) const HEALTHY_MIN: Limits<u32> =
    Limits::new(0, 100, "AWS permits 0 to 100 percent of the desired number");

/// Instances that may exist, in percent of the desired number.
pub(super) const HEALTHY_MAX: Limits<u32> = Limits::new(
    100,
    200,
    "AWS permits 100 to 200 percent of the desired number",
);

/// Widest range between the two; AWS permits no wider one.
pub(super) const HEALTHY_RANGE_MAX: u32 = 100;

/// Share of a group, in percent, at which a refresh waits.
pub(super) const CHECKPOINT: Limits<u32> = Limits::new(
    1,
    100,
    "a checkpoint is a percentage of the group, and before the first instance there is nothing to check",
);

/// Checkpoints of a refresh.
pub(super) const CHECKPOINTS: Limits<usize> = Limits::new(
    0,
    100,
    "each checkpoint is another whole percentage of the group",
);

/// Wait at a checkpoint.
pub(super) const CHECKPOINT_DELAY: Limits<Duration> = Limits::new(
    ZERO,
    Duration::from_hours(48),
    "AWS permits 48 hours at most",
);

/// Refreshes of a run.
pub(super) const REFRESHES: Limits<usize> = Limits::new(
    0,
    100,
    "a group has one refresh at a time, and nobody deploys more than 100 times in a run",
);

/// Processes of a group.
pub(super) const PROCESSES: Limits<usize> =
    Limits::new(0, 7, "list each process once: seven can be suspended here");

/// More instances than the testbed can emulate on one machine.
pub(super) const FLEET_MAX: u32 = 200;

/// Minimum, desired number, and instances per zone.
pub(super) const FLEET: Limits<u32> = Limits::new(
    0,
    FLEET_MAX,
    "one machine cannot emulate more than 200 instances",
);

/// Maximum of the fleet.
pub(super) const FLEET_LARGEST: Limits<u32> = Limits::new(
    1,
    FLEET_MAX,
    "a fleet without an instance serves nobody, and one machine cannot emulate more than 200",
);

/// Instances to add or remove.
pub(super) const ADJUSTMENT: Limits<i32> =
    Limits::new(-200, 200, "a fleet has 200 instances at most");

/// Thresholds of alarms, and bounds of steps relative to them.
pub(super) const THRESHOLD: Limits<f64> = Limits::new(
    -10_000_000.0,
    10_000_000.0,
    "no metric goes further: a queue has at most ten million buyers, and CPU is in percent",
);

/// Seats of all sections.
pub(super) const SEATS: Limits<u64> = Limits::new(
    1,
    200_000,
    "no venue has more, and a larger seat map would not fit into one response",
);

/// Rows, and seats per row.
pub(super) const ROWS: Limits<u32> = Limits::new(
    1,
    10_000,
    "a section without a row has no seat; split a venue into sections instead of longer rows",
);

/// Price of a seat, in won.
pub(super) const PRICE: Limits<i64> = Limits::new(
    0,
    100_000_000,
    "prices are in whole won, and no ticket costs more than ₩100,000,000",
);

/// Shopping slots.
pub(super) const SLOTS: Limits<u32> = Limits::new(
    1,
    10_000_000,
    "without a slot nobody can buy, and no sale has more than ten million buyers",
);

/// Taken seats after which a buyer gives up.
pub(super) const CONFLICTS: Limits<u32> = Limits::new(
    1,
    10_000,
    "a buyer who gives up before the first try buys nothing, and nobody tries more often",
);

/// Intervals of polls by position.
pub(super) const POLL_STEPS: Limits<usize> = Limits::new(0, 20, "pages tell few positions apart");

/// A position in the queue.
pub(super) const POSITION: Limits<u32> = Limits::new(
    0,
    10_000_000,
    "no sale has more than ten million buyers, and the head of the queue is at position 1",
);

/// Failed attempts after which a buyer gives up.
pub(super) const TRIES: Limits<u32> = Limits::new(
    0,
    1_000_000,
    "for a buyer who never gives up, write \"none\"",
);

/// Requests per minute.
pub(super) const REQUESTS: Limits<u32> = Limits::new(1, 1_000_000, "for no limit, write \"none\"");

/// Memory of a Redis node, in MiB.
pub(super) const MEMORY: Limits<u32> = Limits::new(
    1,
    1_000_000,
    "Redis does not start with less than 1 MiB, and no node has more than a terabyte",
);

/// Memory that others take, in MiB.
pub(super) const OTHER_MEMORY: Limits<u32> =
    Limits::new(0, MEMORY.max, "no node has more than a terabyte");

/// Connections of a pool, or of a server.
pub(super) const CONNECTIONS: Limits<u32> = Limits::new(
    1,
    100_000,
    "without a connection nothing is stored, and PostgreSQL cannot serve more than 100,000",
);

/// Cores of the database.
pub(super) const CORES: Limits<u32> = Limits::new(
    1,
    256,
    "a database needs a core, and no instance class has more than 256",
);

/// Instances or connections that a fault affects.
pub(super) const AFFECTED: Limits<u32> = Limits::new(
    1,
    100_000,
    "a fault that affects none changes nothing, and no scenario has more than 100,000",
);

/// Events per year.
pub(super) const PER_YEAR: Limits<f64> = Limits::new(
    0.0,
    10_000.0,
    "what happens more than once an hour all year is no fault and no maintenance, but how the system works",
);

/// Kinds of faults that are expected per year.
pub(super) const YEARLY_FAULTS: Limits<usize> =
    Limits::new(0, 100, "there are fewer kinds of faults than that");

/// Real length of a fault, and the time until people notice it.
pub(super) const REAL_FAULT: Limits<Duration> = Limits::new(
    ZERO,
    LENGTH_MAX,
    "a fault of more than 31 days is no outage but the end of the system",
);

/// Sales per month.
pub(super) const SALES: Limits<u32> = Limits::new(0, 10_000, "no venue has more sales in a month");

/// Standard deviation of a logarithm.
pub(super) const SIGMA: Limits<f64> = Limits::new(
    0.001,
    5.0,
    "without a spread use a constant; with sigma 5, one draw in six is 148 times the median",
);

/// Shape of a Weibull distribution.
pub(super) const SHAPE: Limits<f64> = Limits::new(
    0.1,
    100.0,
    "below 0.1 hardly any draw is near the mean, and above 100 all draws are: use a constant",
);

/// Checks in a row of a target group.
pub(super) const CHECKS: Limits<u32> = Limits::new(2, 10, "AWS permits 2 to 10 checks in a row");

/// A limit that AWS documents for a setting of the load balancer.
pub(super) const fn aws_seconds(from: u64, to: u64) -> Limits<Duration> {
    Limits::new(
        Duration::from_secs(from),
        Duration::from_secs(to),
        "AWS permits no other values",
    )
}

/// Phases of arrivals, and levels of a phase.
pub(super) const PHASES: Limits<usize> = Limits::new(
    1,
    1_000,
    "a run without arrivals measures nothing; join phases if there are more than 1,000",
);

/// Faults.
pub(super) const FAULTS: Limits<usize> = Limits::new(
    0,
    1_000,
    "nobody can read a report about more than 1,000 faults",
);

/// The program and the arguments of a command.
pub(super) const ARGUMENTS: Limits<usize> = Limits::new(
    1,
    100,
    "a command has a program, and one with more than 100 arguments belongs in a script",
);

/// Characters of an argument: more of them belong in a script.
pub(super) const ARGUMENT_CHARS: usize = 1_000;

/// Characters of the id of an experiment template. Those of AWS have about 20.
pub(super) const TEMPLATE_CHARS: usize = 64;

/// How long a command of a fault may take.
pub(super) const COMMAND_TIMEOUT: Limits<Duration> = Limits::new(
    Duration::from_millis(100),
    DAY,
    "no program starts and ends within less than 100ms on a loaded machine, and no fault is prepared for a day",
);

/// Time between two readings of a target's metrics.
pub(super) const OBSERVE_EVERY: Limits<Duration> = Limits::new(
    SECOND,
    HOUR,
    "metrics are rarely newer than a second, and a run is rarely longer than a few hours",
);

/// Characters of a query: longer ones belong in a recording rule.
pub(super) const QUERY_CHARS: usize = 1_000;

/// Sections of seats.
pub(super) const SECTIONS: Limits<usize> = Limits::new(
    1,
    1_000,
    "without a section there is nothing to sell; join sections if there are more than 1,000",
);

/// Static files of the page.
pub(super) const STATIC_FILES: Limits<usize> = Limits::new(
    0,
    100,
    "a live run requests each file of each page load; join files if there are more than 100",
);

/// Size of a static file.
pub(super) const FILE_BYTES: Limits<u32> = Limits::new(
    1,
    10_000_000,
    "a live run sends these bytes to every buyer, and no script of a page has more than 10 MB",
);

/// Time that the edge or its origin takes for a response.
pub(super) const EDGE_LATENCY: Limits<Duration> = Limits::new(
    ZERO,
    Duration::from_secs(30),
    "CloudFront waits 30 seconds for the response of an origin",
);

/// Edge locations.
pub(super) const LOCATIONS: Limits<u32> = Limits::new(
    1,
    50,
    "somebody must serve the page, and buyers of one sale are near a few locations of the edge",
);

/// Resolvers of the buyers.
pub(super) const RESOLVERS: Limits<u32> = Limits::new(
    1,
    10_000,
    "buyers need a resolver, and most use one of the few that their providers have",
);

/// Zones.
pub(super) const ZONES: Limits<usize> = Limits::new(
    1,
    6,
    "an architecture needs a zone, and a region has six at most",
);

/// Zones with a NAT gateway.
pub(super) const NAT_ZONES: Limits<usize> =
    Limits::new(0, 6, "list each zone once: a region has six at most");

/// Inbound rules of a security group.
pub(super) const INBOUND_RULES: Limits<usize> =
    Limits::new(0, 6, "list each source once: there are six");

/// Scaling policies of a group.
pub(super) const POLICIES: Limits<usize> = Limits::new(
    0,
    50,
    "AWS permits 50 scaling policies per Auto Scaling group",
);

/// Scheduled actions of a group.
pub(super) const SCHEDULED: Limits<usize> = Limits::new(
    0,
    125,
    "AWS permits 125 scheduled actions per Auto Scaling group",
);

/// Step adjustments of a policy.
pub(super) const STEPS: Limits<usize> = Limits::new(
    1,
    20,
    "a step policy without a step does nothing, and AWS permits 20 step adjustments",
);

/// Hosts that a run may use with `--target`.
pub(super) const HOSTS: Limits<usize> =
    Limits::new(0, 100, "list the hosts that belong to one system");
