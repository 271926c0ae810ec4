//! What one message may weigh. Everything here can be filled by outsiders, so everything here is bounded.

/// Bytes of a whole message, body included: what one UDP datagram can carry. Streams get the same limit, so
/// that a message means the same on either transport.
pub const MAX_MESSAGE: usize = 65_535;

/// Bytes from the start line to the blank line. Real INVITEs stay under 4 KiB; the longest of RFC 4475 under 4 KiB too.
pub const MAX_HEAD: usize = 32 * 1024;

/// Bytes of one header with its folds. The longest seen in the field (`Identity`, `Authorization`) stay near 2 KiB.
pub const MAX_LINE: usize = 8 * 1024;

/// Header values in one message, after lists such as `Via` are split. RFC 4475's `longreq` has about 60.
pub const MAX_HEADERS: usize = 128;

/// Bytes of a Request-URI: longer is answered 414.
pub const MAX_URI: usize = 2 * 1024;

/// Parameters of one header or URI; keeps look-ups, which scan, cheap.
pub const MAX_PARAMS: usize = 64;
