//! Transient solutions, including systems without a steady state.

/// Integration steps per mean time between two state changes.
const STEPS: f64 = 10.0;
/// Tolerated probability of the last state; above it, the number of states is doubled.
const NEGLIGIBLE: f64 = 1e-12;

/// An arrival rate that decays from `base + extra` towards `base`: base + extra e^(-t / tau).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Births {
    /// The final rate, in arrivals per second.
    pub(crate) base: f64,
    /// The additional rate at the start, in arrivals per second.
    pub(crate) extra: f64,
    /// Time constant of the decay, in seconds.
    pub(crate) tau: f64,
}

impl Births {
    /// Returns the rate `t` seconds after the start.
    pub(crate) fn at(self, t: f64) -> f64 {
        self.base + self.extra * (-t / self.tau).exp()
    }
}

/// Mean number of jobs in M(t)/M/c that starts empty, at each of the ascending `times`: integrates Kolmogorov's forward
/// equations with the classical Runge-Kutta method.
pub(crate) fn in_system_at(births: Births, mu: f64, servers: u32, times: &[f64]) -> Vec<f64> {
    let mut states = 128;
    loop {
        if let Some(means) = integrate(births, mu, servers, times, states) {
            return means;
        }
        states *= 2;
    }
}

/// Integrates with a truncated state space; `None` if it has too few states.
fn integrate(
    births: Births,
    mu: f64,
    servers: u32,
    times: &[f64],
    states: usize,
) -> Option<Vec<f64>> {
    let deaths: Vec<f64> = (0..states)
        .map(|n| mu * (n as f64).min(f64::from(servers)))
        .collect();
    let fastest = births.at(0.0) + mu * f64::from(servers);
    let mut p = vec![0.0; states];
    p[0] = 1.0;
    let mut now = 0.0;
    let mut means = Vec::new();
    for &time in times {
        let steps = ((time - now) * fastest * STEPS).ceil().max(1.0);
        let step = (time - now) / steps;
        let mut left = steps;
        while left > 0.0 {
            runge_kutta(&mut p, births, &deaths, now, step);
            now += step;
            left -= 1.0;
        }
        now = time;
        if p.last().is_some_and(|last| *last > NEGLIGIBLE) {
            return None;
        }
        means.push(p.iter().zip(0_u32..).map(|(p, n)| p * f64::from(n)).sum());
    }
    Some(means)
}

fn runge_kutta(p: &mut [f64], births: Births, deaths: &[f64], now: f64, step: f64) {
    let ahead = |slope: &[f64], by: f64| -> Vec<f64> {
        std::iter::zip(p.iter(), slope)
            .map(|(p, slope)| p + by * slope)
            .collect()
    };
    let halfway = births.at(now + step / 2.0);
    let first = slope(p, births.at(now), deaths);
    let second = slope(&ahead(&first, step / 2.0), halfway, deaths);
    let third = slope(&ahead(&second, step / 2.0), halfway, deaths);
    let fourth = slope(&ahead(&third, step), births.at(now + step), deaths);
    for (n, p) in p.iter_mut().enumerate() {
        *p += step / 6.0 * (first[n] + 2.0 * second[n] + 2.0 * third[n] + fourth[n]);
    }
}

/// dp_n/dt = λ p_(n-1) + d_(n+1) p_(n+1) - (λ + d_n) p_n, without arrivals in the last state.
fn slope(p: &[f64], lambda: f64, deaths: &[f64]) -> Vec<f64> {
    let last = p.len() - 1;
    let of_state = |n: usize| {
        let from_below = if n > 0 { lambda * p[n - 1] } else { 0.0 };
        let from_above = if n < last {
            deaths[n + 1] * p[n + 1]
        } else {
            0.0
        };
        let up = if n < last { lambda } else { 0.0 };
        from_below + from_above - (up + deaths[n]) * p[n]
    };
    (0..p.len()).map(of_state).collect()
}
