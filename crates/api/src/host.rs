//! Other hosts of a system, such as a queue service beside the shop.

/// A host besides the target itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name in the mapping.
    pub name: String,
    /// Where it is.
    pub at: HostPlace,
}

/// Where another host of a system is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPlace {
    /// Another port of the target's host.
    Port(u16),
    /// A URL of its own.
    Url(String),
}

impl HostPlace {
    /// Reads `:PORT` or a URL without a path; `None` if it is neither.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(digits) = text.strip_prefix(':') {
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            let port = is_number.then(|| digits.parse().ok()).flatten()?;
            return (port > 0).then_some(Self::Port(port));
        }
        let rest = text.strip_prefix("http://");
        let rest = rest.or_else(|| text.strip_prefix("https://"))?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let is_authority = !authority.is_empty() && !authority.contains(['/', '?', '#', '@', ' ']);
        is_authority.then(|| Self::Url(text.to_owned()))
    }

    /// Returns the URL, given the protocol and the host of the target.
    pub fn url(&self, scheme: &str, host: &str) -> String {
        match self {
            Self::Port(port) => format!("{scheme}://{host}:{port}"),
            Self::Url(url) => url.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_host_is_a_port_or_a_url() {
        let url = |text: &str| HostPlace::parse(text).map(|place| place.url("https", "a.example"));
        assert_eq!(url(":9000").as_deref(), Some("https://a.example:9000"));
        assert_eq!(url("http://q:81/").as_deref(), Some("http://q:81/"));
        for wrong in [
            ":0",
            ":+1",
            ":x",
            "9000",
            "q.example",
            "ftp://q",
            "http://",
            "http://q/a",
            "http://u@q",
        ] {
            assert_eq!(url(wrong), None, "{wrong}");
        }
    }
}
