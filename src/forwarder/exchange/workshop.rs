//! What the exchanges of a tunnel share: the service, the rules, the places, and where they tell what they do.
//!
//! How exchanges are bounded: [`limits::EXCHANGES`] run at once, each a task. Up to [`limits::EXCHANGES_WAITING`] more
//! wait, at most [`limits::QUEUE_PATIENCE`], for one to end; beyond that visitors get `too-many-requests`. Neither the
//! link nor exchanges that run wait for those that queue.

use super::client::Client;
use crate::fault::{Code, Fault};
use crate::forwarder::framework::Watcher;
use crate::forwarder::inspector::{Recorder, Verifier};
use crate::forwarder::report::Reporter;
use crate::forwarder::rules::Rules;
use crate::forwarder::service::Service;
use crate::limits;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What all exchanges of a forwarder share.
#[derive(Debug)]
pub struct Workshop {
    pub(super) service: Arc<Service>,
    pub(super) client: Client,
    pub(super) rules: Rules,
    pub(super) timeout: Duration,
    pub(super) reporter: Reporter,
    pub(super) recorder: Recorder,
    pub(super) verifier: Verifier,
    pub(super) timing: bool,
    pub(super) watcher: Watcher,
    pub(super) slots: Arc<Semaphore>,
    pub(super) waiting: AtomicUsize,
    pub(super) totals: Totals,
}

/// What the summary counts.
#[derive(Debug, Default)]
pub struct Totals {
    /// Exchanges that were begun.
    pub exchanges: AtomicU64,
    /// Exchanges that ended in a fault or were cut short.
    pub failed: AtomicU64,
    /// Body bytes from visitors.
    pub bytes_in: AtomicU64,
    /// Body bytes to visitors.
    pub bytes_out: AtomicU64,
}

impl Workshop {
    /// A workshop for `service`, which has `timeout` to begin an answer.
    pub fn new(service: Arc<Service>, rules: Rules, timeout: Duration, reporter: Reporter) -> Self {
        let client = Client::new(service.clone());
        let watcher = Watcher::new(service.clone(), reporter.clone());
        let slots = Arc::new(Semaphore::new(limits::EXCHANGES));
        Self {
            service,
            client,
            rules,
            timeout,
            reporter,
            recorder: Recorder::default(),
            verifier: Verifier::default(),
            timing: false,
            watcher,
            slots,
            waiting: AtomicUsize::new(0),
            totals: Totals::default(),
        }
    }

    /// The same, telling `recorder` what exchanges do and asking for signatures as `verifier` says.
    pub fn inspected(self, recorder: Recorder, verifier: Verifier) -> Self {
        Self { recorder, verifier, ..self }
    }

    /// The same, telling visitors what each hop took if `timing` is set.
    pub fn timed(self, timing: bool) -> Self {
        Self { timing, ..self }
    }

    /// The counts so far.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// What looks at the answers that pass.
    pub fn watcher(&self) -> &Watcher {
        &self.watcher
    }

    /// Where events go.
    pub fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    pub(super) async fn slot(&self) -> Result<OwnedSemaphorePermit, Fault> {
        if let Ok(slot) = self.slots.clone().try_acquire_owned() {
            return Ok(slot);
        }
        let busy = || {
            Fault::new(
                Code::TooManyRequests,
                format!("The forwarder already has {} open exchanges.", limits::EXCHANGES),
            )
        };
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= limits::EXCHANGES_WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(busy());
        }
        let slot = tokio::time::timeout(limits::QUEUE_PATIENCE, self.slots.clone().acquire_owned()).await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        slot.ok().and_then(Result::ok).ok_or_else(busy)
    }
}
