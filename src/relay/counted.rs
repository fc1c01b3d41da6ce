//! An exchange counts as open until the last byte of its answer is out, or the visitor is gone.

use super::metrics::{Metrics, OpenExchange};
use crate::gate::{Body, Cut};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};

/// An answer's body that is counted as it leaves.
pub(super) struct Counted {
    body: Body,
    metrics: Metrics,
    _open: OpenExchange,
}

impl Counted {
    /// Counts `body`, whose exchange is `open`, in `metrics`.
    pub(super) fn new(body: Body, open: OpenExchange, metrics: &Metrics) -> Self {
        Self { body, metrics: metrics.clone(), _open: open }
    }
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.metrics.bytes_went_out(frame.data_ref().map_or(0, Bytes::len));
        }
        // Of the two kinds of body only the streaming one has an error of its own.
        polled.map_err(|error| error.downcast::<Cut>().map_or_else(|error| Cut(error.to_string()), |cut| *cut))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
