//! The supervisor's side of the load workers: starts them, reads their reports, stops them.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

use super::page::PAGE_CONNECTIONS_MAX;
use super::worker::{Assignment, CONNECTIONS_MAX, Command, FILES_RESERVED, WorkerReport};
use tiketi_testbed::child::{DATABASE_VARIABLE, REDIS_VARIABLE};

/// Reports that may wait to be read.
const REPORTS_WAITING_MAX: usize = 64;
/// Fewest workers: each has only one thread.
const WORKERS_MIN: u32 = 2;

/// Real time that a worker has to exit after its input has ended.
const GONE_TIMEOUT: Duration = Duration::from_secs(5);

/// The load workers of one run. Dropping it kills them.
#[derive(Debug)]
pub struct Load {
    children: Vec<(Child, Option<ChildStdin>)>,
    reports_rx: Receiver<(u32, WorkerReport)>,
}

/// Returns how many workers are needed for `files` of buyers if each process may open `files_limit` files: theirs, plus those for HTTP.
pub fn workers_for(files: u64, files_limit: u64) -> u32 {
    let most =
        files_limit.saturating_sub(FILES_RESERVED + CONNECTIONS_MAX + PAGE_CONNECTIONS_MAX as u64);
    let needed = files.div_ceil(most.max(1));
    u32::try_from(needed).unwrap_or(u32::MAX).max(WORKERS_MIN)
}

impl Load {
    /// Starts `assignment.workers` workers with the hidden command `worker` of `executable`, each with its share.
    ///
    /// # Errors
    ///
    /// When a process cannot be started; those already started are killed.
    pub async fn start(executable: &Path, assignment: &Assignment) -> io::Result<Self> {
        let (reports_tx, reports_rx) = channel(REPORTS_WAITING_MAX);
        let mut load = Self {
            children: Vec::new(),
            reports_rx,
        };
        for worker in 0..assignment.workers {
            let mut child = tokio::process::Command::new(executable)
                .arg("worker")
                .env_remove(REDIS_VARIABLE)
                .env_remove(DATABASE_VARIABLE)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                // Ctrl-C in a terminal must only reach the supervisor, which reads the workers' last reports.
                .process_group(0)
                .kill_on_drop(true)
                .spawn()?;
            let mut stdin = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
            let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
            load.children.push((child, None));
            tokio::spawn(listen(worker, stdout, reports_tx.clone()));
            let share = Assignment {
                worker,
                ..assignment.clone()
            };
            write_line(&mut stdin, &share).await?;
            if let Some((_, kept)) = load.children.last_mut() {
                *kept = Some(stdin);
            }
        }
        Ok(load)
    }

    /// Returns the next report, and the worker it comes from; `None` after the last report of every worker.
    pub async fn next(&mut self) -> Option<(u32, WorkerReport)> {
        self.reports_rx.recv().await
    }

    /// Asks all workers to stop; their last reports still arrive.
    pub async fn stop(&mut self) {
        for (_, stdin) in &mut self.children {
            if let Some(mut stdin) = stdin.take() {
                // A worker that has ended already no longer reads.
                drop(write_line(&mut stdin, &Command::Stop).await);
            }
        }
    }

    /// Waits until all workers are gone; kills those that do not exit in time.
    pub async fn join(mut self) {
        for (_, stdin) in &mut self.children {
            drop(stdin.take());
        }
        for (child, _) in &mut self.children {
            if timeout(GONE_TIMEOUT, child.wait()).await.is_err() {
                // Fails only if the worker has exited in between.
                drop(child.kill().await);
            }
        }
    }
}

/// Forwards the reports of one worker; a worker that ends without a last report has failed.
async fn listen(worker: u32, stdout: ChildStdout, reports_tx: Sender<(u32, WorkerReport)>) {
    let mut lines = BufReader::new(stdout).lines();
    loop {
        let report = match lines.next_line().await {
            Ok(Some(line)) => {
                serde_json::from_str(&line).unwrap_or_else(|error| WorkerReport::Failed {
                    reason: format!("its report cannot be read: {error}"),
                })
            }
            Ok(None) | Err(_) => WorkerReport::Failed {
                reason: "it ended before its buyers were done".to_owned(),
            },
        };
        let is_last = matches!(report, WorkerReport::Done(_) | WorkerReport::Failed { .. });
        if reports_tx.send((worker, report)).await.is_err() || is_last {
            return;
        }
    }
}

async fn write_line(stdin: &mut ChildStdin, value: &impl serde::Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    stdin.write_all(&line).await?;
    stdin.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buyers_are_split_so_that_each_process_stays_within_its_files() {
        assert_eq!(workers_for(300, 20_000), 2);
        assert_eq!(workers_for(20_000, 20_000), 2);
        assert_eq!(workers_for(60_000, 20_000), 4);
    }
}
