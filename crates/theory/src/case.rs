//! A case: a system with an exact solution that is also simulated.

use std::fmt;

use serde::Serialize;

use super::interval::Precision;
use super::parameter::{Parameter, ParameterError, Values};
use tiketi_core::rng::Streams;

/// A case and its parameters.
#[derive(Debug)]
pub struct Case {
    /// Name on the command line, in kebab-case.
    pub name: &'static str,
    /// One-line description.
    pub title: &'static str,
    /// Its parameters.
    pub parameters: &'static [Parameter],
    pub(super) prepare: fn(&Values) -> Result<Experiment, ParameterError>,
}

/// A case with parameter values, ready to run.
#[derive(Debug)]
pub struct CaseSetup {
    /// The case.
    pub case: &'static Case,
    /// The parameter values.
    pub values: Values,
    pub(super) experiment: Experiment,
}

/// The exact values of a case, and its simulation.
pub(super) struct Experiment {
    pub(super) figures: Vec<Figure>,
    /// Initial length of a replication, in the unit of the case (arrivals, paths). It grows if the interval is too wide.
    pub(super) length: u64,
    pub(super) replicate: Box<Replicate>,
}

/// Simulates a replication of a given length; returns an estimate of each metric, in order.
pub(super) type Replicate = dyn Fn(Streams, u64) -> Vec<f64> + Send + Sync;

/// A metric with its exact value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) exact: f64,
    pub(super) precision: Precision,
    /// `None` if the exact value holds at any size of the system.
    pub(super) limit: Option<Limit>,
}

/// A value that holds in the limit of an infinitely large system, and what the mean of the simulated system, which is finite,
/// differs from it by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Limit {
    /// The limit itself.
    pub value: f64,
    /// Expected difference of the simulated mean from the limit: the leading term of the expansion in the size.
    pub bias: f64,
    /// What the terms that are left out can add to the bias, either way.
    pub within: f64,
}

impl Case {
    /// Prepares the case with the `given` values, and defaults for the rest.
    pub fn setup(
        &'static self,
        given: impl Fn(&str) -> Option<Vec<f64>>,
    ) -> Result<CaseSetup, ParameterError> {
        let values = Values::new(self.parameters, given)?;
        let experiment = (self.prepare)(&values)?;
        Ok(CaseSetup {
            case: self,
            values,
            experiment,
        })
    }
}

impl Experiment {
    pub(super) fn new(
        figures: Vec<Figure>,
        length: u64,
        replicate: impl Fn(Streams, u64) -> Vec<f64> + Send + Sync + 'static,
    ) -> Self {
        Self {
            figures,
            length,
            replicate: Box::new(replicate),
        }
    }
}

impl fmt::Debug for Experiment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Experiment")
            .field("figures", &self.figures)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl Figure {
    pub(super) fn mean(name: impl Into<String>, exact: f64) -> Self {
        Self {
            name: name.into(),
            exact,
            precision: Precision::Mean,
            limit: None,
        }
    }

    /// A mean that is compared with a limit, corrected by its bias.
    pub(super) fn limit(name: impl Into<String>, limit: Limit) -> Self {
        Self {
            limit: Some(limit),
            ..Self::mean(name, limit.value + limit.bias)
        }
    }

    pub(super) fn tail(name: impl Into<String>, exact: f64) -> Self {
        Self {
            precision: Precision::Tail,
            ..Self::mean(name, exact)
        }
    }

    pub(super) fn identity(name: impl Into<String>, exact: f64) -> Self {
        Self {
            precision: Precision::Identity,
            ..Self::mean(name, exact)
        }
    }
}
