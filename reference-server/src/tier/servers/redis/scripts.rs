//! The Lua scripts. Each is one atomic step on the primary.

use std::sync::LazyLock;

use redis::Script;

/// A script, preceded by the functions that it uses.
macro_rules! script {
    ($name:literal) => {
        Script::new(concat!(
            include_str!("scripts/now.lua"),
            include_str!("scripts/note.lua"),
            include_str!(concat!("scripts/", $name, ".lua")),
        ))
    };
}

/// All scripts. A node loads each when it is first used.
#[derive(Debug)]
pub(in crate::tier::servers) struct Scripts {
    pub(super) enter: Script,
    pub(super) status: Script,
    pub(super) leave: Script,
    pub(super) touch: Script,
    pub(super) admit: Script,
    pub(super) clear: Script,
    pub(super) claim: Script,
    pub(super) share_presence: Script,
    pub(super) take_presence: Script,
    pub(super) change_session: Script,
    pub(super) count_request: Script,
    pub(in crate::tier::servers) standing: Script,
    pub(in crate::tier::servers) levels: Script,
    pub(in crate::tier::servers) catch_up: Script,
}

pub(in crate::tier::servers) static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| Scripts {
    enter: script!("enter"),
    status: script!("status"),
    leave: script!("leave"),
    touch: script!("touch"),
    admit: script!("admit"),
    clear: script!("clear"),
    claim: script!("claim"),
    share_presence: script!("share_presence"),
    take_presence: script!("take_presence"),
    change_session: script!("change_session"),
    count_request: script!("count_request"),
    standing: script!("standing"),
    levels: script!("levels"),
    catch_up: script!("catch_up"),
});
