//! How the service takes to being called as the tunnel will call it, and what its dev server needs for that.

use super::finding::Finding;
use super::probe::{self, Reply};
use super::service::Service;
use super::{Deadline, Patient};
use crate::forwarder::config::Service as Target;
use crate::forwarder::framework::{self, Answer, Framework, Surroundings, Trouble};
use crate::forwarder::service;
use crate::head::{RequestHead, forwarded};
use crate::limits;
use http::header::{self, HeaderMap, HeaderValue};
use http::uri::{Authority, PathAndQuery};
use http::{Method, Uri};
use std::net::SocketAddr;
use tokio::runtime::Runtime;

/// The service as the forwarder would ask it.
struct Caller {
    service: service::Service,
    address: SocketAddr,
    around: Surroundings,
    deadline: Deadline,
}

/// Asks the service as visitors of `public` would.
pub(super) fn examine(found: &mut Service, patient: &Patient, public: &Uri, deadline: Deadline, runtime: &Runtime) {
    let (Some((address, page)), Some(Target::Address { host, port })) = (&found.page, &patient.service) else { return };
    let service = runtime.block_on(service::Service::find(host, *port, patient.host_header.clone()));
    let Ok(service) = service.map(|service| service.with_headers(patient.headers.clone())) else { return };
    let authority = public.authority().map_or("", Authority::as_str).to_owned();
    let (own, told) = (service.authority().to_owned(), service.host_told(&authority).to_owned());
    let around = Surroundings { own, told, public: public.clone() };
    let caller = Caller { service, address: *address, around, deadline };
    let (host, called) = caller.host(page);
    let framework = caller.framework(page, called.as_ref());
    found.findings.extend([host, framework]);
}

impl Caller {
    /// Asks for `target` as the forwarder would for a visitor.
    fn ask(&self, target: &str, origin: bool) -> Result<Reply, ureq::Error> {
        let mut head = RequestHead {
            method: Method::GET,
            target: PathAndQuery::try_from(target).map_err(http::Error::from)?,
            headers: self.visitor(origin),
            from: None,
            websocket: false,
        };
        self.service.prepare(&mut head);
        probe::ask(self.address, target, &head.headers, self.deadline)
    }

