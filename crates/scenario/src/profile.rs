//! A service-time profile in a file of its own, as written by `calibrate`.

use std::collections::BTreeMap;

use tiketi_station::{Latency, Profile, Work};

use super::diagnostic::{Diagnostics, Problem};
use super::document::{self, Section};
use super::keys::{Form, Limits, TEXT_MAX};
use super::value::Value;
use tiketi_core::instance_class::InstanceClass;

/// Times in milliseconds.
const MILLISECONDS: Limits<f64> = Limits::new(
    0.0,
    600_000.0,
    "a time is not negative, and an operation of more than ten minutes is an outage: use a fault",
);

/// Times per seat or receiver, in microseconds.
const MICROSECONDS: Limits<f64> = Limits::new(
    0.0,
    1_000_000.0,
    "a time is not negative, and no server takes more than a second per seat or receiver",
);

/// Standard deviations of a logarithm.
const SIGMAS: Limits<f64> = Limits::new(
    0.0,
    5.0,
    "0 means no spread; with 5, one draw in six is 148 times the median",
);

/// Characters of `source`, which names where the values come from.
const SOURCE_MAX: usize = 2_000;

/// Reads the profile `text` of the file `source_name`, or reports everything that is wrong with it.
pub fn load(source_name: &str, text: &str) -> Result<Profile, Diagnostics> {
    document::read(source_name, text, profile)
}

fn profile(root: &Section<'_>) -> Option<Profile> {
    let chars_max = TEXT_MAX;
    let name = root.value("name", Form::Text { chars_max });
    let name = name.and_then(|name| name.text());
    let number = |key, limits| match root.find(key) {
        Some(value) => value.number(limits),
        None => Some(0.0),
    };
    let class = match root.find("class") {
        Some(value) => value.named::<InstanceClass>().map(InstanceClass::name),
        None => Some(Profile::CLASS),
    };
    let other_ms = number("other_ms", MILLISECONDS);
    let seat_us = number("seat_us", MICROSECONDS);
    let receiver_us = number("receiver_us", MICROSECONDS);
    let query_ms = number("query_ms", MILLISECONDS);
    let work_ms = by_work(root, "work_ms", &[], |value| value.number(MILLISECONDS));
    let work_sigma = by_work(root, "work_sigma", &[], |value| value.number(SIGMAS));
    let latency = by_work(root, "latency", &[Profile::PAGE_LOAD], latency);
    let source = match root.find("source") {
        Some(value) => value.text_up_to(SOURCE_MAX),
        None => Some(""),
    };
    Some(Profile {
        name: name?.to_owned(),
        class: class?.to_owned(),
        other_ms: other_ms?,
        work_ms: work_ms?,
        seat_us: seat_us?,
        receiver_us: receiver_us?,
        query_ms: query_ms?,
        work_sigma: work_sigma?,
        latency: latency?,
        source: source?.to_owned(),
    })
}

/// A table with operations as keys, and some others.
fn by_work<V>(
    root: &Section<'_>,
    key: &'static str,
    others: &[&'static str],
    read: impl Fn(&Value<'_>) -> Option<V>,
) -> Option<BTreeMap<String, V>> {
    let section = root.section(key);
    let names = Work::ALL.map(Work::name).into_iter();
    let names: Vec<&'static str> = names.chain(others.iter().copied()).collect();
    let entries = section.entries().into_iter().map(|(work, value)| {
        let name = work.get_ref().as_ref();
        let is_known = names.contains(&name);
        if !is_known {
            let problem = Problem::new(format!("unknown operation `{name}` in `{key}`"))
                .expected(Form::OneOf(names.clone()))
                .did_you_mean_or(
                    name,
                    names.iter().copied(),
                    "remove it, or write its name as in the API",
                );
            section.report(problem.at(work.span()));
        }
        let value = read(&value);
        value
            .filter(|_| is_known)
            .map(|value| (name.to_owned(), value))
    });
    // All entries are read, so that one with a problem does not hide those of others.
    let entries: Vec<_> = entries.collect();
    entries.into_iter().collect()
}

fn latency(value: &Value<'_>) -> Option<Latency> {
    let section = value.section()?;
    let median_ms = section.value("median_ms", Form::Number(MILLISECONDS));
    let median_ms = median_ms.and_then(|value| value.number(MILLISECONDS));
    let sigma = match section.find("sigma") {
        Some(value) => value.number(SIGMAS),
        None => Some(0.0),
    };
    Some(Latency {
        median_ms: median_ms?,
        sigma: sigma?,
    })
}

/// Writes a profile. [`load`] reads it back.
pub fn to_toml(profile: &Profile) -> String {
    toml::to_string(profile).expect("a profile has texts, numbers and tables of them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_profile_reads_back() {
        let mut profile = Profile::t3_medium_node();
        profile.work_sigma.insert("queue_check".to_owned(), 0.25);
        assert_eq!(load("a.toml", &to_toml(&profile)).unwrap(), profile);
    }

    #[test]
    fn problems_of_a_profile_show_their_place_and_the_known_names() {
        let problem = |text: &str| load("a.toml", text).unwrap_err().to_string();
        let unknown_key = problem("name = \"a\"\nothr_ms = 1\n");
        assert!(unknown_key.starts_with("a.toml:2:1: unknown key `othr_ms` (expected one of"));
        assert!(unknown_key.ends_with("did you mean `other_ms`?"));
        let unknown_work = problem("name = \"a\"\n[work_ms]\nqueue_chek = 1.0\n");
        assert!(unknown_work.starts_with("a.toml:3:1: unknown operation `queue_chek`"));
        assert!(unknown_work.contains("queue_check, queue_status"));
        let unknown_class = problem("name = \"a\"\nclass = \"t3.mediun\"\n");
        assert!(
            unknown_class.starts_with("a.toml:2:9: `class` is \"t3.mediun\" (expected one of"),
            "{unknown_class}"
        );
        assert!(unknown_class.contains("t3.small, t3.medium"));
        let negative = problem("name = \"a\"\nquery_ms = -1.0\n");
        assert!(
            negative.starts_with(
                "a.toml:2:12: `query_ms` is -1.0 (expected a number from 0 to 600000)"
            ),
            "{negative}"
        );
        assert!(problem("name = \n").starts_with("a.toml:1:"));
        assert!(problem("other_ms = 1\n").starts_with("a.toml:1:1: `name` is missing"));
    }

    /// Two keys with the same name: the one with the invalid value is underlined.
    #[test]
    fn a_wrong_value_is_not_blamed_on_the_same_operation_elsewhere() {
        let text = "name = \"a\"\n[work_ms]\nqueue_check = 2.0\n[work_sigma]\nqueue_check = -1.0\n";
        let problem = load("a.toml", text).unwrap_err().to_string();
        assert!(
            problem.starts_with("a.toml:5:15: `work_sigma.queue_check` is -1.0"),
            "{problem}"
        );
    }

    #[test]
    fn times_that_no_clock_can_hold_are_rejected() {
        for time in ["1e300", "1e308", "inf", "nan", "600_001", "-0.1"] {
            let text = format!("name = \"a\"\nother_ms = {time}\n");
            assert!(load("a.toml", &text).is_err(), "{time}");
            let text = format!("name = \"a\"\n[latency]\nhealth = {{ median_ms = {time} }}\n");
            assert!(load("a.toml", &text).is_err(), "{time}");
        }
    }
}
