//! Waits for an answer's items and hands them on in their order, however they came; the wait ends with the answer, with
//! the link, or when the door's time is up.

use super::clients::said;
use super::{Aws, Link, items};
use crate::fault::{Code, Fault};
use crate::gate::switchboard::{Arrival, Inbox};
use crate::handler::pace;
use crate::id::ExchangeId;
use crate::limits;
use crate::lock::locked;
use crate::wire::Timing;
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Every so many looks for a missing part, the items behind it are looked at too: an abort is among them.
const WHOLE_LOOK: u32 = 8;

/// The receiving half of an exchange.
pub(in crate::handler) struct AwsInbox {
    aws: Aws,
    link: Link,
    id: ExchangeId,
    /// Number of the item to be handed on next.
    next: u32,
    ahead: BTreeMap<u32, Arrival>,
    posted: Instant,
    /// When something last came.
    heard: Instant,
    looks: u32,
    /// When to ask whether the link still stands; doubles.
    check: Duration,
    /// Nothing more can come after this: the link is gone.
    last_words: Option<Instant>,
    finished: bool,
}

impl AwsInbox {
    pub(super) fn new(aws: Aws, link: Link, id: ExchangeId) -> Self {
        let now = Instant::now();
        let (ahead, check) = (BTreeMap::new(), limits::LINK_CHECK);
        Self {
            aws,
            link,
            id,
            next: 0,
            ahead,
            posted: now,
            heard: now,
            looks: 0,
            check,
            last_words: None,
            finished: false,
        }
    }

    /// The next item in order, or the one that says that no more will come.
    fn take(&mut self) -> Option<Arrival> {
        let arrival = match self.ahead.remove(&self.next) {
            Some(arrival) => arrival,
            // What is missing before an abort may never have been sent.
            None => self.ahead.remove(&items::ABORT)?,
        };
        if self.next == 0 {
            self.answered();
        }
        self.next = self.next.saturating_add(1);
        self.heard = Instant::now();
        Some(arrival)
    }

    fn answered(&self) {
        let took = self.posted.elapsed();
        if let Some(name) = &self.link.name {
            self.aws.shared.habits.learn(name, took, self.looks);
        }
        locked(&self.aws.tally).waited = took;
    }

    async fn wait(&mut self) -> Result<(), Fault> {
        let pause = match (self.looks, &self.link.name) {
            (0, Some(name)) => self.aws.shared.habits.first(name),
            _ => pace::pause(self.heard.elapsed()),
        };
        let now = Instant::now();
        if now >= self.aws.until {
            return Err(self.late());
        }
        if self.last_words.is_some_and(|end| now >= end) {
            return Err(Fault::new(
                Code::ForwarderOffline,
                "The forwarder's connection was lost during this exchange.",
            ));
        }
        tokio::time::sleep(pause.min(self.aws.until - now)).await;
        if self.last_words.is_none() && self.heard.elapsed() >= self.check {
            self.check *= 2;
            if self.aws.shared.clients.is_gone(&self.link.connection).await {
                self.last_words = Some(Instant::now() + limits::LAST_WORDS);
            }
        }
        Ok(())
    }

    fn late(&self) -> Fault {
        let waited = self.posted.elapsed().as_secs();
        let what = if self.next == 0 { "did not answer" } else { "did not complete its answer" };
        Fault::new(
            Code::ServiceTimeout,
            format!("The service {what} within {waited} s, which is as long as this address can wait."),
        )
    }

    /// Reads what has come. A read that fails is made up for by the next one.
    async fn look(&mut self) {
        self.looks += 1;
        let first_ahead = self.ahead.keys().next().copied();
        let until = match first_ahead {
            // What is behind the gap has been read and paid for.
            Some(ahead) if !self.looks.is_multiple_of(WHOLE_LOOK) => ahead - 1,
            _ => items::ABORT,
        };
        let number = |n: u32| AttributeValue::N(n.to_string());
        let shared = &self.aws.shared;
        let query = shared
            .clients
            .dynamodb
            .query()
            .table_name(&shared.pending_table)
            .consistent_read(true)
            .key_condition_expression("#exchange = :exchange AND #part BETWEEN :from AND :until")
            .expression_attribute_names("#exchange", "exchange")
            .expression_attribute_names("#part", "part")
            .expression_attribute_values(":exchange", items::key(&self.link.connection, self.id))
            .expression_attribute_values(":from", number(self.next))
            .expression_attribute_values(":until", number(until));
        let found = match query.send().await {
            Ok(page) => page.items.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(error = said(&error), "a look for an answer failed and will be repeated");
                return;
            }
        };
        let mut tally = locked(&self.aws.tally);
        tally.looks += 1;
        for (number, arrival) in found.into_iter().filter_map(items::read) {
            if number >= self.next && self.ahead.insert(number, arrival).is_none() {
                tally.parts += 1;
            }
        }
    }
}

impl Inbox for AwsInbox {
    async fn next(&mut self) -> Result<Arrival, Fault> {
        loop {
            if let Some(arrival) = self.take() {
                return Ok(arrival);
            }
            self.wait().await?;
            self.look().await;
        }
    }

    fn read(&mut self, _bytes: usize) {
        // Parts wait in the table until they are asked for: there is nothing to grant.
    }

    fn timed(&mut self, _timing: Timing) {
        // A message each would cost as much as the answer's own.
    }

    fn finish(&mut self) {
        self.finished = true;
    }

    fn reorder_limit(&self) -> usize {
        // Items are handed on in order, so no more than one waits elsewhere.
        limits::TEXT_MESSAGE
    }
}

impl Drop for AwsInbox {
    fn drop(&mut self) {
        if !self.finished && self.last_words.is_none() {
            locked(&self.aws.cancels).push((self.link.clone(), self.id));
        }
    }
}
