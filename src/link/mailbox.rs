//! What has arrived waits for the one who reads it, in the order it came.

use super::locked;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::task::{Poll, Waker};

/// What waits for the one reader of an exchange. Empty, it takes no memory: most exchanges have one message each way.
#[derive(Debug)]
pub struct Mailbox<T>(Mutex<Mail<T>>);

#[derive(Debug)]
struct Mail<T> {
    waiting: VecDeque<T>,
    reader: Option<Waker>,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self(Mutex::new(Mail { waiting: VecDeque::new(), reader: None }))
    }
}

impl<T> Mailbox<T> {
    /// Puts something in. What it takes in bytes was granted before, so what waits is bounded.
    pub fn put(&self, item: T) {
        let reader = {
            let mut mail = locked(&self.0);
            mail.waiting.push_back(item);
            mail.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Waits for the next. There is one reader: of two that wait at once, one would not be woken.
    pub async fn take(&self) -> T {
        std::future::poll_fn(|cx| {
            let mut mail = locked(&self.0);
            if let Some(item) = mail.waiting.pop_front() {
                return Poll::Ready(item);
            }
            mail.reader = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
#[path = "mailbox_tests.rs"]
mod tests;
