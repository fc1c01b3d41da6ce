//! A platform between the forwarder and the gate may lose a message and says so, without saying which: what may be meant
//! is sent again, once for a swarm of such errors, and more slowly when the platform says that it is too much.

use crate::limits;
use crate::link::Sent;
use std::sync::Arc;
use std::time::Duration;

/// What a link does about a platform that loses messages and says so.
#[derive(Debug, Default)]
pub(super) struct Platform {
    /// What was sent; `None` on links whose messages nothing loses.
    sent: Option<Arc<Sent>>,
    /// When it is to be sent again.
    again: Option<tokio::time::Instant>,
    /// The pause that is asked for next when it is too much.
    calm: Duration,
}

impl Platform {
    /// A platform that notes in `sent` what goes out.
    pub(super) fn new(sent: Option<Arc<Sent>>) -> Self {
        Self { sent, ..Self::default() }
    }

    /// Takes note of the platform's error.
    pub(super) fn failed(&mut self, text: &str) {
        let Some(sent) = &self.sent else { return };
        let now = tokio::time::Instant::now();
        let mut after = limits::RESEND_AFTER;
        if is_too_much(text) {
            self.calm = (self.calm * 2).clamp(*limits::CALM.start(), *limits::CALM.end());
            sent.calm_down(now + self.calm);
            after += self.calm;
        } else {
            self.calm = Duration::ZERO;
        }
        tracing::warn!(text, "the platform could not hand a message over; recent ones will be sent again");
        self.again.get_or_insert(now + after);
    }

    /// Completes when it is time to send again.
    pub(super) async fn time_to_repeat(&self) {
        match self.again {
            Some(again) => tokio::time::sleep_until(again).await,
            None => std::future::pending().await,
        }
    }

    /// Sends again what may have been lost.
    pub(super) fn repeat(&mut self) {
        self.again = None;
        if let Some(sent) = &self.sent {
            let messages = sent.repeat();
            tracing::info!(messages, "sent again");
        }
    }
}

/// What API Gateway says when a limit on calls was reached.
fn is_too_much(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["too many requests", "limit exceeded", "rate exceeded", "throttl"].iter().any(|sign| text.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_about_a_limit_ask_for_a_pause() {
        for text in ["Too Many Requests", "Limit Exceeded", "Rate exceeded", "Request throttled"] {
            assert!(is_too_much(text), "{text}");
        }
        assert!(!is_too_much("Internal server error"));
    }
}
