//! Parameters of a case: names, defaults and ranges.

use std::collections::BTreeMap;
use std::fmt;

/// A parameter of a case, as on the command line.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Name in kebab-case.
    pub name: &'static str,
    /// Description, with its unit.
    pub help: &'static str,
    /// The values that the suite uses.
    pub default: &'static [f64],
    /// The range of each value.
    pub range: Range,
    /// Whether it is a list of values.
    pub is_list: bool,
}

/// A range of values, bounds included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Range {
    /// A number.
    Number {
        /// Lower bound.
        from: f64,
        /// Upper bound.
        to: f64,
    },
    /// A whole number.
    Whole {
        /// Lower bound.
        from: u32,
        /// Upper bound.
        to: u32,
    },
}

/// Maximum number of values in a list: no case needs more, and the work grows with them.
const LIST_MAX: usize = 20;

impl Parameter {
    pub(super) const fn new(
        name: &'static str,
        help: &'static str,
        default: &'static [f64],
        range: Range,
    ) -> Self {
        Self {
            name,
            help,
            default,
            range,
            is_list: false,
        }
    }

    /// Creates a rate per second. The bounds keep the resolution of nanoseconds sufficient and a run within the range of
    /// simulated time.
    pub(super) const fn rate(
        name: &'static str,
        help: &'static str,
        default: &'static [f64],
    ) -> Self {
        let range = Range::Number {
            from: 0.01,
            to: 1e5,
        };
        Self::new(name, help, default, range)
    }

    /// Creates a duration in seconds, with matching bounds.
    pub(super) const fn seconds(
        name: &'static str,
        help: &'static str,
        default: &'static [f64],
    ) -> Self {
        let range = Range::Number {
            from: 1e-5,
            to: 1e4,
        };
        Self::new(name, help, default, range)
    }

    /// Creates a whole number of at least 1.
    pub(super) const fn count(
        name: &'static str,
        help: &'static str,
        default: &'static [f64],
        to: u32,
    ) -> Self {
        Self::new(name, help, default, Range::Whole { from: 1, to })
    }

    pub(super) const fn list(self) -> Self {
        Self {
            is_list: true,
            ..self
        }
    }

    fn check(&self, values: &[f64]) -> Result<(), ParameterError> {
        let count_max = if self.is_list { LIST_MAX } else { 1 };
        if !(1..=count_max).contains(&values.len()) {
            return Err(ParameterError::Count {
                name: self.name,
                given: values.len(),
                count_max,
            });
        }
        match values.iter().find(|value| !self.range.permits(**value)) {
            Some(&value) => Err(ParameterError::OutOfRange {
                name: self.name,
                value,
                range: self.range,
            }),
            None => Ok(()),
        }
    }
}

impl Range {
    fn permits(self, value: f64) -> bool {
        match self {
            Self::Number { from, to } => (from..=to).contains(&value),
            Self::Whole { from, to } => {
                (f64::from(from)..=f64::from(to)).contains(&value) && value.fract() == 0.0
            }
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number { from, to } => write!(f, "{from} to {to}"),
            Self::Whole { from, to } => write!(f, "a whole number, {from} to {to}"),
        }
    }
}

/// The checked values of a case's parameters, by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Values(BTreeMap<&'static str, Vec<f64>>);

impl Values {
    /// Checks the `given` values and adds defaults for the rest. Only names in `parameters` are looked up.
    pub(super) fn new(
        parameters: &[Parameter],
        given: impl Fn(&str) -> Option<Vec<f64>>,
    ) -> Result<Self, ParameterError> {
        let mut values = BTreeMap::new();
        for parameter in parameters {
            let value = given(parameter.name).unwrap_or_else(|| parameter.default.to_vec());
            parameter.check(&value)?;
            values.insert(parameter.name, value);
        }
        Ok(Self(values))
    }

