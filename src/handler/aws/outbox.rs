//! A request's body leaves in numbered posts, a few of them at once; when it is over, all of them have arrived.

use super::{Aws, Link};
use crate::gate::switchboard::{Ended, Outbox};
use crate::id::ExchangeId;
use crate::limits;
use crate::wire::{Flow, ToForwarder};
use tokio::task::JoinSet;

/// The sending half of an exchange. Dropping it stops what is under way.
pub(in crate::handler) struct AwsOutbox {
    aws: Aws,
    link: Link,
    id: ExchangeId,
    posts: JoinSet<Result<(), Ended>>,
}

impl AwsOutbox {
    pub(super) fn new(aws: Aws, link: Link, id: ExchangeId) -> Self {
        Self { aws, link, id, posts: JoinSet::new() }
    }

    async fn one_done(&mut self) -> Result<(), Ended> {
        self.posts.join_next().await.map_or(Ok(()), |done| done.unwrap_or(Err(Ended)))
    }
}

impl Outbox for AwsOutbox {
    fn part(&self) -> usize {
        limits::POST_PART
    }

    async fn wait_for_demand(&mut self) -> Result<(), Ended> {
        // The platform has answered `Expect` and read the whole body before this function was called.
        Ok(())
    }

    async fn send(&mut self, flow: Flow) -> Result<(), Ended> {
        let last = matches!(&flow, Flow::Abort(_)) || matches!(&flow, Flow::Part(_, chunk) if chunk.end);
        while self.posts.len() >= limits::POSTS {
            self.one_done().await?;
        }
        let (aws, link, id) = (self.aws.clone(), self.link.clone(), self.id);
        self.posts.spawn(async move {
            let posted = aws.post(&link, &ToForwarder::Flow(id, flow)).await;
            posted.map_err(|error| {
                tracing::warn!(?error, "a part of a request's body was not posted");
                Ended
            })
        });
        while last && !self.posts.is_empty() {
            self.one_done().await?;
        }
        Ok(())
    }
}
