//! How many runs share the machine: on two CPUs, two of those with many buyers, or four of the tiny ones.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Parts into which the machine is divided.
const PARTS: u32 = 4;

static FREE: Mutex<u32> = Mutex::new(PARTS);
static FREED: Condvar = Condvar::new();

/// A share of the machine, until dropped.
#[must_use]
#[derive(Debug)]
pub(crate) struct Share(u32);

/// Waits for a quarter of the machine: enough for a tiny sale, whose processes mostly start, wait and end.
pub(crate) fn quarter() -> Share {
    take(1)
}

/// Waits for half of the machine: for a sale with hundreds of buyers, and for what must not be late.
pub(crate) fn half() -> Share {
    take(2)
}

/// Waits for the whole machine.
pub(crate) fn whole() -> Share {
    take(PARTS)
}

fn take(parts: u32) -> Share {
    let mut free = lock();
    while *free < parts {
        free = FREED.wait(free).unwrap_or_else(PoisonError::into_inner);
    }
    *free -= parts;
    Share(parts)
}

impl Drop for Share {
    fn drop(&mut self) {
        *lock() += self.0;
        FREED.notify_all();
    }
}

fn lock() -> MutexGuard<'static, u32> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}
