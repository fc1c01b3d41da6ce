//! The exchanges of one link: each is begun once, however often and in which order its messages come.
//!
//! A platform may hand a part over before the message that opens its exchange, and a message twice. On a link with flow
//! control, which is a relay's, neither happens; there nothing is remembered beyond what is open.

use super::Exchange;
use crate::id::ExchangeId;
use crate::limits;
use crate::link::{Growth, locked};
use crate::wire::{Flow, Timing};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

/// The exchanges that are open on one link.
#[derive(Debug, Default)]
pub struct Open {
    exchanges: Mutex<BTreeMap<ExchangeId, Arc<Exchange>>>,
    pub(super) growth: Growth,
    platform: Mutex<Platform>,
    /// Exchanges of which the gate is to tell what they took, the latest last: they may be over by then.
    awaited: Mutex<VecDeque<Arc<Exchange>>>,
}

/// What is remembered where messages come in any order.
#[derive(Debug, Default)]
struct Platform {
    /// Exchanges that are over, the latest last.
    over: VecDeque<ExchangeId>,
    /// What came before its exchange, the latest last.
    early: VecDeque<(ExchangeId, Flow)>,
    early_bytes: usize,
}

impl Open {
    /// How many there are.
    pub fn count(&self) -> usize {
        locked(&self.exchanges).len()
    }

    /// Ends all of them: the link is gone, so nobody waits for their answers.
    pub fn end_all(&self) {
        for exchange in std::mem::take(&mut *locked(&self.exchanges)).into_values() {
            exchange.end();
        }
    }

    /// Adds an exchange; `None` when it has been begun before, else what came ahead of it.
    pub(super) fn insert(&self, exchange: &Arc<Exchange>) -> Option<Vec<Flow>> {
        let id = exchange.id;
        let mut exchanges = locked(&self.exchanges);
        if exchanges.contains_key(&id) {
            return None;
        }
        let early = if exchange.flow_control { Vec::new() } else { locked(&self.platform).begin(id)? };
        exchanges.insert(id, exchange.clone());
        Some(early)
    }

    pub(super) fn get(&self, id: ExchangeId) -> Option<Arc<Exchange>> {
        locked(&self.exchanges).get(&id).cloned()
    }

    pub(super) fn remove(&self, exchange: &Exchange) {
        locked(&self.exchanges).remove(&exchange.id);
        if !exchange.flow_control {
            locked(&self.platform).end(exchange.id);
        }
    }

    /// The gate is going to tell what `exchange` took.
    pub(super) fn await_timing(&self, exchange: &Arc<Exchange>) {
        let mut awaited = locked(&self.awaited);
        if awaited.len() >= limits::TIMINGS_AWAITED {
            awaited.pop_front();
        }
        awaited.push_back(exchange.clone());
    }

    /// The gate tells what an exchange took.
    pub fn timed(&self, id: ExchangeId, timing: Timing) {
        let mut awaited = locked(&self.awaited);
        if let Some(exchange) = awaited.iter().position(|exchange| exchange.id == id).and_then(|at| awaited.remove(at))
        {
            exchange.recording.timed(timing);
        }
    }

    /// Keeps what may be for an exchange that is still to come.
    pub(super) fn keep_early(&self, id: ExchangeId, flow: Flow) {
        locked(&self.platform).keep(id, flow);
    }
}

impl Platform {
    fn begin(&mut self, id: ExchangeId) -> Option<Vec<Flow>> {
        if self.over.contains(&id) {
            return None;
        }
        let (mine, others) = std::mem::take(&mut self.early).into_iter().partition(|(early, _)| *early == id);
        self.early = others;
        let mine: VecDeque<(ExchangeId, Flow)> = mine;
        self.early_bytes -= mine.iter().map(|(_, flow)| size(flow)).sum::<usize>();
        Some(mine.into_iter().map(|(_, flow)| flow).collect())
    }

    fn end(&mut self, id: ExchangeId) {
        if self.over.len() >= limits::ENDED_REMEMBERED {
            self.over.pop_front();
        }
        self.over.push_back(id);
    }

    fn keep(&mut self, id: ExchangeId, flow: Flow) {
        if self.over.contains(&id) {
            return;
        }
        self.early_bytes += size(&flow);
        self.early.push_back((id, flow));
        while self.early_bytes > limits::EARLY_BYTES || self.early.len() > limits::EARLY_MESSAGES {
            let Some((_, gone)) = self.early.pop_front() else { break };
            self.early_bytes -= size(&gone);
        }
    }
}

fn size(flow: &Flow) -> usize {
    match flow {
        Flow::Part(_, chunk) => chunk.bytes.len(),
        Flow::Message(_, piece) => piece.bytes.len(),
        Flow::Abort(_) | Flow::Cancel | Flow::Credit(_) | Flow::Close(..) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Chunk;
    use bytes::Bytes;

    fn part(n: u32, size: usize) -> Flow {
        Flow::Part(n, Chunk { bytes: Bytes::from(vec![b'x'; size]), end: false })
    }

    #[test]
    fn what_came_ahead_of_an_exchange_is_handed_over_when_it_begins_and_only_to_it() {
        let mut platform = Platform::default();
        platform.keep(ExchangeId(1), part(1, 3));
        platform.keep(ExchangeId(2), part(1, 4));
        platform.keep(ExchangeId(1), part(2, 5));
        assert_eq!(platform.begin(ExchangeId(1)), Some(vec![part(1, 3), part(2, 5)]));
        assert_eq!((platform.early.len(), platform.early_bytes), (1, 4));
    }

    #[test]
    fn an_exchange_that_is_over_is_not_begun_again() {
        let mut platform = Platform::default();
        assert_eq!(platform.begin(ExchangeId(1)), Some(Vec::new()));
        platform.end(ExchangeId(1));
        platform.keep(ExchangeId(1), part(1, 3));
        assert_eq!(platform.begin(ExchangeId(1)), None);
        assert!(platform.early.is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut platform = Platform::default();
        for n in 0..10_000 {
            platform.end(ExchangeId(n));
            platform.keep(ExchangeId(n + 100_000), part(1, 10_000));
        }
        assert!(platform.over.len() <= limits::ENDED_REMEMBERED);
        assert!(platform.early_bytes <= limits::EARLY_BYTES && platform.early.len() <= limits::EARLY_MESSAGES);
    }
}
