//! The keys of what is in front of the VPC: the edge and names.

use super::keys::Moves::{self, Figures, Nothing};
use super::sales::Change::{self, Replace};

/// Keys of the edge.
pub(crate) const FRONT_KEYS: &[(&str, Change, Moves)] = &[
    (
        "topology.edge.files[].path",
        Replace("path = \"/index.js\"", "path = \"/main.js\""),
        Nothing("a path is a name for the same bytes"),
    ),
    (
        "topology.edge.files[].bytes",
        Replace("bytes = 90000", "bytes = 95000"),
        Figures,
    ),
    (
        "topology.edge.ttl",
        Replace("ttl = \"9s\"", "ttl = \"19s\""),
        Figures,
    ),
    (
        "topology.edge.cache",
        Replace("edge = { ", "edge = { cache = \"empty\", "),
        Figures,
    ),
    (
        "topology.edge.locations",
        Replace("edge = { ", "edge = { locations = 3, "),
        Figures,
    ),
    (
        "topology.edge.latency",
        Replace("edge = { ", "edge = { latency = \"30ms\", "),
        Figures,
    ),
    (
        "topology.edge.origin_latency",
        Replace("edge = { ", "edge = { origin_latency = \"700ms\", "),
        Figures,
    ),
    (
        "topology.edge.dns_ttl",
        Replace("dns_ttl = \"6s\"", "dns_ttl = \"16s\""),
        Figures,
    ),
    (
        "topology.edge.resolvers",
        Replace("edge = { ", "edge = { resolvers = 7, "),
        Figures,
    ),
    (
        "topology.edge.api",
        Replace("edge = { ", "edge = { api = \"through\", "),
        Figures,
    ),
    (
        "topology.edge.waiting_room",
        Replace("edge = { ", "edge = { waiting_room = \"edge\", "),
        Figures,
    ),
];
