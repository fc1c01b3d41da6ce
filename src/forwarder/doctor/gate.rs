//! Whether the endpoint is a tunnel's gate shows when a link is opened; it is closed at once, and the name is free again.

use super::finding::Finding;
use super::{Deadline, Patient};
use crate::forwarder::config::{ColorChoice, HostHeader, Output};
use crate::forwarder::dial::Proxies;
use crate::forwarder::exchange::Workshop;
use crate::forwarder::report::{Colors, Reporter};
use crate::forwarder::rules::Rules;
use crate::forwarder::service::Service;
use crate::forwarder::session::{self, Failure, Session};
use crate::forwarder::{Identity, Way};
use crate::id::OwnerSecret;
use crate::limits;
use crate::wire::Encoding;
use http::{StatusCode, Uri};
use std::io;
use std::sync::Arc;
use std::time::Instant;
use tokio::time::timeout;

/// What came of a link.
#[derive(Debug, Default)]
pub(super) struct Linked {
    pub(super) findings: Vec<Finding>,
    /// The tunnel's URL.
    pub(super) url: Option<Uri>,
}

/// Opens a link as a forwarder does, and closes it.
pub(super) async fn examine(patient: &Patient, uri: &Uri, proxies: &Proxies, deadline: Deadline) -> Linked {
    let way = Way::Remote(uri.clone(), proxies.clone());
    let started = Instant::now();
    let limit = deadline.within(limits::DOCTOR_LINK);
    let opened = match timeout(limit, open(patient, &way)).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) => Err(Failure::Unreachable(error)),
        Err(_) => Err(Failure::Lost(format!("no welcome in {} s", limit.as_secs()))),
    };
    match opened {
        Ok(session) => {
            let (url, shown) = (session.welcome().url.parse().ok(), session.welcome().url.clone());
            session.close(1000, "the doctor has seen enough").await;
            let gate = format!("a tunnel gate: {shown} in {} ms, closed again", started.elapsed().as_millis());
            Linked { findings: vec![Finding::ok("endpoint-gate", gate), admitted(patient)], url }
        }
        Err(failure) => Linked { findings: refused(patient, &failure), url: None },
    }
}

/// The workshop serves nobody: the session is not asked to.
async fn open(patient: &Patient, way: &Way) -> anyhow::Result<Result<Session, Failure>> {
    let output = Output { json: true, quiet: true, verbose: false, tui: false, color: ColorChoice::Never };
    let reporter = Reporter::write_to(output, Colors::default(), false, io::sink(), io::sink())?;
    let service = Arc::new(Service::find("localhost", 1, HostHeader::Rewrite).await?);
    let workshop = Arc::new(Workshop::new(service, Rules::default(), limits::ANSWER, reporter));
    let (name, token) = (patient.name.clone(), patient.token.clone());
    let identity = Identity { name, token, owner: OwnerSecret::random()?, encodings: &Encoding::ALL };
    Ok(session::open(way, &identity, &workshop).await)
}

fn admitted(patient: &Patient) -> Finding {
    let detail = match (&patient.token, &patient.name) {
        (Some(_), Some(name)) => format!("the gate takes it, for the name {name}"),
        (Some(_), None) => "the gate takes it".to_owned(),
        (None, _) => "none is given, and the gate asks for none".to_owned(),
    };
    Finding::ok("token", detail)
}

/// A gate refuses with one line of plain text; whatever else answers is none.
fn refused(patient: &Patient, failure: &Failure) -> Vec<Finding> {
    let Failure::Refused(status, text) = failure else {
        let why = match failure {
            Failure::Lost(why) => why.clone(),
            other => other.to_string(),
        };
        return vec![no_gate(why), Finding::skipped("token", "there is no gate")];
    };
    let speaks = !text.trim_start().starts_with('<') && !text.trim_start().starts_with('{');
    let own = matches!(status.as_u16(), 400 | 401 | 403 | 409 | 426 | 429 | 500 | 503);
    if !own || !speaks {
        let detail = format!("it answers {} to a forwarder's handshake", status.as_u16());
        return vec![no_gate(detail), Finding::skipped("token", "there is no gate")];
    }
    let gate = Finding::ok("endpoint-gate", format!("a tunnel gate; it refuses the link ({})", status.as_u16()));
    let reason = format!("{}: {}", status.as_u16(), text.lines().next().unwrap_or_default());
    vec![gate, because(patient, *status, &reason)]
}

fn no_gate(detail: String) -> Finding {
    let fix = "check host, port and path: the endpoint is the relay's own address or the WebSocket URL of the serverless gate, \
               not a tunnel's and not a web site's";
    Finding::fail("endpoint-gate", format!("no tunnel gate: {detail}"), fix)
}

fn because(patient: &Patient, status: StatusCode, reason: &str) -> Finding {
    match (status, &patient.token) {
        (StatusCode::UNAUTHORIZED, None) => Finding::fail(
            "token",
            "the gate wants one, and none is given (401)",
            "give --token file:PATH or env:NAME, or set TUNNEL_TOKEN; the endpoint's operator has it",
        ),
        (StatusCode::UNAUTHORIZED, Some(_)) => Finding::fail(
            "token",
            format!("refused ({reason})"),
            "check that it is the one that the operator gave, whole and not expired",
        ),
        (StatusCode::FORBIDDEN, _) => Finding::fail(
            "token",
            format!("taken, but not for this name ({reason})"),
            "give a --name that the token allows, or ask the operator for another token",
        ),
        (StatusCode::CONFLICT, _) => Finding::fail(
            "name",
            format!("another forwarder has it ({reason})"),
            "choose another --name, or stop the other forwarder; one that broke off keeps its name for 10 minutes",
        ),
        (StatusCode::UPGRADE_REQUIRED, _) => {
            Finding::fail("endpoint-version", reason, "upgrade the older of forwarder and gate")
        }
        (StatusCode::TOO_MANY_REQUESTS, _) => {
            Finding::fail("token", reason, "stop one of the tunnels that this token holds")
        }
        _ => Finding::fail("endpoint-gate", reason, "try again; if it stays so, the gate's log says more"),
    }
}
