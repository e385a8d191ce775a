//! What is read of a target while the run lasts.

use super::limits;
use crate::diagnostic::Problem;
use crate::keys::kind::{Kind, Length, Line, Or};
use crate::keys::{Form, Keys, key};
use crate::observe::{Level, Observe, is_base_url};
use crate::page::text;
use crate::value::Value;

/// The table `[target.observe]`.
pub(super) fn observe(keys: &mut Keys<'_, '_, Observe>) -> Option<Observe> {
    let prometheus = keys.value(
        key(
            "prometheus",
            "Address of a Prometheus server that is asked about the target; `none` asks nobody. It is only read, but its host must be in `target.allow` unless it is on this machine.",
        ),
        Or("none", BaseUrl),
        |observe| observe.prometheus.clone(),
    );
    let json = keys.value(
        key(
            "json",
            "Address that responds with JSON about the target, such as an administrator's call; `none` asks nobody. It is only read, and its host must be in `target.allow` unless it is on this machine.",
        ),
        Or("none", BaseUrl),
        |observe| observe.json.clone(),
    );
    let json_authorization = keys.value(
        key(
            "json_authorization",
            "Name of the environment variable whose value is sent to `json` as the header `authorization`; `none` sends none.",
        ),
        Or("none", Variable),
        |observe| observe.json_authorization.clone(),
    );
    let every = keys.value(
        key("every", "Time between two readings, in real time."),
        Length(limits::OBSERVE_EVERY),
        |observe| observe.every,
    );
    let queue_length = query(
        keys,
        Level::QueueLength,
        "Query (PromQL, or a JSON pointer with `json`) for the number of buyers in the queue.",
    );
    let instances = query(
        keys,
        Level::Instances,
        "Query (PromQL, or a JSON pointer with `json`) for the number of instances in service.",
    );
    let cpu = query(
        keys,
        Level::Cpu,
        "Query (PromQL, or a JSON pointer with `json`) for the mean CPU utilization of the instances, from 0 to 1.",
    );
    let cache_hits = query(
        keys,
        Level::CacheHits,
        "Query (PromQL, or a JSON pointer with `json`) for the share of reads that the cache answers, from 0 to 1.",
    );
    let observe = Observe {
        prometheus: prometheus?,
        json: json?,
        json_authorization: json_authorization?,
        every: every?,
        queue_length: queue_length?,
        instances: instances?,
        cpu: cpu?,
        cache_hits: cache_hits?,
    };
    report_halves(keys, &observe);
    Some(observe)
}

fn query(
    keys: &mut Keys<'_, '_, Observe>,
    level: Level,
    doc: &'static str,
) -> Option<Option<String>> {
    let name = level.name();
    let kind = Or("none", Line(limits::QUERY_CHARS));
    keys.value(key(name, doc), kind, |observe| {
        observe.query(level).map(str::to_owned)
    })
}

/// A server without queries is asked nothing, and queries without a server are asked of nobody.
fn report_halves(keys: &Keys<'_, '_, Observe>, observe: &Observe) {
    let asked = Level::ALL
        .into_iter()
        .find(|level| observe.query(*level).is_some());
    let servers = (observe.prometheus.is_some(), observe.json.is_some());
    match (servers, asked) {
        ((true, true), _) => {
            let message = "`target.observe` names two servers: `prometheus` and `json`";
            let problem = Problem::new(message).expected("one of them");
            keys.complain(&["json"], problem.help("leave out the one that knows less"));
        }
        ((true, false) | (false, true), None) => {
            let name = if servers.0 { "prometheus" } else { "json" };
            let names = Level::ALL.map(|level| format!("`{}`", level.name()));
            let message = format!("`target.observe.{name}` is set, but there is no query");
            let expected = format!("at least one of {}", names.join(", "));
            let problem = Problem::new(message).expected(expected);
            let query = if servers.0 {
                "queue_length = \"sum(waiting_buyers)\""
            } else {
                "queue_length = \"/queue/waiting\""
            };
            keys.complain(
                &[name],
                problem.help(format!("write a query such as `{query}`")),
            );
        }
        ((false, false), Some(level)) => {
            let name = level.name();
            let message = format!("`target.observe.{name}` is a query, but no server is asked");
            let problem =
                Problem::new(message).expected("`prometheus` or `json` with the server's address");
            let help = "write `prometheus = \"http://127.0.0.1:9090\"`";
            keys.complain(&[name], problem.help(help));
        }
        ((true, false) | (false, true), Some(_)) | ((false, false), None) => {}
    }
    if observe.json.is_some() {
        report_pointers(keys, observe);
    } else if observe.json_authorization.is_some() {
        let message = "`target.observe.json_authorization` is set, but `json` is not";
        let problem = Problem::new(message).expected("`json` with the address that is asked");
        let help = "write `json = \"http://127.0.0.1:3000/admin/metrics\"`, or leave this out";
        keys.complain(&["json_authorization"], problem.help(help));
    }
}

