//! The edge: static files, caches, names.

use super::limits;
use crate::diagnostic::Problem;
use crate::edge::{Edge, StaticFile};
use crate::keys::kind::{Kind, Length, OneOf, Whole};
use crate::keys::{Form, Keys, key};
use crate::page::text;
use crate::topology::Topology;
use crate::value::Value;

/// The table of the edge, within that of the topology.
pub(super) fn section(keys: &mut Keys<'_, '_, Topology>) -> Option<Edge> {
    keys.section(
        key(
            "edge",
            "The edge: CloudFront, with S3 behind it for the static files of the web page. All API requests are counted and billed as passed through it uncached.",
        ),
        |topology| &topology.edge,
        edge,
    )
}

fn edge(keys: &mut Keys<'_, '_, Edge>) -> Option<Edge> {
    let files = files(keys);
    let ttl = keys.value(
        key(
            "ttl",
            "How long an edge location serves a file without asking S3. Then it asks S3 whether the file has changed; in a run, files never change.",
        ),
        Length(limits::LIFETIME),
        |edge| edge.ttl,
    );
    let cache = keys.value(
        key(
            "cache",
            "What is in the caches when the run starts: `warm` is every file, as when the page was visited before; `empty` is nothing, as after an invalidation.",
        ),
        OneOf::new(),
        |edge| edge.cache,
    );
    let locations = keys.value(
        key(
            "locations",
            "Edge locations that serve the buyers in turn. Each has a cache of its own.",
        ),
        Whole(limits::LOCATIONS),
        |edge| edge.locations,
    );
    let latency = keys.value(
        key(
            "latency",
            "Time from a request to the response if the file is in the cache.",
        ),
        Length(limits::EDGE_LATENCY),
        |edge| edge.latency,
    );
    let origin_latency = keys.value(
        key(
            "origin_latency",
            "Time from a request of an edge location to the response of S3.",
        ),
        Length(limits::EDGE_LATENCY),
        |edge| edge.origin_latency,
    );
    let dns_ttl = keys.value(
        key("dns_ttl", "Time to live of the site's alias record."),
        Length(limits::DELAY),
        |edge| edge.dns_ttl,
    );
    let resolvers = keys.value(
        key(
            "resolvers",
            "Resolvers that the buyers use. Each looks up the site's name for all of its buyers.",
        ),
        Whole(limits::RESOLVERS),
        |edge| edge.resolvers,
    );
    let api = keys.value(
        key(
            "api",
            "How API requests of buyers get to the load balancer: `direct` is without the edge; `through` is by way of an edge location, which takes `latency` longer, passes them on uncached, and answers with 502 or 504 if it cannot. Socket.IO sockets always go to the load balancer directly.",
        ),
        OneOf::new(),
        |edge| edge.api,
    );
    let waiting_room = keys.value(
        key(
            "waiting_room",
            "Where buyers wait: `application` is in the application, with its queue in Redis; `edge` is at the edge, with its queue in a managed store that no fault touches. There, buyers join, poll and leave at an edge location, without sockets, and the application only serves buyers with a signed pass.",
        ),
        OneOf::new(),
        |edge| edge.waiting_room,
    );
    Some(Edge {
        files: files?,
        ttl: ttl?,
        cache: cache?,
        locations: locations?,
        latency: latency?,
        origin_latency: origin_latency?,
        dns_ttl: dns_ttl?,
        resolvers: resolvers?,
        api: api?,
        waiting_room: waiting_room?,
    })
}

fn files(keys: &mut Keys<'_, '_, Edge>) -> Option<Vec<StaticFile>> {
    let files = keys
        .list(
            key(
                "files",
                "Static files of the web page, the document first: a browser requests the others when it has the document. The caches of browsers are not simulated: every buyer comes for the first time.",
            ),
            limits::STATIC_FILES,
            None,
            |edge| &edge.files,
            file,
        )
        .values?;
    for (index, file) in files.iter().enumerate() {
        if files[..index].iter().any(|other| other.path == file.path) {
            let problem = Problem::new(format!("two files have the path `{}`", file.path));
            let problem = problem.expected("a different path for each file");
            keys.complain(
                &["files"],
                problem.help("the edge caches a file by its path"),
            );
            return None;
        }
    }
    Some(files)
}

