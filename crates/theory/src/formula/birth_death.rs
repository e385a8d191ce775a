//! Stations whose number of jobs is a birth-death process.

/// States beyond this probability are left out; it is far below the sixth digit of any metric.
const NEGLIGIBLE: f64 = 1e-16;

/// The steady state of a birth-death process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stationary {
    /// Mean number of jobs in the system, L.
    pub(crate) in_system: f64,
    /// Mean number of waiting jobs, Lq.
    pub(crate) waiting: f64,
    /// Probability of the last state: with a limit, the share of arrivals that are blocked.
    pub(crate) last: f64,
}

/// Erlang's loss formula B(a, c), by the recursion B_k = a B_(k-1) / (k + a B_(k-1)), which does not overflow. It is valid
/// for any distribution of the service time.
pub(crate) fn erlang_b(load: f64, servers: u32) -> f64 {
    (1..=servers).fold(1.0, |blocked, k| {
        load * blocked / (f64::from(k) + load * blocked)
    })
}

/// Erlang's delay formula: the share of arrivals that wait in M/M/c, C = B / (1 - ρ (1 - B)).
pub(crate) fn erlang_c(load: f64, servers: u32) -> f64 {
    let blocked = erlang_b(load, servers);
    blocked / (1.0 - load / f64::from(servers) * (1.0 - blocked))
}

/// Mean wait in M/M/c: C / (c μ - λ).
pub(crate) fn erlang_c_wait(lambda: f64, mu: f64, servers: u32) -> f64 {
    erlang_c(lambda / mu, servers) / (f64::from(servers) * mu - lambda)
}

/// The `p`-quantile of the wait in M/M/c, from P(Wq > t) = C e^(-(c μ - λ) t); 0 if at least the share `p` doesn't wait.
pub(crate) fn erlang_c_wait_quantile(lambda: f64, mu: f64, servers: u32, p: f64) -> f64 {
    let waits = erlang_c(lambda / mu, servers);
    (waits / (1.0 - p)).ln().max(0.0) / (f64::from(servers) * mu - lambda)
}

/// M/M/c/K: p_n proportional to the product of λ / (min(n, c) μ), n up to K.
pub(crate) fn limited(lambda: f64, mu: f64, servers: u32, limit: u32) -> Stationary {
    let last = f64::from(limit);
    stationary(f64::from(servers), |n| {
        (n <= last).then(|| lambda / (n.min(f64::from(servers)) * mu))
    })
}

/// Erlang-A, M/M/c+M: beyond `servers` jobs the rate down is c μ + (n - c) θ, for a mean patience of 1/θ (Palm 1957;
/// Garnett, Mandelbaum and Reiman, "Designing a call center with impatient customers", 2002). The share that abandons is
/// θ Lq / λ.
pub(crate) fn erlang_a(lambda: f64, mu: f64, theta: f64, servers: u32) -> Stationary {
    let c = f64::from(servers);
    stationary(c, |n| {
        Some(lambda / (n.min(c) * mu + (n - c).max(0.0) * theta))
    })
}

/// Sums up the states with p_n / p_(n-1) = `ratio(n)` from n = 1 until the ratio is `None` or the rest is negligible. The
/// sums are rescaled when they get large, because they would overflow under heavy load.
fn stationary(servers: f64, ratio: impl Fn(f64) -> Option<f64>) -> Stationary {
    let (mut weight, mut total, mut in_system, mut waiting) = (1.0, 1.0, 0.0, 0.0);
    let mut n = 0.0;
    while let Some(up) = ratio(n + 1.0) {
        n += 1.0;
        weight *= up;
        total += weight;
        in_system += n * weight;
        waiting += (n - servers).max(0.0) * weight;
        if up < 1.0 && weight < NEGLIGIBLE * total && n > servers {
            break;
        }
        if weight > 1e200 {
            for sum in [&mut total, &mut in_system, &mut waiting, &mut weight] {
                *sum *= 1e-200;
            }
        }
    }
    Stationary {
        in_system: in_system / total,
        waiting: waiting / total,
        last: weight / total,
    }
}
