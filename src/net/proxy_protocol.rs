//! The PROXY protocol: what a load balancer says, before the first byte of a connection, of whose it
//! is. After sections 2.1 and 2.2 of the document "The PROXY protocol, Versions 1 & 2".
//!
//! The header decides who comes in, so it is read to the letter: whatever the document does not
//! allow is refused, and a client without an IP address is refused as well, because no list can
//! hold it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Version 1 in all, its line break included (section 2.1: "the worst case").
const MOST_TEXT: usize = 107;
/// Version 2 in all. The addresses take 52 bytes; the rest is for what cloud balancers and TLS add
/// (a few hundred bytes), and the protocol itself would allow 64 KiB.
const MOST_BINARY: usize = 4096;
const TEXT: &[u8] = b"PROXY ";
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// What a header says of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// The connection is forwarded for this address, IPv4 in its own form.
    Client(IpAddr),
    /// The balancer connects for its own sake, to see whether we are there.
    Itself,
}

/// A whole header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it says.
    pub announced: Announced,
    /// How long it is.
    pub bytes: usize,
}

/// Why a connection has no usable header.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// `limits.handshake_time` has passed.
    #[error("the PROXY header took too long")]
    TooSlow,
    /// It ended within its header.
    #[error("the connection ended before its PROXY header")]
    Ended(#[source] io::Error),
    /// What came is no header that can be relied on.
    #[error("the PROXY header is refused")]
    Malformed(#[from] Malformed),
}

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The first bytes are of something else.
    #[error("there is none; does the balancer send it?")]
    Missing,
    /// Longer than its version allows, or than we take.
    #[error("it is too long")]
    TooLong,
    /// Version 1, and not one line of its words.
    #[error("its line cannot be read")]
    Line,
    /// Version 2 with another version or command in it.
    #[error("its version or command is unknown")]
    Command,
    /// An unknown family, or datagrams.
    #[error("its transport is not TCP")]
    Transport,
    /// The client came by a local socket, or by something unknown.
    #[error("its client has no IP address")]
    NoAddress,
    /// The length does not fit what stands within it.
    #[error("its length is wrong")]
    Length,
}

/// Reads the header off `io` until `deadline`, and not a byte more.
pub(super) async fn read(io: &mut TcpStream, deadline: Instant) -> Result<Announced, HeaderError> {
    let read = tokio::time::timeout_at(deadline, read_whole(io)).await;
    read.unwrap_or(Err(HeaderError::TooSlow))
}

/// Looks at what has come, and then takes it away as far as it belongs to the header: what follows
/// is for TLS.
async fn read_whole(io: &mut TcpStream) -> Result<Announced, HeaderError> {
    let mut bytes = vec![0; MOST_BINARY];
    let mut taken = 0;
    loop {
        let seen = io.peek(bytes.get_mut(taken..).unwrap_or_default()).await;
        let seen = taken + seen.map_err(HeaderError::Ended)?;
        if seen == taken {
            return Err(HeaderError::Ended(io::ErrorKind::UnexpectedEof.into()));
        }
        let header = parse(bytes.get(..seen).unwrap_or_default())?;
        let end = header.map_or(seen, |header| header.bytes);
        let rest = bytes.get_mut(taken..end).unwrap_or_default();
        io.read_exact(rest).await.map_err(HeaderError::Ended)?;
        if let Some(header) = header {
            return Ok(header.announced);
        }
        taken = end;
    }
}

/// The header that `bytes` begins with; `None`: it has not come to its end.
///
/// # Errors
/// When no further byte could make it a good one.
pub fn parse(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    if bytes.starts_with(BINARY) {
        binary(bytes)
    } else if bytes.starts_with(TEXT) {
        text(bytes)
    } else if BINARY.starts_with(bytes) || TEXT.starts_with(bytes) {
        Ok(None)
    } else {
        Err(Malformed::Missing)
    }
}

