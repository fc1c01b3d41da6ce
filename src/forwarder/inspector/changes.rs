//! Pages hear of changes as server-sent events; one that does not keep up is told to read the list anew.

use super::store::Store;
use super::view::Summary;
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::{self, error::RecvError};

/// Changes in one batch beyond which a page reads the list anew: that is less work for both.
const MANY: usize = 200;

/// Batches that wait for a slow page.
const BACKLOG: usize = 64;

/// A page whose computer slept finds out that its connection is dead when it hears nothing for longer.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Who is told of changes.
#[derive(Debug)]
pub(super) struct Changes(broadcast::Sender<Arc<str>>);

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }
}

impl Changes {
    /// Tells of these exchanges.
    pub(super) fn tell(&self, store: &Store, changed: &BTreeSet<u64>) {
        if self.0.receiver_count() == 0 || changed.is_empty() {
            return;
        }
        if changed.len() > MANY {
            return self.reset();
        }
        let records = changed.iter().filter_map(|id| store.get(*id));
        let events: String = records.map(|record| event("exchange", &json(&Summary::of(record)))).collect();
        self.send(events);
    }

    /// Tells that everything may have changed.
    pub(super) fn reset(&self) {
        self.send(event("reset", "{}"));
    }

    fn send(&self, text: String) {
        // Nobody may be looking.
        let _nobody = self.0.send(text.into());
    }

    /// The stream of one page.
    pub(super) fn subscribe(&self) -> impl Stream<Item = Bytes> + Send + use<> {
        // The first event says that from here on nothing is missed.
        let hello = Some(Bytes::from(event("ready", "{}")));
        stream::unfold((self.0.subscribe(), hello), |(mut changes, hello)| async {
            if let Some(hello) = hello {
                return Some((hello, (changes, None)));
            }
            let text = match tokio::time::timeout(KEEP_ALIVE, changes.recv()).await {
                Ok(Ok(text)) => Bytes::copy_from_slice(text.as_bytes()),
                Ok(Err(RecvError::Lagged(_))) => Bytes::from(event("reset", "{}")),
                Ok(Err(RecvError::Closed)) => return None,
                Err(_) => Bytes::from_static(b": still here\n\n"),
            };
            Some((text, (changes, None)))
        })
    }
}

fn json(summary: &Summary<'_>) -> String {
    serde_json::to_string(summary).expect("texts and numbers are always JSON")
}

fn event(name: &str, data: &str) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}
