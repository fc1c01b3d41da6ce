//! One invocation's life: its place among the concurrent ones, and its process until that may be used again.

use super::environment::Environment;
use super::{Busy, Failure, Function, Invocation, Pool};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// A place among the concurrent invocations.
pub struct Slot(Weak<Function>);

impl Slot {
    /// A place, unless `limit` of them are taken.
    pub fn take(function: &Arc<Function>, limit: Option<usize>) -> Option<Self> {
        let mut pool = function.pool.lock().expect("no panic");
        if limit.is_some_and(|limit| pool.slots >= limit) {
            return None;
        }
        pool.slots += 1;
        Some(Self(Arc::downgrade(function)))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(function) = self.0.upgrade() {
            function.pool.lock().expect("no panic").slots -= 1;
            function.freed.notify_waiters();
        }
    }
}

pub struct Work {
    pub function: Weak<Function>,
    pub kind: String,
    pub timeout: Duration,
    pub generation: u64,
}

impl Work {
    /// Stays with a process from the event to the next question, and puts it back into the pool.
    pub async fn supervise(self, mut environment: Environment, invocation: Invocation, slot: Slot) {
        let pid = environment.pid;
        self.with_pool(|pool| {
            pool.busy.push(Busy { pid, kind: self.kind.clone(), remote: environment.remote() });
        });
        if let Some(function) = self.function.upgrade() {
            function.meter.invoked(&self.kind);
        }
        let started = Instant::now();
        environment.deliver(invocation).await;
        let ended = tokio::time::timeout(self.timeout, environment.asks()).await;
        let took = started.elapsed();
        let failure = match ended {
            Ok(Ok(())) => None,
            Ok(Err(failure)) => Some(failure),
            Err(_) => Some(Failure::TimedOut),
        };
        if let Some(function) = self.function.upgrade() {
            function.meter.billed(&self.kind, took, failure.is_some());
        }
        // One that asks again without having answered leaves its invoker with an error.
        environment.desk.fail(failure.clone().unwrap_or_else(|| Failure::Function("it gave no answer".to_owned())));
        let reusable = failure.is_none();
        if reusable {
            environment.stop();
        }
        // Dropped after the lock: killing takes a while.
        let worn = self.with_pool(|pool| {
            pool.busy.retain(|busy| busy.pid != pid);
            if reusable && pool.generation == self.generation {
                pool.idle.push(environment);
                None
            } else {
                Some(environment)
            }
        });
        // Whoever waits for the place finds the process idle.
        drop(slot);
        drop(worn);
    }

    fn with_pool<T>(&self, work: impl FnOnce(&mut Pool) -> T) -> Option<T> {
        let function = self.function.upgrade()?;
        let mut pool = function.pool.lock().expect("no panic");
        Some(work(&mut pool))
    }
}
