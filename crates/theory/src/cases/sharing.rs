//! M/G/1 with processor sharing.

use tiketi_station::{Due, Epoch, Sharing};

use super::super::case::{Case, Experiment, Figure};
use super::super::formula;
use super::super::ledger::Ledger;
use super::super::parameter::{Parameter, ParameterError, Values, check_steady};
use super::super::queue::TRANSIENT_PART;
use super::laws;
use tiketi_core::rng::Streams;
use tiketi_core::units::SimTime;
use tiketi_scenario::distribution::Distribution;
use tiketi_station::calendar::Calendar;

/// M/G/1-PS.
pub(super) static SHARING: Case = Case {
    name: "sharing",
    title: "M/G/1-PS: all jobs share one core, any size distribution",
    parameters: &[
        Parameter::rate("arrival-rate", "arrivals per second", &[8.0]),
        Parameter::seconds("service-time", "mean size of a job, in seconds", &[0.1]),
    ],
    prepare,
};

/// Jobs within this share of the mean size are measured, each scaled to the mean, because the mean response time is
/// proportional to the size.
const NEAR: f64 = 0.2;

fn prepare(values: &Values) -> Result<Experiment, ParameterError> {
    let (arrival_rate, service_time) =
        (values.number("arrival-rate"), values.number("service-time"));
    check_steady(arrival_rate, 1.0 / service_time)?;
    // Jobs of mean size exist with any distribution, so they can be compared.
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

/// A job: its arrival time, and its size in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Job {
    born: SimTime,
    size: u64,
    is_measured: bool,
}

#[derive(Clone, Copy, Debug)]
enum SharingEvent {
    Arrival,
    Completion(Epoch),
}

/// The measurements of the jobs after the transient.
#[derive(Debug)]
pub(super) struct SharingStats {
    /// Size and response time of each measured job, in nanoseconds.
    jobs: Vec<(u64, f64)>,
    pub(super) ledger: Ledger,
}

impl SharingStats {
    /// Returns the mean of response time / size over the jobs near `size`, times `size`, in seconds.
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

/// Simulates a number of Poisson arrivals at one shared core, and then until all jobs have left.
pub(super) fn simulate(
    arrival_rate: f64,
    sizes: Distribution,
    streams: Streams,
    arrivals: u64,
) -> SharingStats {
    let gap = Distribution::Exponential {
        mean: 1.0 / arrival_rate,
    };
    let [mut gaps, mut services] = ["arrivals", "service"].map(|name| streams.named(name));
    let mut core: Sharing<Job> = Sharing::new(1);
    let mut calendar = Calendar::new();
    let mut seen = SharingStats {
        jobs: Vec::new(),
        ledger: Ledger::default(),
    };
    let enter_due = |calendar: &mut Calendar<SharingEvent>, due: Option<Due>| {
        if let Some(due) = due {
            calendar.enter(due.at, SharingEvent::Completion(due.epoch));
        }
    };
    let mut arrived = 0;
    calendar.enter(SimTime::ZERO, SharingEvent::Arrival);
    while let Some((now, entry)) = calendar.next() {
        seen.ledger.handle_stretch(now, core.in_system(), 0);
        match entry {
            SharingEvent::Arrival => {
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
                    calendar.enter(now + gap.sample(&mut gaps), SharingEvent::Arrival);
                }
            }
            SharingEvent::Completion(epoch) => {
                if let Some(done) = core.handle_completion(now, epoch) {
                    seen.handle_departure(done.job, now);
                    enter_due(&mut calendar, done.next);
                }
            }
        }
    }
    seen
}

impl SharingStats {
    fn handle_departure(&mut self, job: Job, now: SimTime) {
        self.ledger.handle_departure(job.born, now);
        if job.is_measured {
            self.jobs
                .push((job.size, (now - job.born).as_nanos() as f64));
        }
    }
}
