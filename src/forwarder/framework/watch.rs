//! Watching asks nothing and delays nothing: it ends with the first advice or after [`limits::WATCHED_ANSWERS`], and then
//! costs one load per answer.

use super::{Answer, Framework, Surroundings, Trouble, advice, is_internal, recognise, trouble};
use crate::fault::Code;
use crate::forwarder::report::{Event, Reporter};
use crate::forwarder::service::Service;
use crate::head::ResponseHead;
use crate::limits;
use crate::link::locked;
use http::Uri;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Looks at the answers that pass and tells once what the service needs.
#[derive(Debug)]
pub struct Watcher {
    watching: AtomicBool,
    state: Mutex<State>,
    service: Arc<Service>,
    reporter: Reporter,
}

#[derive(Debug)]
struct State {
    left: u32,
    /// `None` before the tunnel has a URL: nothing can be said then.
    surroundings: Option<Surroundings>,
    known: Option<Framework>,
}

impl Watcher {
    /// A watcher of this service's answers.
    pub fn new(service: Arc<Service>, reporter: Reporter) -> Self {
        let state = State { left: limits::WATCHED_ANSWERS, surroundings: None, known: None };
        Self { watching: AtomicBool::new(true), state: Mutex::new(state), service, reporter }
    }

    /// The tunnel has this URL.
    pub fn online(&self, url: &str) {
        let public = url.parse().ok();
        locked(&self.state).surroundings = public.map(|public: Uri| Surroundings {
            own: self.service.authority().to_owned(),
            told: self.service.host_told(public.authority().map_or("", |authority| authority.as_str())).to_owned(),
            public,
        });
    }

    /// Looks at an answer's head and the beginning of its body.
    pub fn see(&self, target: &str, head: &ResponseHead, body: &[u8]) {
        // Whoever reads this too late looks at one answer more.
        if self.watching.load(Ordering::Relaxed) {
            self.look(&Answer { target, status: head.status, headers: &head.headers, body });
        }
    }

    /// The service broke off a socket's handshake: Next.js refuses the one of live reload so, with words that are no HTTP.
    pub fn see_broken_socket(&self, target: &str, code: Code) {
        if code != Code::ServiceFailed || !is_internal(target) || !self.watching.load(Ordering::Relaxed) {
            return;
        }
        let state = locked(&self.state);
        let next = state.known == Some(Framework::Next);
        let around = state.surroundings.as_ref().filter(|around| next && around.tells_public_host());
        if let Some(around) = around.filter(|_| self.watching.swap(false, Ordering::Relaxed)) {
            self.tell(Framework::Next, &Trouble::LiveReload, around);
        }
    }

    fn tell(&self, framework: Framework, trouble: &Trouble, around: &Surroundings) {
        let advice = advice(framework, trouble, around);
        self.reporter.report(Event::Notice(format!("tip: {}; {}", advice.finding, advice.fix)));
    }

    fn look(&self, answer: &Answer<'_>) {
        let mut guard = locked(&self.state);
        let state = &mut *guard;
        let Some(around) = &state.surroundings else { return };
        let met = state.known.is_some();
        state.known = state.known.or_else(|| recognise(answer));
        let found = trouble(answer, state.known, around).filter(|found| !self.is_over(found));
        state.known = found.as_ref().map(|(framework, _)| *framework).or(state.known);
        if state.known.is_some_and(Framework::believes_forwarded_host) {
            self.service.believe_forwarded_host();
        }
        state.left = state.left.saturating_sub(1);
        if found.is_some() || state.left == 0 {
            self.watching.store(false, Ordering::Relaxed);
        }
        if let Some((framework, trouble)) = found {
            self.tell(framework, &trouble, around);
        } else if let (false, Some(framework)) = (met, state.known) {
            tracing::debug!("the service looks like {framework}, nothing to do so far");
        }
    }

    /// A form that came before it was known what the service compares its `Origin` with; the next one fits.
    fn is_over(&self, (framework, trouble): &(Framework, Trouble)) -> bool {
        *trouble == Trouble::Form && framework.believes_forwarded_host() && !self.service.believes_forwarded_host()
    }
}