/// `PROXY TCP4 192.0.2.7 198.51.100.1 56324 443`, and a line break.
fn text(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let line = bytes.get(..MOST_TEXT).unwrap_or(bytes);
    let Some(end) = memchr::memchr(b'\n', line) else {
        return if line.len() < MOST_TEXT { Ok(None) } else { Err(Malformed::TooLong) };
    };
    let line = line.get(TEXT.len()..end).and_then(|line| line.strip_suffix(b"\r"));
    let line = line.and_then(|line| std::str::from_utf8(line).ok()).ok_or(Malformed::Line)?;
    let announced = match line.split_once(' ').unwrap_or((line, "")) {
        ("TCP4", rest) => Announced::Client(source::<Ipv4Addr>(rest)?.into()),
        ("TCP6", rest) => Announced::Client(source::<Ipv6Addr>(rest)?.to_canonical()),
        // What stands behind it is to be ignored. HAProxy checks with it whether we are there.
        ("UNKNOWN", _) => Announced::Itself,
        _ => return Err(Malformed::Line),
    };
    Ok(Some(Header { announced, bytes: end + 1 }))
}

/// The first of two addresses and two ports, all of them good.
fn source<A: FromStr>(words: &str) -> Result<A, Malformed> {
    let mut words = words.split(' ');
    let mut next = || words.next().ok_or(Malformed::Line);
    let (source, destination, ports) = (next()?, next()?, [next()?, next()?]);
    let address = |word: &str| word.parse::<A>().map_err(|_| Malformed::Line);
    address(destination)?;
    if words.next().is_some() || !ports.iter().all(|port| is_port(port)) {
        return Err(Malformed::Line);
    }
    address(source)
}

/// Decimal, without a sign and without leading zeros.
fn is_port(word: &str) -> bool {
    word.parse::<u16>().is_ok_and(|port| port.to_string() == word)
}

/// The signature, version and command, family and transport, the length of the rest; then the
/// addresses, and type-length-value fields that we have no use for.
fn binary(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let Some((head, rest)) = bytes.split_first_chunk::<16>() else {
        return Ok(None);
    };
    let [.., command, transport, high, low] = *head;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let end = head.len() + length;
    if !matches!(command, 0x20 | 0x21) {
        return Err(Malformed::Command);
    }
    if end > MOST_BINARY {
        return Err(Malformed::TooLong);
    }
    let Some(block) = rest.get(..length) else {
        return Ok(None);
    };
    let announced = if command == 0x20 {
        // LOCAL: whatever the block says is to be ignored.
        Announced::Itself
    } else {
        Announced::Client(binary_source(transport, block)?)
    };
    Ok(Some(Header { announced, bytes: end }))
}

fn binary_source(transport: u8, block: &[u8]) -> Result<IpAddr, Malformed> {
    const LENGTH: Malformed = Malformed::Length;
    let (source, fields) = match transport {
        0x11 => {
            let (addresses, fields) = block.split_first_chunk::<12>().ok_or(LENGTH)?;
            let source = addresses.first_chunk::<4>().ok_or(LENGTH)?;
            (IpAddr::from(*source), fields)
        }
        0x21 => {
            let (addresses, fields) = block.split_first_chunk::<36>().ok_or(LENGTH)?;
            let source = addresses.first_chunk::<16>().ok_or(LENGTH)?;
            (IpAddr::from(*source).to_canonical(), fields)
        }
        0x00..=0x02 | 0x30..=0x32 => return Err(Malformed::NoAddress),
        _ => return Err(Malformed::Transport),
    };
    skip(fields)?;
    Ok(source)
}

/// Fields of type, length and value, up to the very end.
fn skip(mut fields: &[u8]) -> Result<(), Malformed> {
    while let [_, rest @ ..] = fields {
        let (length, rest) = rest.split_first_chunk::<2>().ok_or(Malformed::Length)?;
        let length = usize::from(u16::from_be_bytes(*length));
        fields = rest.get(length..).ok_or(Malformed::Length)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
