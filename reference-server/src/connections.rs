//! The open TCP connections of an instance, by their file descriptors: when the instance loses its power, they stay open.

use std::collections::BTreeSet;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The open connections of an instance: those of its clients, and those it has opened to servers outside.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    files: Mutex<BTreeSet<RawFd>>,
    are_silent: AtomicBool,
}

impl Connections {
    pub(crate) fn add(&self, file: RawFd) {
        self.lock().insert(file);
    }

    /// Call this before the file is closed: another connection can have its number afterwards.
    pub(crate) fn remove(&self, file: RawFd) {
        self.lock().remove(&file);
    }

    /// From now on, nothing is read from a connection or written to it, and none is shut down: its peer hears nothing.
    pub(crate) fn silence(&self) {
        self.are_silent.store(true, Ordering::Relaxed);
    }

    pub(crate) fn are_silent(&self) -> bool {
        self.are_silent.load(Ordering::Relaxed)
    }

    /// The file descriptors. None of them is closed while the thread of the instance stands still.
    pub(crate) fn files(&self) -> Vec<RawFd> {
        self.lock().iter().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<RawFd>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
