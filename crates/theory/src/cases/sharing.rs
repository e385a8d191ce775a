//! M/G/1 with processor sharing.

use tiketi_station::{Due, Epoch, Sharing};

use super::super::case::{Case, Experiment, Figure};
use super::super::formula;
use super::super::ledger::Ledger;
use super::super::parameter::{Parameter, Problem, Values, check_steady};
use super::super::queue::TRANSIENT_PART;
use super::laws;
use tiketi_core::rng::Streams;
use tiketi_core::units::SimTime;
use tiketi_scenario::distribution::Distribution;
use tiketi_station::calendar::Calendar;

/// M/G/1-PS.
pub(super) static SHARING: Case = Case {
    name: "sharing",
    title: "M/G/1-PS: all jobs share one core, for any law of their sizes",
    parameters: &[
        Parameter::rate("arrival-rate", "arrivals a second", &[8.0]),
        Parameter::seconds("service-time", "mean size of a job, seconds", &[0.1]),
    ],
    prepare,
};

/// Jobs within this part of the mean size count, each scaled to the mean: the response time is proportional to the size.
const NEAR: f64 = 0.2;

fn prepare(values: &Values) -> Result<Experiment, Problem> {
    let (arrival_rate, service_time) =
        (values.number("arrival-rate"), values.number("service-time"));
    check_steady(arrival_rate, 1.0 / service_time)?;
    // The mean size is asked for: there is one of it whatever the law.
    let response = formula::sharing_response(arrival_rate, service_time, service_time);
    let laws = laws(service_time, 1.0);
    let figures = laws.iter().map(|(name, _)| {
        let name = format!("response time of a job of mean size, {name} sizes, s");
        Figure::mean(name, response)
    });
    Ok(Experiment::new(
        figures.collect(),
        480_000,
        move |streams, arrivals| {
            laws.map(|(_, law)| {
                simulate(arrival_rate, law, streams, arrivals).response_near_mean(service_time)
            })
            .to_vec()
        },
    ))
}

/// A job: when it came, and its size in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Job {
    born: SimTime,
    size: u64,
    is_measured: bool,
}

#[derive(Clone, Copy, Debug)]
enum Entry {
    Arrival,
    Completion(Epoch),
}

/// What was seen of the measured jobs.
#[derive(Debug)]
pub(super) struct Seen {
    /// Size and response time of each measured job, nanoseconds.
    jobs: Vec<(u64, f64)>,
    pub(super) ledger: Ledger,
}

impl Seen {
    /// Mean of response time by size, of the sizes near `size`, times `size`; seconds.
    fn response_near_mean(&self, size: f64) -> f64 {
        let (least, most) = (size * (1.0 - NEAR) * 1e9, size * (1.0 + NEAR) * 1e9);
        let near = self.jobs.iter().filter_map(|(of, response)| {
            let of = *of as f64;
            (least..=most).contains(&of).then(|| response / of)
        });
        let (count, sum) = near.fold((0.0, 0.0), |(count, sum), slowness| {
            (count + 1.0, sum + slowness)
        });
        sum / count * size
    }
}

/// So many Poisson arrivals at one shared core, and then until everyone has left.
pub(super) fn simulate(
    arrival_rate: f64,
    sizes: Distribution,
    streams: Streams,
    arrivals: u64,
) -> Seen {
    let gap = Distribution::Exponential {
        mean: 1.0 / arrival_rate,
    };
    let [mut gaps, mut services] = ["arrivals", "service"].map(|name| streams.named(name));
    let mut core: Sharing<Job> = Sharing::new(1);
    let mut calendar = Calendar::new();
    let mut seen = Seen {
        jobs: Vec::new(),
        ledger: Ledger::default(),
    };
    let enter_due = |calendar: &mut Calendar<Entry>, due: Option<Due>| {
        if let Some(due) = due {
            calendar.enter(due.at, Entry::Completion(due.epoch));
        }
    };
    let mut arrived = 0;
    calendar.enter(SimTime::ZERO, Entry::Arrival);
    while let Some((now, entry)) = calendar.next() {
        seen.ledger.handle_stretch(now, core.in_system(), 0);
        match entry {
            Entry::Arrival => {
                let work = sizes.sample(&mut services);
                let job = Job {
                    born: now,
                    size: u64::try_from(work.as_nanos()).unwrap_or(u64::MAX),
                    is_measured: arrived >= arrivals / TRANSIENT_PART,
                };
                let due = core.handle_arrival(now, job, work);
                enter_due(&mut calendar, due);
                arrived += 1;
                if arrived < arrivals {
                    calendar.enter(now + gap.sample(&mut gaps), Entry::Arrival);
                }
            }
            Entry::Completion(epoch) => {
                if let Some(done) = core.handle_completion(now, epoch) {
                    seen.handle_departure(done.job, now);
                    enter_due(&mut calendar, done.next);
                }
            }
        }
    }
    seen
}

impl Seen {
    fn handle_departure(&mut self, job: Job, now: SimTime) {
        self.ledger.handle_departure(job.born, now);
        if job.is_measured {
            self.jobs
                .push((job.size, (now - job.born).as_nanos() as f64));
        }
    }
}
