//! A body cut short never looks whole: parts are numbered, and only the numbered end completes a body.
//!
//! [`Assembly`] puts what arrives out of order or twice back into order and is bounded; [`Window`] and [`Credit`] are
//! the two ends of flow control, counted in body bytes.

use crate::limits;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fmt;

/// Cuts `body` into parts of at most `most` bytes without copying. An empty body has no part.
pub fn split(mut body: Bytes, most: usize) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || (!body.is_empty()).then(|| body.split_to(most.min(body.len()))))
}

/// Why an [`Assembly`] refuses an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The items that wait for a missing one would exceed the bound.
    TooMuchAhead,
    /// An item with a number behind the end.
    BehindEnd,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooMuchAhead => "too many parts arrived before a missing one",
            Self::BehindEnd => "a part came with a number behind the end",
        })
    }
}

impl std::error::Error for Refused {}

/// Numbered items in any order, some of them twice, become the sequence 0, 1, 2, … up to the one marked as the end.
#[derive(Debug)]
pub struct Assembly<T> {
    next: u32,
    last: Option<u32>,
    waiting: BTreeMap<u32, (T, usize)>,
    waiting_bytes: usize,
    most_bytes: usize,
}

impl<T> Assembly<T> {
    /// Starts with number `first`; items that wait for a missing one take at most `most_bytes`.
    pub fn new(first: u32, most_bytes: usize) -> Self {
        Self { next: first, last: None, waiting: BTreeMap::new(), waiting_bytes: 0, most_bytes }
    }

    /// Takes item number `n` of `size` bytes; `end` marks the last one. A number seen before is ignored.
    ///
    /// # Errors
    /// [`Refused`]: the item contradicts the end, or too much waits already.
    pub fn push(&mut self, n: u32, end: bool, size: usize, item: T) -> Result<(), Refused> {
        if self.last.is_some_and(|last| n > last || (end && n != last)) {
            return Err(Refused::BehindEnd);
        }
        if n < self.next || self.waiting.contains_key(&n) {
            return Ok(());
        }
        if end && self.waiting.last_key_value().is_some_and(|(&highest, _)| highest > n) {
            return Err(Refused::BehindEnd);
        }
        if n != self.next && self.waiting_bytes + size > self.most_bytes {
            return Err(Refused::TooMuchAhead);
        }
        if end {
            self.last = Some(n);
        }
        self.waiting_bytes += size;
        self.waiting.insert(n, (item, size));
        Ok(())
    }

    /// The next item in order, if it is here.
    pub fn pop(&mut self) -> Option<T> {
        let (item, size) = self.waiting.remove(&self.next)?;
        self.waiting_bytes -= size;
        self.next = self.next.saturating_add(1);
        Some(item)
    }

    /// Whether every item up to the end has been popped.
    pub fn is_complete(&self) -> bool {
        self.last.is_some_and(|last| self.next > last)
    }
}

/// The sender's end of flow control: how much it may still send. `None` at the start means without bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit(Option<u64>);

impl Credit {
    /// The credit an exchange opens with.
    pub fn new(window: Option<u32>) -> Self {
        Self(window.map(u64::from))
    }

    /// Spends `bytes` of credit if there is as much; otherwise spends nothing and says so.
    pub fn spend(&mut self, bytes: usize) -> bool {
        let Some(left) = &mut self.0 else { return true };
        let remaining = left.checked_sub(bytes as u64);
        *left = remaining.unwrap_or(*left);
        remaining.is_some()
    }

    /// Adds what the other side granted.
    pub fn add(&mut self, bytes: u32) {
        if let Some(left) = &mut self.0 {
            *left = left.saturating_add(u64::from(bytes));
        }
    }
}

/// The receiver's end of flow control: how much the other side may still send, and when to grant more.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    size: u32,
    unspent: u32,
    read: u32,
}

/// The other side sent more than it was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overrun;

impl fmt::Display for Overrun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("more body bytes than were granted")
    }
}

impl std::error::Error for Overrun {}

impl Window {
    /// A window of `size` bytes, all of it granted.
    pub fn new(size: u32) -> Self {
        Self { size, unspent: size, read: 0 }
    }

    /// Notes the arrival of `bytes`.
    ///
    /// # Errors
    /// [`Overrun`] when fewer were granted.
    pub fn receive(&mut self, bytes: usize) -> Result<(), Overrun> {
        let left = u32::try_from(bytes).ok().and_then(|bytes| self.unspent.checked_sub(bytes));
        self.unspent = left.ok_or(Overrun)?;
        Ok(())
    }

    /// The window's size in bytes, which is what may wait for the reader.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// Notes that `bytes` have been read on, and returns the credit to grant now, if it is worth a message. With
    /// `may_grow`, a reader that keeps up with a sender who has used most of the window doubles the window.
    pub fn consume(&mut self, bytes: usize, may_grow: bool) -> Option<u32> {
        self.read = self.read.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if self.read < self.size / 2 {
            return None;
        }
        let mut grant = std::mem::take(&mut self.read);
        let reader_keeps_up = self.unspent <= self.size / 2;
        if may_grow && reader_keeps_up && self.size < limits::WINDOW_MAX {
            grant = grant.saturating_add(self.size);
            self.size *= 2;
        }
        self.unspent = self.unspent.saturating_add(grant);
        Some(grant)
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
