//! Locks are short: nothing under one waits, and no code under one can fail half-way.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex that is never held across a panic worth keeping.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
