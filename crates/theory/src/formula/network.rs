//! Networks of stations.

/// Mean time through single-server stations in series, the sum of 1 / (μ_i - λ): each is an M/M/1 queue (Burke 1956,
/// Jackson 1957).
pub(crate) fn tandem(lambda: f64, service_rates: &[f64]) -> f64 {
    service_rates.iter().map(|mu| 1.0 / (mu - lambda)).sum()
}

/// A closed network in its steady state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClosedNetwork {
    /// Cycles per second, X.
    pub(crate) throughput: f64,
    /// Mean time at the stations, R.
    pub(crate) response: f64,
}

/// Mean value analysis (Reiser and Lavenberg 1980) of `population` customers who think for `think_time` and then visit
/// single-server stations with these demands: X = N / (Z + R), and an arriving customer sees the network with one less.
pub(crate) fn closed_network(think_time: f64, demands: &[f64], population: u32) -> ClosedNetwork {
    let mut in_line = vec![0.0; demands.len()];
    let mut network = ClosedNetwork {
        throughput: 0.0,
        response: 0.0,
    };
    for n in 1..=population {
        let responses: Vec<f64> = std::iter::zip(demands, &in_line)
            .map(|(demand, ahead)| demand * (1.0 + ahead))
            .collect();
        network.response = responses.iter().sum();
        network.throughput = f64::from(n) / (think_time + network.response);
        in_line = responses
            .iter()
            .map(|response| network.throughput * response)
            .collect();
    }
    network
}