    fn visitor(&self, origin: bool) -> HeaderMap {
        let public = &self.around.public;
        let (scheme, host) = (public.scheme_str().unwrap_or("http"), public.authority().map_or("", Authority::as_str));
        let origin = origin.then(|| (header::ORIGIN, format!("{scheme}://{host}")));
        let prefix = Some(public.path().trim_end_matches('/')).filter(|path| !path.is_empty());
        let prefix = prefix.map(|path| (forwarded::PREFIX, path.to_owned()));
        let told = [
            (header::HOST, host.to_owned()),
            (forwarded::HOST, host.to_owned()),
            (forwarded::PROTO, scheme.to_owned()),
            (forwarded::FOR, "127.0.0.1".to_owned()),
            (header::ACCEPT, "text/html,*/*".to_owned()),
        ];
        let lines = told.into_iter().chain(origin).chain(prefix);
        lines.filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?))).collect()
    }

    fn trouble(&self, answer: &Answer<'_>, known: Option<Framework>) -> Option<(Framework, Trouble)> {
        framework::trouble(answer, known, &self.around)
    }

    /// The `Host` header: as it will be, and for who thinks of `--host-header`, as it could be.
    fn host(&self, page: &Reply) -> (Finding, Option<Reply>) {
        let check = "service-host";
        let told = &self.around.told;
        let called = match self.ask("/", false) {
            Ok(called) => called,
            Err(error) => {
                let fix = "it answers without a tunnel's headers; look at the service's own log";
                return (Finding::fail(check, format!("no answer when called {told}: {error}"), fix), None);
            }
        };
        if let Some((framework, trouble @ Trouble::Host)) = self.trouble(&called.answer(), None) {
            let advice = framework::advice(framework, &trouble, &self.around);
            let detail = format!("{} ({})", advice.finding, called.status.as_u16());
            return (Finding::fail(check, detail, advice.fix), Some(called));
        }
        let (alone, here) = (page.status.as_u16(), called.status.as_u16());
        let finding = if here >= 400 && alone < 400 {
            let fix =
                "it may refuse the host, or X-Forwarded-Host: let it know the tunnel's, or try --host-header preserve";
            Finding::warn(check, format!("answers {here} when called {told} by a tunnel, {alone} otherwise"), fix)
        } else {
            Finding::ok(check, format!("answers {here} when called {told}{}", self.otherwise(alone)))
        };
        (finding, Some(called))
    }

    /// What `--host-header preserve` would meet.
    fn otherwise(&self, alone: u16) -> String {
        let public = self.around.public.authority().map_or("", Authority::as_str);
        let host = HeaderValue::try_from(public).ok().filter(|_| self.around.told != public);
        let headers = host.map(|host| HeaderMap::from_iter([(header::HOST, host)]));
        let asked = headers.and_then(|headers| probe::ask(self.address, "/", &headers, self.deadline).ok());
        match asked.map(|reply| reply.status.as_u16()) {
            Some(status) if status >= 400 && alone < 400 => {
                format!("; {public} would be answered {status} (--host-header preserve)")
            }
            Some(_) => format!(", and to {public} as well"),
            None => String::new(),
        }
    }

    /// The framework shows in either answer; what matters is how it takes to the tunnel's call.
    fn framework(&self, page: &Reply, called: Option<&Reply>) -> Finding {
        let check = "service-framework";
        let answers = || [called, Some(page)].into_iter().flatten().map(Reply::answer);
        let known = answers().find_map(|answer| framework::recognise(&answer));
        // Where webpack's page looks for live reload stands in its script, if anywhere.
        let unsure = matches!(known, None | Some(Framework::Webpack));
        let scripts = if unsure { self.scripts(called.unwrap_or(page)) } else { Vec::new() };
        let known = known.or_else(|| scripts.iter().find_map(|script| framework::recognise(&script.answer())));
        let refusal = || answers().find_map(|answer| Some(self.trouble(&answer, None)?.0));
        let Some(known) = known.or_else(refusal) else {
            return Finding::ok(check, "looks like none of the dev servers that are known here");
        };
        let looked_at = called.into_iter().chain(&scripts).map(Reply::answer);
        let trouble = looked_at.into_iter().find_map(|answer| self.trouble(&answer, Some(known)));
        match trouble.or_else(|| self.expected(known)) {
            None => Finding::ok(check, format!("looks like {known}, nothing to do")),
            // What to do is told there already.
            Some((_, Trouble::Host)) => Finding::ok(check, format!("looks like {known}")),
            Some((framework, trouble)) => {
                let advice = framework::advice(framework, &trouble, &self.around);
                Finding::warn(check, advice.finding, advice.fix)
            }
        }
    }

    /// What shows only in answers to questions that a doctor does not ask, or asks here.
    fn expected(&self, known: Framework) -> Option<(Framework, Trouble)> {
        match known {
            Framework::Next => {
                let live = self.ask("/_next/hmr-of-the-doctor", true).ok()?;
                self.trouble(&live.answer(), Some(known))
            }
            // No form is sent to a service that is only looked at.
            Framework::Django => {
                let untold = self.keeps_host() && self.around.public.scheme_str() == Some("https");
                untold.then_some((known, Trouble::Form))
            }
            _ => None,
        }
    }

    /// Whether the service is told the visitor's `Host`.
    fn keeps_host(&self) -> bool {
        self.around.public.authority().is_some_and(|authority| self.around.told == authority.as_str())
    }

    /// The scripts that a page loads from its own host.
    fn scripts(&self, page: &Reply) -> Vec<Reply> {
        let html = String::from_utf8_lossy(&page.body);
        let sources = html.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let own = sources.filter(|source| source.contains(".js") && !source.contains("//"));
        let paths = own.map(|source| format!("/{}", source.trim_start_matches(['.', '/'])));
        paths.take(limits::DOCTOR_SCRIPTS).filter_map(|path| self.ask(&path, false).ok()).collect()
    }
}
