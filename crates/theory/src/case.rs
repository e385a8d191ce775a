//! A case: something theory knows exactly and the model simulates.

use std::fmt;

use super::interval::Precision;
use super::parameter::{Parameter, Problem, Values};
use tiketi_core::rng::Streams;

/// One case with its parameters.
#[derive(Debug)]
pub struct Case {
    /// As the command line calls it, in kebab-case.
    pub name: &'static str,
    /// What it is, in a line.
    pub title: &'static str,
    /// What it can be asked with.
    pub parameters: &'static [Parameter],
    pub(super) prepare: fn(&Values) -> Result<Experiment, Problem>,
}

/// A case with values for its parameters, ready to run.
#[derive(Debug)]
pub struct Question {
    /// The case.
    pub case: &'static Case,
    /// The values.
    pub values: Values,
    pub(super) experiment: Experiment,
}

/// What theory says, and how to simulate it.
pub(super) struct Experiment {
    pub(super) figures: Vec<Figure>,
    /// Length of a replication at first, in whatever the case counts: arrivals, paths. Longer if the interval is too
    /// wide.
    pub(super) length: u64,
    pub(super) replicate: Box<Replicate>,
}

/// Simulates one replication of a length; returns an estimate of each figure, in their order.
pub(super) type Replicate = dyn Fn(Streams, u64) -> Vec<f64> + Send + Sync;

/// One figure that theory knows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) exact: f64,
    pub(super) precision: Precision,
}

impl Case {
    /// Builds a question from the `given` values and the defaults of the rest.
    pub fn ask(
        &'static self,
        given: impl Fn(&str) -> Option<Vec<f64>>,
    ) -> Result<Question, Problem> {
        let values = Values::new(self.parameters, given)?;
        let experiment = (self.prepare)(&values)?;
        Ok(Question {
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