fn file(keys: &mut Keys<'_, '_, StaticFile>) -> Option<StaticFile> {
    let path = keys.value(
        key("path", "Path of the file, such as `/index.html`."),
        FilePath,
        |file| file.path.clone(),
    );
    let bytes = keys.value(
        key("bytes", "Size as it is sent, compressed."),
        Whole(limits::FILE_BYTES),
        |file| file.bytes,
    );
    Some(StaticFile {
        path: path?,
        bytes: bytes?,
    })
}

/// The path of a static file, as it is in a URL.
struct FilePath;

impl FilePath {
    fn is_valid(path: &str) -> bool {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
        (1..=200).contains(&path.len())
            && path.starts_with('/')
            && path.chars().all(is_plain)
            && !path.starts_with("/api")
    }
}

impl Kind for FilePath {
    type Value = String;

    fn form(&self) -> Form {
        Form::Syntax {
            expected: "a path of letters, digits and `/-_.`, such as \"/index.html\"",
            hint: "start it with a slash; paths under `/api` are those of the application",
        }
    }

    fn read(&self, value: &Value<'_>) -> Option<String> {
        let path = value.as_str().filter(|path| Self::is_valid(path));
        if path.is_none() {
            value.reject(&self.form());
        }
        path.map(str::to_owned)
    }

    fn write(&self, value: &String) -> String {
        text(value)
    }
}

#[cfg(test)]
mod tests {
    use crate::topology::{ApiWay, Edge, RoomPlace};
    use crate::{Overrides, load};

    fn problems(edge: &str) -> String {
        let text = format!("name = \"x\"\n[topology.edge]\n{edge}\n");
        let read = load("x.toml", &text, &Overrides::default());
        read.map_or_else(|problems| problems.to_string(), |_| String::new())
    }

    #[test]
    fn files_have_paths_of_their_own_outside_the_api() {
        let page = |path: &str| {
            format!(
                "files = [{{ path = \"/a.html\", bytes = 1 }}, {{ path = \"{path}\", bytes = 2 }}]"
            )
        };
        assert_eq!(problems(&page("/b.js")), "");
        assert!(problems(&page("/a.html")).contains("two files have the path `/a.html`"));
        for path in ["/api/events", "b.js", "", "/b c", "/\u{e4}"] {
            let shown = problems(&page(path));
            assert!(shown.contains("such as \"/index.html\""), "{path}: {shown}");
        }
    }

    #[test]
    fn an_edge_is_written_as_it_was_read() {
        let text = "name = \"x\"\n[topology.edge]\nfiles = [{ path = \"/b.js\", bytes = 7 }]\nttl = \"3m\"\ncache = \"empty\"\nlocations = 3\nlatency = \"4ms\"\norigin_latency = \"90ms\"\ndns_ttl = \"20s\"\nresolvers = 9\napi = \"through\"\nwaiting_room = \"edge\"\n";
        let plan = load("x.toml", text, &Overrides::default()).expect("it is valid");
        let again = load("x.toml", &plan.to_toml(), &Overrides::default()).expect("it is valid");
        assert_eq!(again.topology.edge, plan.topology.edge);
        assert_eq!(plan.topology.edge.locations, 3);
        assert_eq!(plan.topology.edge.page_bytes(), 7);
        assert_eq!(plan.topology.edge.api, ApiWay::Through);
        assert!(plan.topology.edge.has_room());
    }

    #[test]
    fn without_the_keys_requests_are_direct_and_the_room_is_in_the_application() {
        let plan = load("x.toml", "name = \"x\"", &Overrides::default()).expect("it is valid");
        let edge = plan.topology.edge;
        assert_eq!(edge.api, ApiWay::Direct);
        assert_eq!(edge.waiting_room, RoomPlace::Application);
        let mut archived = serde_json::to_value(&edge).expect("it has string keys only");
        let keys = archived.as_object_mut().expect("it is an object");
        keys.remove("api").expect("it was there");
        keys.remove("waiting_room").expect("it was there");
        let read: Edge = serde_json::from_value(archived).expect("old archives can be read");
        assert_eq!(read, edge);
    }

    #[test]
    fn other_ways_and_places_are_rejected_where_they_are() {
        let shown = problems("api = \"around\"");
        assert!(
            shown.contains("x.toml:3:7") && shown.contains("direct"),
            "{shown}"
        );
        let shown = problems("waiting_room = \"lobby\"");
        assert!(
            shown.contains("x.toml:3:16") && shown.contains("application"),
            "{shown}"
        );
    }
}
