//! Messages on their way to the function: each an invocation of its own, in no promised order, perhaps twice.

use super::Gateway;
use super::link::Link;
use super::routes::Integration;
use crate::serverless::knobs::Delivery;
use crate::serverless::meter::message_units;
use std::sync::Arc;
use std::time::Duration;

/// Takes a message from the client; whoever calls goes on reading.
pub fn arrived(gateway: &Arc<Gateway>, link: &Arc<Link>, text: String) {
    gateway.meter.count(|tally| {
        tally.messages_in += 1;
        tally.units_in += message_units(text.len());
    });
    match gateway.panel.read().delivery {
        Delivery::Concurrent => gateway.spawn(take_route(Arc::clone(gateway), Arc::clone(link), text)),
        Delivery::Reversed(within) => {
            let mut backlog = link.backlog.lock().expect("no panic");
            backlog.push(text);
            if backlog.len() == 1 {
                gateway.spawn(deliver_reversed(Arc::clone(gateway), Arc::clone(link), within));
            }
        }
    }
}

/// One after the other, so that the last really is first.
async fn deliver_reversed(gateway: Arc<Gateway>, link: Arc<Link>, within: Duration) {
    tokio::time::sleep(within).await;
    let backlog = std::mem::take(&mut *link.backlog.lock().expect("no panic"));
    for text in backlog.into_iter().rev() {
        take_route(Arc::clone(&gateway), Arc::clone(&link), text).await;
    }
}

async fn take_route(gateway: Arc<Gateway>, link: Arc<Link>, text: String) {
    let Some((route, integration)) = gateway.routes.select(&text) else {
        return fail(&gateway, &link, "Forbidden", &crate::serverless::unique());
    };
    let Integration::Function(limit) = integration else {
        return gateway.meter.count(|tally| tally.mocked += 1);
    };
    tokio::time::sleep(gateway.panel.read().latency.socket).await;
    gateway.panel.until(|knobs| !knobs.hold_messages).await;
    let knobs = gateway.panel.read();
    let event = link.info.message(route, &text);
    let id = event["requestContext"]["requestId"].as_str().unwrap_or_default();
    if knobs.throttle_messages {
        return fail(&gateway, &link, "Too Many Requests", id);
    }
    if gateway.failing.picks(knobs.message_failures_percent) {
        return fail(&gateway, &link, "Internal server error", id);
    }
    let once = || gateway.invoke("MESSAGE", &event, *limit);
    let outcome = if knobs.duplicate {
        let (first, second) = tokio::join!(once(), once());
        first.and(second)
    } else {
        once().await
    };
    // Without a route response the function's answer goes nowhere.
    if outcome.is_err() {
        fail(&gateway, &link, "Internal server error", id);
    }
}

fn fail(gateway: &Gateway, link: &Link, text: &str, request_id: &str) {
    link.push(link.failure(text, request_id).into_bytes(), gateway.panel.read().latency.socket);
}
