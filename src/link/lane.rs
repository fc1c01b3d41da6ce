//! Flow control of one exchange: nothing is sent that the far end has not granted, nothing is granted beyond what this end
//! may hold.

use super::{Closed, locked};
use crate::body::{Credit, Overrun, Window};
use crate::limits;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::Notify;

/// By how much the windows of one end of a link have grown, all exchanges together; bounded by [`limits::LINK_BUFFER`].
pub type Growth = Arc<AtomicU64>;

/// Flow control of one exchange, both directions, at one end of the link.
#[derive(Debug)]
pub struct Lane {
    state: Mutex<LaneState>,
    changed: Notify,
    growth: Growth,
}

impl Drop for Lane {
    fn drop(&mut self) {
        let grown = self.state().grown;
        self.growth.fetch_sub(grown, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct LaneState {
    credit: Credit,
    demanded: bool,
    closed: bool,
    window: Option<Window>,
    grown: u64,
}

impl Lane {
    /// A lane that opens with `window` bytes of credit each way; `None`: no flow control on this link. What its window
    /// grows by counts in `growth`.
    pub fn new(window: Option<u32>, growth: &Growth) -> Self {
        let (credit, window) = (Credit::new(window), window.map(Window::new));
        let state = LaneState { credit, demanded: false, closed: false, window, grown: 0 };
        Self { state: Mutex::new(state), changed: Notify::new(), growth: growth.clone() }
    }

    fn state(&self) -> MutexGuard<'_, LaneState> {
        locked(&self.state)
    }

    /// The peer granted `bytes` more.
    pub fn grant(&self, bytes: u32) {
        let mut state = self.state();
        state.credit.add(bytes);
        state.demanded = true;
        drop(state);
        self.changed.notify_waiters();
    }

    /// The peer wants no more of what this side sends.
    pub fn close(&self) {
        self.state().closed = true;
        self.changed.notify_waiters();
    }

    /// Whether the peer wants no more.
    pub fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Spends credit for `bytes`, waiting for it: this is where a slow reader at the far end is felt.
    ///
    /// # Errors
    /// The peer wants no more.
    pub async fn spend(&self, bytes: usize) -> Result<(), Closed> {
        self.when(|state| state.credit.spend(bytes)).await
    }

    /// Spends credit for `bytes` if there is as much right now.
    pub fn try_spend(&self, bytes: usize) -> bool {
        let mut state = self.state();
        !state.closed && state.credit.spend(bytes)
    }

    /// Waits until the peer has asked for more at least once.
    ///
    /// # Errors
    /// The peer wants nothing.
    pub async fn demanded(&self) -> Result<(), Closed> {
        self.when(|state| state.demanded).await
    }

    /// Completes when the lane is closed.
    pub async fn closed(&self) {
        // Only closing ends a wait for what never comes.
        let _closed = self.when(|_| false).await;
    }

    async fn when(&self, mut condition: impl FnMut(&mut LaneState) -> bool) -> Result<(), Closed> {
        let mut look = || {
            let mut state = self.state();
            if state.closed { Some(Err(Closed)) } else { condition(&mut state).then_some(Ok(())) }
        };
        if let Some(outcome) = look() {
            return outcome;
        }
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            // Listening starts before looking, so that no change falls between the two.
            changed.as_mut().enable();
            if let Some(outcome) = look() {
                return outcome;
            }
            changed.await;
        }
    }

    /// Notes that `bytes` arrived.
    ///
    /// # Errors
    /// [`Overrun`]: the peer was not granted as much.
    pub fn receive(&self, bytes: usize) -> Result<(), Overrun> {
        let mut state = self.state();
        state.window.as_mut().map_or(Ok(()), |window| window.receive(bytes))
    }

    /// Notes that `bytes` were read on; returns the credit to grant, if any.
    pub fn consume(&self, bytes: usize) -> Option<u32> {
        let may_grow = self.growth.load(Ordering::Relaxed) < limits::LINK_BUFFER;
        let mut state = self.state();
        let window = state.window.as_mut()?;
        let before = window.size();
        let grant = window.consume(bytes, may_grow);
        let grown = u64::from(window.size() - before);
        state.grown += grown;
        self.growth.fetch_add(grown, Ordering::Relaxed);
        grant
    }
}
