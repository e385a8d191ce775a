//! Single stations, waiting rooms and counts that are not birth-death processes.

use statrs::function::gamma::ln_gamma;

/// Mean number of jobs in M/M/1: ρ / (1 - ρ).
pub(crate) fn mm1_in_system(lambda: f64, mu: f64) -> f64 {
    lambda / (mu - lambda)
}

/// The `p`-quantile of the response time in M/M/1, from P(W > t) = e^(-(μ - λ) t).
pub(crate) fn mm1_response_quantile(lambda: f64, mu: f64, p: f64) -> f64 {
    -(-p).ln_1p() / (mu - lambda)
}

/// Mean wait in M/G/1 (Pollaczek 1930, Khinchine 1932): ρ E\[S\] (1 + cs²) / (2 (1 - ρ)), with cs² the squared coefficient
/// of variation of the service time; 0 for M/D/1.
pub(crate) fn pollaczek_khinchine(lambda: f64, service_mean: f64, cs2: f64) -> f64 {
    let rho = lambda * service_mean;
    rho * service_mean * (1.0 + cs2) / (2.0 * (1.0 - rho))
}

/// P(Wq <= t) in M/D/1 (Erlang 1909): (1 - ρ) times the sum over k = 0..t/D of (λ(kD - t))^k e^(-λ(kD - t)) / k!. The terms
/// alternate in sign, so precision is lost for t far beyond D.
pub(crate) fn deterministic_wait_within(lambda: f64, service: f64, t: f64) -> f64 {
    let mut sum = 0.0;
    let (mut k, mut factorial) = (0_i32, 1.0);
    while f64::from(k) * service <= t {
        let x = lambda * (f64::from(k) * service - t);
        sum += x.powi(k) * (-x).exp() / factorial;
        k += 1;
        factorial *= f64::from(k);
    }
    (1.0 - lambda * service) * sum
}

/// Mean response time of a job of size `x` in M/G/1 with processor sharing, for any size distribution: x / (1 - ρ) (Sakata,
/// Noguchi and Oizumi 1971).
pub(crate) fn sharing_response(lambda: f64, service_mean: f64, x: f64) -> f64 {
    x / (1.0 - lambda * service_mean)
}

/// Mean waits of the classes in M/M/1 with non-preemptive priorities (Cobham 1954), the most urgent first:
/// R / ((1 - s_(k-1)) (1 - s_k)), with R the mean work left in service and s_k the utilization by classes up to k.
pub(crate) fn priority_waits(arrival_rates: &[f64], mu: f64) -> Vec<f64> {
    let left: f64 = arrival_rates.iter().map(|lambda| lambda / (mu * mu)).sum();
    let mut more_urgent = 0.0;
    let waits = arrival_rates.iter().map(|lambda| {
        let up_to_this = more_urgent + lambda / mu;
        let wait = left / ((1.0 - more_urgent) * (1.0 - up_to_this));
        more_urgent = up_to_this;
        wait
    });
    waits.collect()
}

/// Mean wait at a gate that admits up to `batch` every `period`: half a period, plus the time due to those left behind at an
/// opening, N' = max(0, N + Poisson(λ T) - k). The mean of N is the sum over n of E\[(Poisson(n λ T) - n k)+\] / n (Spitzer,
/// "A combinatorial lemma and its application to probability theory", 1956).
pub(crate) fn batch_wait(lambda: f64, period: f64, batch: u32) -> f64 {
    let (mut left_behind, mut n) = (0.0, 1.0);
    loop {
        let more = poisson_above(n * lambda * period, n * f64::from(batch)) / n;
        left_behind += more;
        // The terms eventually fall at least geometrically.
        if more <= 1e-12 * left_behind || more < 1e-300 {
            return period / 2.0 + left_behind / lambda;
        }
        n += 1.0;
    }
}

/// E\[(X - k)+\] of a Poisson variable X with this mean; `k` is whole and above the mean.
fn poisson_above(mean: f64, k: f64) -> f64 {
    let mut x = k + 1.0;
    let mut probability = (x * mean.ln() - mean - ln_gamma(x + 1.0)).exp();
    let mut sum = 0.0;
    while probability > 0.0 && probability * (x - k) > 1e-17 * sum {
        sum += probability * (x - k);
        x += 1.0;
        probability *= mean / x;
    }
    sum
}

/// Mean number of sessions at time `t` in M/M/inf that starts empty: λ/μ (1 - e^(-μ t)), the case of exponential durations
/// in Eick, Massey and Whitt, "The physics of the M(t)/G/inf queue" (1993).
pub(crate) fn sessions(lambda: f64, mu: f64, t: f64) -> f64 {
    -lambda / mu * (-mu * t).exp_m1()
}

/// Share of `buyers` whose seat was taken by another buyer, if each picks one of `seats` at random and the first one gets it:
/// 1 - S (1 - (1 - 1/S)^n) / n, from the expected number of empty urns.
pub(crate) fn seat_collision(buyers: u32, seats: u32) -> f64 {
    let (n, seats) = (f64::from(buyers), f64::from(seats));
    let taken = -seats * (n * (-1.0 / seats).ln_1p()).exp_m1();
    1.0 - taken / n
}

/// Mean number of tries of a request that fails with probability `failing` each time and is retried up to `retries` times:
/// the sum of failing^i for i = 0..retries.
pub(crate) fn tries(failing: f64, retries: u32) -> f64 {
    (0..=retries)
        .scan(1.0, |reached, _| {
            let this = *reached;
            *reached *= failing;
            Some(this)
        })
        .sum()
}
