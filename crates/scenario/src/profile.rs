//! A service-time profile in a file of its own, as written by `calibrate`.

use std::ops::Range;

use tiketi_station::{Profile, Work};

use super::diagnostic::{Diagnostics, Problem};
use super::keys::Form;
use tiketi_core::instance_class::InstanceClass;

/// Reads the profile `text` of the file `source_name`, or reports what is wrong with it.
pub fn load(source_name: &str, text: &str) -> Result<Profile, Diagnostics> {
    let read = toml::from_str(text).map_err(|error: toml::de::Error| {
        let message = error.message().replace('\n', ", ");
        Problem::new(message).at(error.span().unwrap_or(0..0))
    });
    let checked = read.and_then(|profile| match problem(&profile, text) {
        Some(problem) => Err(problem),
        None => Ok(profile),
    });
    checked.map_err(|problem| Diagnostics::new(source_name, text, vec![problem]))
}

/// Writes a profile. [`load`] reads it back.
pub fn to_toml(profile: &Profile) -> String {
    toml::to_string(profile).expect("a profile has texts, numbers and tables of them")
}

/// The first problem of a profile.
fn problem(profile: &Profile, text: &str) -> Option<Problem> {
    if let Some(work) = profile.unknown_work() {
        let names = Work::ALL.map(Work::name);
        let problem = Problem::new(format!("unknown operation `{work}`"))
            .expected(Form::OneOf(names.to_vec()))
            .did_you_mean(work, names);
        return Some(problem.at(place_of(work, text)));
    }
    if InstanceClass::from_name(&profile.class).is_none() {
        let class = profile.class.as_str();
        let names = InstanceClass::ALL.map(InstanceClass::name);
        let problem = Problem::new(format!("unknown instance type `{class}`"))
            .expected(Form::OneOf(names.to_vec()))
            .did_you_mean(class, names);
        return Some(problem.at(place_of(class, text)));
    }
    let (place, figure) = profile.invalid_value()?;
    let key = place.rsplit('.').next().unwrap_or(&place);
    let problem = Problem::new(format!("`{place}` is {figure}")).expected("0 or more");
    Some(problem.at(place_of(key, text)))
}

/// Where a key first appears.
fn place_of(key: &str, text: &str) -> Range<usize> {
    let start = text.find(key);
    start.map_or(0..0, |start| start..start + key.len())
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
        assert!(unknown_key.starts_with("a.toml:2:1: unknown field `othr_ms`"));
        let unknown_work = problem("name = \"a\"\n[work_ms]\nqueue_chek = 1.0\n");
        assert!(unknown_work.starts_with("a.toml:3:1: unknown operation `queue_chek`"));
        assert!(unknown_work.contains("queue_check, queue_status"));
        let unknown_class = problem("name = \"a\"\nclass = \"t3.mediun\"\n");
        assert!(unknown_class.starts_with("a.toml:2:10: unknown instance type `t3.mediun`"));
        assert!(unknown_class.contains("t3.small, t3.medium"));
        let negative = problem("name = \"a\"\nquery_ms = -1.0\n");
        assert_eq!(
            negative,
            "a.toml:2:1: `query_ms` is -1 (expected 0 or more)"
        );
        assert!(problem("name = \n").starts_with("a.toml:1:"));
    }
}
