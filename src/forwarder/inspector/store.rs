//! All records together stay within a bound in bytes; the oldest make room.

use super::capture::{Event, What};
use super::record::{Origin, Record};
use std::collections::{BTreeMap, BTreeSet};

/// The records, by number, so the oldest is the first. Boxed: nodes of the map that are half full cost little then.
#[derive(Debug)]
pub(super) struct Store {
    records: BTreeMap<u64, Box<Record>>,
    size: usize,
    most: usize,
    dropped: u64,
}

impl Store {
    /// A store of at most `most` bytes.
    pub(super) fn new(most: usize) -> Self {
        Self { records: BTreeMap::new(), size: 0, most, dropped: 0 }
    }

    /// Takes what exchanges did and returns the numbers of those that changed.
    pub(super) fn apply(&mut self, events: Vec<Event>) -> BTreeSet<u64> {
        let mut changed = BTreeSet::new();
        for Event { id, what } in events {
            if let What::Begun { at, request } = what {
                self.insert(Record::new(id, Origin::Visitor, at, *request));
            } else if let Some(record) = self.records.get_mut(&id) {
                let before = record.size();
                record.apply(what);
                self.size = self.size + record.size() - before;
                self.make_room();
            } else {
                continue; // It has made room already.
            }
            changed.insert(id);
        }
        changed.retain(|id| self.records.contains_key(id));
        changed
    }

    /// Keeps a record.
    pub(super) fn insert(&mut self, record: Record) {
        self.size += record.size();
        if let Some(before) = self.records.insert(record.id, Box::new(record)) {
            self.size -= before.size();
        }
        self.make_room();
    }

    fn make_room(&mut self) {
        while self.size > self.most {
            let Some((_, oldest)) = self.records.pop_first() else { return };
            self.size -= oldest.size();
            self.dropped += 1;
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.size = 0;
    }

    /// One of them.
    pub(super) fn get(&self, id: u64) -> Option<&Record> {
        self.records.get(&id).map(Box::as_ref)
    }

    /// All of them, the newest first.
    pub(super) fn newest(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.records.values().rev().map(Box::as_ref)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.records.len()
    }

    /// Bytes that they take.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// How many have made room.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{Body, Lines, Request};
    use super::*;
    use std::time::SystemTime;

    fn record(id: u64, body: usize) -> Record {
        let request = Request {
            method: http::Method::POST,
            target: "/".into(),
            headers: Lines::default(),
            body: Body::whole(vec![b'x'; body]),
            from: None,
            websocket: false,
            tunnel: None,
        };
        Record::new(id, Origin::Visitor, SystemTime::UNIX_EPOCH, request)
    }

    #[test]
    fn the_oldest_make_room_and_the_bound_holds() {
        let mut store = Store::new(100_000);
        for id in 1..=50 {
            store.insert(record(id, 10_000));
            assert!(store.size() <= 100_000, "{}", store.size());
        }
        let kept: Vec<_> = store.newest().map(|record| record.id).collect();
        assert_eq!(kept, (42..=50).rev().collect::<Vec<_>>());
        assert_eq!(store.dropped(), 41);
    }

    #[test]
    fn a_body_over_the_limit_is_kept_in_part_and_says_so() {
        let body = Body::whole(vec![0; crate::limits::INSPECT_BODY + 1]);
        assert_eq!(body.bytes.len(), crate::limits::INSPECT_BODY);
        assert!(!body.is_kept() && body.size == body.bytes.len() as u64 + 1);
    }
}
