//! A service-time profile from a file of its own, as `calibrate` writes it.

use std::ops::Range;

use tiketi_station::{Profile, Work};

use super::diagnostic::{Diagnostics, Problem};

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

/// Writes a profile, so that [`load`] gives it again.
pub fn to_toml(profile: &Profile) -> String {
    toml::to_string(profile).expect("a profile holds texts, numbers and tables of them")
}

/// The first thing in a profile that cannot be.
fn problem(profile: &Profile, text: &str) -> Option<Problem> {
    if let Some(work) = profile.unknown_work() {
        let legal = Work::ALL.map(Work::name);
        let problem = Problem::new(format!("`{work}` is no work of an instance"))
            .legal(legal.join(", "))
            .did_you_mean(work, legal);
        return Some(problem.at(place_of(work, text)));
    }
    let (place, figure) = profile.invalid_value()?;
    let key = place.rsplit('.').next().unwrap_or(&place);
    let problem = Problem::new(format!("`{place}` is {figure}")).legal("0 or more");
    Some(problem.at(place_of(key, text)))
}

/// Where a key first stands.
fn place_of(key: &str, text: &str) -> Range<usize> {
    let start = text.find(key);
    start.map_or(0..0, |start| start..start + key.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_survives_being_written_and_read() {
        let mut profile = Profile::t3_medium_node();
        profile.work_sigma.insert("queue_check".to_owned(), 0.25);
        assert_eq!(load("a.toml", &to_toml(&profile)).unwrap(), profile);
    }

    #[test]
    fn what_is_no_profile_is_told_with_its_place_and_the_legal_names() {
        let told = |text: &str| load("a.toml", text).unwrap_err().to_string();
        let unknown_key = told("name = \"a\"\nothr_ms = 1\n");
        assert!(unknown_key.starts_with("a.toml:2:1: unknown field `othr_ms`"));
        let unknown_work = told("name = \"a\"\n[work_ms]\nqueue_chek = 1.0\n");
        assert!(unknown_work.starts_with("a.toml:3:1: `queue_chek` is no work of an instance"));
        assert!(unknown_work.contains("queue_check, queue_status"));
        let negative = told("name = \"a\"\nquery_ms = -1.0\n");
        assert_eq!(negative, "a.toml:2:1: `query_ms` is -1 (legal: 0 or more)");
        assert!(told("name = \n").starts_with("a.toml:1:"));
    }
}
