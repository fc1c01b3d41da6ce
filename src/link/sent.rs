//! What was sent a moment ago is kept, so that it can be sent again when the platform says that it lost something.
//!
//! API Gateway hands each message to a function and tells the sender with a frame of its own when that failed, but not
//! which message it was. Everything that may be meant is sent again; the gate takes a message that it knows for one.

use crate::limits;
use crate::lock::locked;
use crate::wire::Encoded;
use std::collections::VecDeque;
use std::sync::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The messages of the last [`limits::RESENT_WITHIN`].
#[derive(Debug, Default)]
pub struct Sent {
    kept: Mutex<Kept>,
    asked: Notify,
}

#[derive(Debug, Default)]
struct Kept {
    messages: VecDeque<Message>,
    bytes: usize,
    /// Nothing is to be sent before.
    calm_until: Option<Instant>,
    /// Is to be sent again now, oldest first, with how often it has been sent.
    again: Vec<(Encoded, u32)>,
}

#[derive(Debug)]
struct Message {
    at: Instant,
    times: u32,
    encoded: Encoded,
}

impl Sent {
    /// Notes a message that goes out now, for the `times`th time.
    pub(super) fn keep(&self, encoded: &Encoded, times: u32) {
        let now = Instant::now();
        let mut kept = locked(&self.kept);
        kept.bytes += encoded.len();
        kept.messages.push_back(Message { at: now, times, encoded: encoded.clone() });
        kept.drop_old(now);
    }

    /// Asks for everything to be sent again that may have been lost, but for what was sent often enough; gives how many
    /// messages that is.
    pub fn repeat(&self) -> usize {
        let mut kept = locked(&self.kept);
        kept.drop_old(Instant::now());
        kept.bytes = 0;
        let messages = std::mem::take(&mut kept.messages);
        let again = messages.into_iter().filter(|message| message.times < limits::RESENT_TIMES);
        kept.again.extend(again.map(|message| (message.encoded, message.times)));
        self.asked.notify_one();
        kept.again.len()
    }

    /// Completes when something is to be sent again.
    pub(super) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Takes what is to be sent again, with how often it has been sent.
    pub(super) fn again(&self) -> Vec<(Encoded, u32)> {
        std::mem::take(&mut locked(&self.kept).again)
    }

    /// Sends nothing before `until`.
    pub fn calm_down(&self, until: Instant) {
        locked(&self.kept).calm_until = Some(until);
    }

    /// When to go on sending, if not now.
    pub(super) fn calm_until(&self) -> Option<Instant> {
        locked(&self.kept).calm_until.take()
    }
}

impl Kept {
    fn drop_old(&mut self, now: Instant) {
        let old = |message: &Message| now.duration_since(message.at) > limits::RESENT_WITHIN;
        while self.messages.front().is_some_and(|first| old(first) || self.bytes > limits::RESENT_BYTES) {
            let gone = self.messages.pop_front();
            self.bytes -= gone.map_or(0, |message| message.encoded.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Encoded {
        Encoded::Text(text.to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_sent_within_the_platforms_time_is_sent_again_in_its_order() {
        let sent = Sent::default();
        sent.keep(&text("old"), 1);
        tokio::time::advance(limits::RESENT_WITHIN + std::time::Duration::from_secs(1)).await;
        sent.keep(&text("a"), 1);
        sent.keep(&text("b"), 1);
        assert_eq!(sent.repeat(), 2);
        sent.asked().await;
        assert_eq!(sent.again(), [(text("a"), 1), (text("b"), 1)]);
        assert_eq!((sent.repeat(), sent.again()), (0, Vec::new()));
    }

    #[test]
    fn what_was_sent_often_enough_is_given_up() {
        let sent = Sent::default();
        sent.keep(&text("a"), limits::RESENT_TIMES);
        assert_eq!(sent.repeat(), 0);
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_oldest_goes_first() {
        let sent = Sent::default();
        let large = "x".repeat(limits::RESENT_BYTES / 2);
        for mark in ["1", "2", "3"] {
            sent.keep(&text(&format!("{mark}{large}")), 1);
        }
        sent.repeat();
        let kept: Vec<_> = sent.again().into_iter().map(|(message, _)| message).collect();
        assert_eq!(kept, [text(&format!("3{large}"))]);
    }
}