    /// Returns each parameter with its values.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &[f64])> {
        self.0.iter().map(|(name, values)| (*name, &values[..]))
    }

    pub(super) fn list(&self, name: &str) -> &[f64] {
        self.0.get(name).expect("a case uses its own parameters")
    }

    pub(super) fn number(&self, name: &str) -> f64 {
        self.list(name)[0]
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked: whole, and within the range of u32"
    )]
    pub(super) fn count(&self, name: &str) -> u32 {
        self.number(name) as u32
    }
}

/// The number, with an exponent if it would have hundreds of digits without one.
fn short(number: f64) -> String {
    if number == 0.0 || !number.is_finite() || (1e-6..1e15).contains(&number.abs()) {
        number.to_string()
    } else {
        format!("{number:e}")
    }
}

/// Why a case cannot run with these values.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ParameterError {
    /// A value is out of its parameter's range.
    #[error("`{name}` is {} (expected {range})", short(*value))]
    OutOfRange {
        /// The parameter.
        name: &'static str,
        /// The invalid value.
        value: f64,
        /// The range of the parameter.
        range: Range,
    },
    /// There are too many values, or none.
    #[error("`{name}` has {given} values (expected 1 to {count_max})")]
    Count {
        /// The parameter.
        name: &'static str,
        /// Number of values.
        given: usize,
        /// Maximum number of values.
        count_max: usize,
    },
    /// The system has no steady state.
    #[error(
        "no steady state: {arrival_rate} arrivals/s exceed the capacity of {capacity}/s, utilization {} (expected below 1)",
        arrival_rate / capacity
    )]
    NoSteadyState {
        /// Arrivals per second.
        arrival_rate: f64,
        /// Jobs per second that all servers together can serve.
        capacity: f64,
    },
    /// The values are invalid in combination; has the message and a hint.
    #[error("{0}")]
    Together(String, &'static str),
}

impl ParameterError {
    /// Returns a hint on how to fix it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::OutOfRange { .. } => "`tiketi-sim theory CASE --help` lists the parameters",
            Self::Count { .. } => "separate the values of a list with commas",
            Self::NoSteadyState { .. } => {
                "use fewer arrivals, faster service or more servers; `mmck`, `erlang-b` and `erlang-a` have a steady state at any load"
            }
            Self::Together(_, hint) => hint,
        }
    }
}

/// Rejects a load that exceeds the capacity.
pub(super) fn check_steady(arrival_rate: f64, capacity: f64) -> Result<(), ParameterError> {
    if arrival_rate < capacity {
        return Ok(());
    }
    Err(ParameterError::NoSteadyState {
        arrival_rate,
        capacity,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVERS: Parameter = Parameter::count("servers", "servers", &[3.0], 10);
    const RATES: Parameter = Parameter::rate("rates", "per second", &[1.0, 2.0]).list();

    fn values(name: &'static str, given: &[f64]) -> Result<Values, ParameterError> {
        Values::new(&[SERVERS, RATES], |asked| {
            (asked == name).then(|| given.to_vec())
        })
    }

    #[test]
    fn missing_values_have_defaults() {
        let values = values("servers", &[7.0]).unwrap();
        assert_eq!(values.count("servers"), 7);
        assert_eq!(values.list("rates"), [1.0, 2.0]);
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let problem = values("servers", &[2.5]).unwrap_err();
        let said = "`servers` is 2.5 (expected a whole number, 1 to 10)";
        assert_eq!(problem.to_string(), said);
        for bad in [f64::NAN, -1.0, 0.0, f64::INFINITY, 1e9] {
            assert!(values("rates", &[1.0, bad]).is_err(), "{bad} was accepted");
        }
        assert!(values("servers", &[1.0, 2.0]).is_err());
        assert!(values("rates", &[]).is_err());
    }

    #[test]
    fn overload_has_no_steady_state() {
        let problem = check_steady(12.0, 10.0).unwrap_err();
        let said = "no steady state: 12 arrivals/s exceed the capacity of 10/s, utilization 1.2 (expected below 1)";
        assert_eq!(problem.to_string(), said);
        assert!(check_steady(10.0, 10.0).is_err());
    }
}
