//! Bytes of calls out of the VPC. The model counts all of them; the testbed counts the bytes of its requests and responses,
//! and adds the handshake, because it speaks without TLS.

/// Bytes in both directions, as the instance sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// From the instance.
    pub out: u64,
    /// To the instance.
    pub back: u64,
}

/// The TLS handshake of a new connection, with a chain of two certificates (assumption). Each call opens a connection.
pub const HANDSHAKE: Exchange = Exchange {
    out: 2_100,
    back: 3_300,
};

/// A call of the payment provider with its response (assumption).
pub const PROVIDER_CALL: Exchange = Exchange {
    out: 400,
    back: 200,
};

/// What an upload to S3 has besides the object (assumption).
pub const UPLOAD: Exchange = Exchange {
    out: 500,
    back: 300,
};

impl Exchange {
    /// Returns the sum of two.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            out: self.out + other.out,
            back: self.back + other.back,
        }
    }

    /// Returns the bytes of both directions.
    pub const fn total(self) -> u64 {
        self.out + self.back
    }
}

/// Returns the bytes of a call of the payment provider.
pub const fn provider_call() -> Exchange {
    HANDSHAKE.and(PROVIDER_CALL)
}

/// Returns the bytes of an upload of an object of this size to S3.
pub const fn upload(object_bytes: u64) -> Exchange {
    HANDSHAKE.and(UPLOAD).and(Exchange {
        out: object_bytes,
        back: 0,
    })
}
