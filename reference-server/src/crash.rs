//! What happens when a task of an instance panics: the whole instance stops.
//!
//! The runtime keeps a panic to its task. Without this, an instance whose periodic tasks have died would go on serving, and
//! its holds would never expire; and what the tasks share may be half changed.

use std::sync::Arc;

use tokio::sync::watch;

/// Tells the instance when one of its tasks has panicked.
#[derive(Clone, Debug)]
pub(crate) struct Crash {
    is_raised: Arc<watch::Sender<bool>>,
}

impl Default for Crash {
    fn default() -> Self {
        Self {
            is_raised: Arc::new(watch::Sender::new(false)),
        }
    }
}

impl Crash {
    /// Returns a guard. If it is dropped by a panic, the instance stops.
    pub(crate) fn guard(&self) -> CrashGuard {
        CrashGuard(self.clone())
    }

    /// Returns the task; if it panics, the instance stops.
    pub(crate) async fn guarded<T>(self, task: impl Future<Output = T>) -> T {
        let _guard = self.guard();
        task.await
    }

    /// Returns when a task has panicked.
    pub(crate) async fn raised(&self) {
        // The sender is part of `self`, so the wait cannot fail.
        drop(self.is_raised.subscribe().wait_for(|raised| *raised).await);
    }
}

/// Notices the panic that drops it.
#[derive(Debug)]
pub(crate) struct CrashGuard(Crash);

impl Drop for CrashGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.is_raised.send_replace(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_panic_raises_the_alarm_and_an_ordinary_end_does_not() {
        let crash = Crash::default();
        tokio::spawn(crash.clone().guarded(async {})).await.unwrap();
        assert!(!*crash.is_raised.borrow());
        let panics = || -> () { panic!("planted") };
        let task = crash.clone().guarded(async move {
            tokio::task::yield_now().await;
            panics();
        });
        assert!(tokio::spawn(task).await.is_err());
        let raised = tokio::time::timeout(Duration::from_secs(10), crash.raised());
        assert!(raised.await.is_ok(), "the panic was not reported");
    }
}
