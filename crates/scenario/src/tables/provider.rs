//! The payment provider, and how the application calls it.

use super::buyers::Distributions;
use super::limits;
use crate::keys::kind::{Length, Shares, Whole};
use crate::keys::{Keys, key};
use crate::plan::Provider;

pub(super) fn provider(keys: &mut Keys<'_, '_, Provider>) -> Option<Provider> {
    let latency = keys.value(
        key("latency", "How long the provider takes to answer."),
        Distributions,
        |provider| provider.latency,
    );
    let declined = keys.value(
        key("declined", "Share of payments that the provider declines."),
        Shares::Any,
        |provider| provider.declined,
    );
    let errors = keys.value(
        key(
            "errors",
            "Share of calls that fail without an effect; the next attempt may succeed.",
        ),
        Shares::Any,
        |provider| provider.errors,
    );
    let timeout = keys.value(
        key(
            "timeout",
            "How long the application waits for one answer of the provider or of S3.",
        ),
        Length(limits::TIMEOUT),
        |provider| provider.timeout,
    );
    let attempts = keys.value(
        key(
            "attempts",
            "How often the application calls for one payment, always with the same idempotency key.",
        ),
        Whole(limits::ATTEMPTS),
        |provider| provider.attempts,
    );
    Some(Provider {
        latency: latency?,
        declined: declined?,
        errors: errors?,
        timeout: timeout?,
        attempts: attempts?,
    })
}