/// Queries for `json` are pointers.
fn report_pointers(keys: &Keys<'_, '_, Observe>, observe: &Observe) {
    for level in Level::ALL {
        let is_pointer = |query: &str| query.starts_with('/');
        let Some(query) = observe.query(level).filter(|query| !is_pointer(query)) else {
            continue;
        };
        let name = level.name();
        let message = format!("`target.observe.{name}` is `{query}`, which is no JSON pointer");
        let problem = Problem::new(message)
            .expected("a pointer into the response, such as \"/queue/waiting\"");
        let help = "it begins with `/`; numbers select an element of a list, and a list counts its elements";
        keys.complain(&[name], problem.help(help));
    }
}

/// The address of an HTTP server, with a path if it has one.
struct BaseUrl;

impl Kind for BaseUrl {
    type Value = String;

    fn form(&self) -> Form {
        Form::Syntax {
            expected: "an `http://` or `https://` address without user, query and fragment, such as \"http://127.0.0.1:9090\"",
            hint: "write the address that the server's web page has, without `/graph`",
        }
    }

    fn read(&self, value: &Value<'_>) -> Option<String> {
        let url = value.as_str().filter(|url| is_base_url(url));
        if url.is_none() {
            value.reject(&self.form());
        }
        url.map(|url| url.trim_end_matches('/').to_owned())
    }

    fn write(&self, value: &String) -> String {
        text(value)
    }
}

/// The name of an environment variable.
struct Variable;

impl Kind for Variable {
    type Value = String;

    fn form(&self) -> Form {
        Form::Syntax {
            expected: "the name of an environment variable: letters, digits and `_`, such as \"ADMIN_AUTHORIZATION\"",
            hint: "write the value, such as `Bearer …`, to that variable; a scenario is kept with its report",
        }
    }

    fn read(&self, value: &Value<'_>) -> Option<String> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_name = |name: &str| {
            name.starts_with(|first: char| !first.is_ascii_digit()) && name.chars().all(is_part)
        };
        let name = value.as_str().filter(|name| is_name(name));
        if name.is_none() {
            value.reject(&self.form());
        }
        name.map(str::to_owned)
    }

    fn write(&self, value: &String) -> String {
        text(value)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Overrides, load};

    fn read(keys: &str) -> Result<crate::observe::Observe, String> {
        let text = format!("name = \"x\"\n[target.observe]\n{keys}\n");
        let plan = load("x.toml", &text, &Overrides::default());
        plan.map(|plan| plan.target.observe)
            .map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_server_and_its_queries_are_read() {
        let keys =
            "prometheus = \"http://localhost:9090/prom/\"\nevery = \"2s\"\ncpu = \"avg(cpu)\"";
        let observe = read(keys).unwrap();
        let prometheus = observe.prometheus.as_deref();
        assert_eq!(prometheus, Some("http://localhost:9090/prom"));
        assert_eq!(observe.every.as_secs(), 2);
        assert_eq!(observe.cpu.as_deref(), Some("avg(cpu)"));
        assert_eq!(observe.instances, None);
    }

    #[test]
    fn a_server_without_queries_and_queries_without_a_server_are_rejected() {
        let problem = read("prometheus = \"http://localhost:9090\"").unwrap_err();
        assert!(problem.contains("there is no query"), "{problem}");
        let problem = read("instances = \"count(up)\"").unwrap_err();
        assert!(problem.contains("no server is asked"), "{problem}");
    }

    #[test]
    fn an_address_with_json_is_read_by_pointers() {
        let keys = "json = \"http://localhost:3000/admin\"\njson_authorization = \"ADMIN\"\nqueue_length = \"/waiting\"";
        let observe = read(keys).unwrap();
        assert_eq!(observe.server(), Some("http://localhost:3000/admin"));
        assert_eq!(observe.json_authorization.as_deref(), Some("ADMIN"));
        for (keys, expected) in [
            (
                "json = \"http://localhost\"\ncpu = \"avg(cpu)\"",
                "no JSON pointer",
            ),
            ("json = \"http://localhost\"", "there is no query"),
            (
                "json = \"http://localhost\"\nprometheus = \"http://localhost\"\ncpu = \"/cpu\"",
                "two servers",
            ),
            ("json_authorization = \"ADMIN\"", "`json` is not"),
            (
                "json = \"http://localhost\"\ncpu = \"/cpu\"\njson_authorization = \"Bearer x\"",
                "the name of an environment variable",
            ),
        ] {
            let problem = read(keys).unwrap_err();
            assert!(problem.contains(expected), "{expected}: {problem}");
        }
    }

    #[test]
    fn an_address_with_a_password_or_of_another_kind_is_rejected() {
        for url in [
            "localhost:9090",
            "ftp://localhost",
            "http://",
            "http://kim:secret@localhost",
            "http://localhost:90x",
            "http://localhost/?a=b",
            "http://local host",
        ] {
            let keys = format!("prometheus = \"{url}\"\ncpu = \"x\"");
            let problem = read(&keys).unwrap_err();
            assert!(
                problem.contains("`prometheus`") || problem.contains("observe.prometheus"),
                "{problem}"
            );
        }
    }
}
