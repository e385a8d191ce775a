//! What a case can be asked with: names, defaults, legal values.

use std::collections::BTreeMap;
use std::fmt;

/// One parameter of a case, as the command line shows it.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// In kebab-case.
    pub name: &'static str,
    /// What it is, with its unit.
    pub help: &'static str,
    /// The values of the suite.
    pub default: &'static [f64],
    /// What each value may be.
    pub legal: Legal,
    /// Whether it is a list of values.
    pub is_list: bool,
}

/// Legal values, the bounds included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Legal {
    /// A number.
    Number {
        /// Least.
        from: f64,
        /// Greatest.
        to: f64,
    },
    /// A whole number.
    Whole {
        /// Least.
        from: u32,
        /// Greatest.
        to: u32,
    },
}

/// Values in a list, at most: no formula asks for more, and the work grows with them.
const LIST_MAX: usize = 20;

impl Parameter {
    pub(super) const fn new(
        name: &'static str,
        help: &'static str,
        default: &'static [f64],
        legal: Legal,
    ) -> Self {
        Self {
            name,
            help,
            default,
            legal,
            is_list: false,
        }
    }

    /// Something a second. The bounds keep nanoseconds fine enough and a run within the range of its clock.
    pub(super) const fn rate(
        name: &'static str,
        help: &'static str,
        default: &'static [f64],
    ) -> Self {
        let legal = Legal::Number {
            from: 0.01,
            to: 1e5,
        };
        Self::new(name, help, default, legal)
    }

    /// A length of time in seconds, within the same bounds.
    pub(super) const fn seconds(
        name: &'static str,
        help: &'static str,
        default: &'static [f64],
    ) -> Self {
        let legal = Legal::Number {
            from: 1e-5,
            to: 1e4,
        };
        Self::new(name, help, default, legal)
    }

    /// A number of things from 1 on.
    pub(super) const fn count(
        name: &'static str,
        help: &'static str,
        default: &'static [f64],
        to: u32,
    ) -> Self {
        Self::new(name, help, default, Legal::Whole { from: 1, to })
    }

    pub(super) const fn list(self) -> Self {
        Self {
            is_list: true,
            ..self
        }
    }

    fn check(&self, values: &[f64]) -> Result<(), Problem> {
        let count_max = if self.is_list { LIST_MAX } else { 1 };
        if !(1..=count_max).contains(&values.len()) {
            return Err(Problem::Count {
                name: self.name,
                given: values.len(),
                legal_max: count_max,
            });
        }
        match values.iter().find(|value| !self.legal.permits(**value)) {
            Some(&value) => Err(Problem::OutOfRange {
                name: self.name,
                value,
                legal: self.legal,
            }),
            None => Ok(()),
        }
    }
}

impl Legal {
    fn permits(self, value: f64) -> bool {
        match self {
            Self::Number { from, to } => (from..=to).contains(&value),
            Self::Whole { from, to } => {
                (f64::from(from)..=f64::from(to)).contains(&value) && value.fract() == 0.0
            }
        }
    }
}

impl fmt::Display for Legal {
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
    /// Takes the `given` values and the defaults of the rest; a name that is not among `parameters` is ignored.
    pub(super) fn new(
        parameters: &[Parameter],
        given: impl Fn(&str) -> Option<Vec<f64>>,
    ) -> Result<Self, Problem> {
        let mut values = BTreeMap::new();
        for parameter in parameters {
            let value = given(parameter.name).unwrap_or_else(|| parameter.default.to_vec());
            parameter.check(&value)?;
            values.insert(parameter.name, value);
        }
        Ok(Self(values))
    }

    /// Each parameter with its values.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &[f64])> {
        self.0.iter().map(|(name, values)| (*name, &values[..]))
    }

    pub(super) fn list(&self, name: &str) -> &[f64] {
        self.0
            .get(name)
            .expect("a case asks for its own parameters")
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

/// Why a case cannot be asked with these values.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Problem {
    /// A value that its parameter does not allow.
    #[error("`{name}` is {value} (legal: {legal})")]
    OutOfRange {
        /// The parameter.
        name: &'static str,
        /// The offending value.
        value: f64,
        /// What would be right.
        legal: Legal,
    },
    /// Too many values, or none.
    #[error("`{name}` has {given} values (legal: 1 to {legal_max})")]
    Count {
        /// The parameter.
        name: &'static str,
        /// How many values there are.
        given: usize,
        /// How many there may be.
        legal_max: usize,
    },
    /// A steady state was asked for, and there is none.
    #[error(
        "no steady state: {arrival_rate} arrivals a second for {capacity} that can be served, utilization {} (legal: below 1)",
        arrival_rate / capacity
    )]
    NoSteadyState {
        /// Arrivals a second.
        arrival_rate: f64,
        /// What all servers can do a second.
        capacity: f64,
    },
    /// Values that are legal each by itself but not together.
    #[error("{0}")]
    Together(String, &'static str),
}

impl Problem {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::OutOfRange { .. } => "`tiketi-sim theory CASE --help` lists the parameters",
            Self::Count { .. } => "separate the values of a list with commas",
            Self::NoSteadyState { .. } => {
                "fewer arrivals, faster service or more servers; `mmck`, `erlang-b` and `erlang-a` have a steady state at any load"
            }
            Self::Together(_, hint) => hint,
        }
    }
}

/// Refuses a load that the servers cannot carry.
pub(super) fn check_steady(arrival_rate: f64, capacity: f64) -> Result<(), Problem> {
    if arrival_rate < capacity {
        return Ok(());
    }
    Err(Problem::NoSteadyState {
        arrival_rate,
        capacity,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVERS: Parameter = Parameter::count("servers", "servers", &[3.0], 10);
    const RATES: Parameter = Parameter::rate("rates", "a second", &[1.0, 2.0]).list();

    fn values(name: &'static str, given: &[f64]) -> Result<Values, Problem> {
        Values::new(&[SERVERS, RATES], |asked| {
            (asked == name).then(|| given.to_vec())
        })
    }

    #[test]
    fn what_is_not_given_has_its_default() {
        let values = values("servers", &[7.0]).unwrap();
        assert_eq!(values.count("servers"), 7);
        assert_eq!(values.list("rates"), [1.0, 2.0]);
    }

    #[test]
    fn values_out_of_range_are_refused_with_the_range() {
        let problem = values("servers", &[2.5]).unwrap_err();
        let said = "`servers` is 2.5 (legal: a whole number, 1 to 10)";
        assert_eq!(problem.to_string(), said);
        for bad in [f64::NAN, -1.0, 0.0, f64::INFINITY, 1e9] {
            assert!(values("rates", &[1.0, bad]).is_err(), "{bad} was taken");
        }
        assert!(values("servers", &[1.0, 2.0]).is_err());
        assert!(values("rates", &[]).is_err());
    }

    #[test]
    fn a_load_beyond_the_servers_has_no_steady_state() {
        let problem = check_steady(12.0, 10.0).unwrap_err();
        let said = "no steady state: 12 arrivals a second for 10 that can be served, utilization 1.2 (legal: below 1)";
        assert_eq!(problem.to_string(), said);
        assert!(check_steady(10.0, 10.0).is_err());
    }
}
