//! The keys that say how the group replaces instances: how each is changed, and what that moves.

use super::keys::Moves::{self, Figures};
use super::sales::Change::{self, Deployed};

/// These keys.
pub(crate) const REPLACEMENT_KEYS: &[(&str, Change, Moves)] = &[
    (
        "scaling.launch_hook_timeout",
        Deployed(
            "launch_hook_timeout = \"45s\"",
            "launch_hook_timeout = \"90s\"",
        ),
        Figures,
    ),
    (
        "scaling.launch_hook_default",
        Deployed(
            "launch_hook_default = \"abandon\"",
            "launch_hook_default = \"continue\"",
        ),
        Figures,
    ),
    (
        "scaling.instance_maintenance_policy.min_healthy_percentage",
        Deployed(
            "min_healthy_percentage = 100",
            "min_healthy_percentage = 75",
        ),
        Figures,
    ),
    (
        "scaling.instance_maintenance_policy.max_healthy_percentage",
        Deployed(
            "max_healthy_percentage = 125",
            "max_healthy_percentage = 150",
        ),
        Figures,
    ),
    (
        "scaling.default_instance_warmup",
        Deployed(
            "default_instance_warmup = \"20s\"",
            "default_instance_warmup = \"80s\"",
        ),
        Figures,
    ),
    (
        "scaling.suspended_processes",
        Deployed(
            "policies = []",
            "policies = []\nsuspended_processes = [\"AZRebalance\"]",
        ),
        Figures,
    ),
    (
        "scaling.instance_refreshes[].at",
        Deployed("at = \"4m\"", "at = \"5m\""),
        Figures,
    ),
    (
        "scaling.instance_refreshes[].min_healthy_percentage",
        Deployed("min_healthy_percentage = 75", "min_healthy_percentage = 50"),
        Figures,
    ),
    (
        "scaling.instance_refreshes[].max_healthy_percentage",
        Deployed(
            "max_healthy_percentage = 100,",
            "max_healthy_percentage = 125,",
        ),
        Figures,
    ),
    (
        "scaling.instance_refreshes[].instance_warmup",
        Deployed("instance_warmup = \"15s\"", "instance_warmup = \"30s\""),
        Figures,
    ),
    (
        "scaling.instance_refreshes[].checkpoint_percentages",
        Deployed("[50, 100]", "[25, 100]"),
        Figures,
    ),
    (
        "scaling.instance_refreshes[].checkpoint_delay",
        Deployed("checkpoint_delay = \"20s\"", "checkpoint_delay = \"40s\""),
        Figures,
    ),
    (
        "scaling.instance_refreshes[].new_version",
        Deployed(
            "new_version = \"answers\"",
            "new_version = \"never-answers\"",
        ),
        Figures,
    ),
    (
        "scaling.instance_refreshes[].cancel_at",
        Deployed("cancel_at = \"570s\"", "cancel_at = \"5m\""),
        Figures,
    ),
];
