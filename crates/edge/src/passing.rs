//! API requests on their way through an edge location, which caches nothing of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long a location waits for a connection to the load balancer (CloudFront's default).
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a location waits for a response of an origin (CloudFront's default).
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// What the edge itself answers if the load balancer does not (CloudFront's documentation of its status codes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeError {
    /// There was no connection, it broke, or the load balancer's name had no address.
    BadGateway,
    /// There was no connection or no response in time.
    Timeout,
}

impl EdgeError {
    /// Returns the HTTP status of the response.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadGateway => 502,
            Self::Timeout => 504,
        }
    }
}

/// API requests that the edge passed on, by result.
///
/// The rest of `requests` had no result: the buyer hung up before, or the run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PassingFigures {
    /// Requests that the edge passed on, or tried to.
    pub requests: u64,
    /// Those that the load balancer answered, whatever the answer was.
    pub answered: u64,
    /// Those that the edge answered with 502.
    pub bad_gateway: u64,
    /// Those that the edge answered with 504.
    pub timed_out: u64,
}

impl PassingFigures {
    /// Counts what the edge itself has answered.
    pub const fn handle_error(&mut self, error: EdgeError) {
        match error {
            EdgeError::BadGateway => self.bad_gateway += 1,
            EdgeError::Timeout => self.timed_out += 1,
        }
    }

    /// Adds what another location counted.
    pub const fn add(&mut self, other: &Self) {
        let Self {
            requests,
            answered,
            bad_gateway,
            timed_out,
        } = *other;
        // Destructured above, so that a new field cannot be forgotten here.
        self.requests += requests;
        self.answered += answered;
        self.bad_gateway += bad_gateway;
        self.timed_out += timed_out;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_by_status() {
        let mut figures = PassingFigures {
            requests: 5,
            answered: 2,
            ..PassingFigures::default()
        };
        figures.handle_error(EdgeError::BadGateway);
        figures.handle_error(EdgeError::Timeout);
        figures.handle_error(EdgeError::Timeout);
        let mut twice = figures;
        twice.add(&figures);
        assert_eq!((twice.requests, twice.answered), (10, 4));
        assert_eq!((twice.bad_gateway, twice.timed_out), (2, 4));
        assert_eq!(EdgeError::BadGateway.status(), 502);
        assert_eq!(EdgeError::Timeout.status(), 504);
    }
}
