//! Levels in a JSON document, such as the response of an administrator's call.

use http::StatusCode;
use serde_json::Value;

use tiketi_api::mask;

/// Reads a response.
///
/// # Errors
///
/// Why it has no levels, as a sentence fragment.
pub(super) fn document(status: StatusCode, body: &[u8]) -> Result<Value, String> {
    if !status.is_success() {
        let words = mask::body(body, &[]);
        return Err(format!("HTTP status {}: {words}", status.as_u16()));
    }
    serde_json::from_slice(body).map_err(|error| format!("the response is not JSON: {error}"))
}

/// Returns the number that a JSON pointer leads to. A list counts its elements.
///
/// # Errors
///
/// Why there is none, as a sentence fragment.
pub(super) fn value(document: &Value, pointer: &str) -> Result<f64, String> {
    match document.pointer(pointer) {
        None => Err(format!("the response has no `{pointer}`")),
        Some(Value::Array(elements)) => {
            let count = u32::try_from(elements.len());
            count.map_or(Err("the list is too long".to_owned()), |count| {
                Ok(count.into())
            })
        }
        Some(Value::Number(number)) => {
            let number = number.as_f64();
            number.ok_or_else(|| format!("`{pointer}` is too large a number"))
        }
        Some(Value::String(text)) => {
            let number = text.parse::<f64>();
            number.map_err(|_| format!("`{pointer}` is {}", mask::body(text.as_bytes(), &[])))
        }
        Some(Value::Null) => Err(format!("`{pointer}` is null")),
        Some(Value::Bool(_) | Value::Object(_)) => Err(format!("`{pointer}` is no number")),
    }
}
