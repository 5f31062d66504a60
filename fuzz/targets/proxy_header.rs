//! PROXY headers: what we accept, another reader accepts and reads as the same client of the same
//! length; a verdict does not change when more bytes come.

#![no_main]

use libfuzzer_sys::fuzz_target;
use postgate::net::{Announced, Header, parse_proxy_header};
use ppp::{HeaderResult, v1, v2};

fuzz_target!(|data: &[u8]| {
    let verdict = parse_proxy_header(data);
    for end in 0..data.len().min(200) {
        match parse_proxy_header(&data[..end]) {
            Ok(None) => {}
            early => assert_eq!(early, verdict, "it was another one after {end} bytes"),
        }
    }
    match verdict {
        // What stands in such a header is to be ignored; the other reader wants it to be good.
        Ok(Some(Header { announced: Announced::Itself, bytes })) => assert!(bytes <= data.len()),
        Ok(Some(Header { announced, bytes })) => assert_eq!(announced, read(&data[..bytes])),
        Ok(None) | Err(_) => {}
    }
});

/// What the other reader finds in a header, which it must accept from its start to its end.
fn read(header: &[u8]) -> Announced {
    let address = match HeaderResult::parse(header) {
        HeaderResult::V1(read) => match read.expect("a good line").addresses {
            v1::Addresses::Tcp4(addresses) => addresses.source_address.into(),
            v1::Addresses::Tcp6(addresses) => addresses.source_address.into(),
            v1::Addresses::Unknown => panic!("it has no address"),
        },
        HeaderResult::V2(read) => {
            let read = read.expect("a good header");
            assert_eq!(read.len(), header.len());
            assert_eq!(read.command, v2::Command::Proxy);
            match read.addresses {
                v2::Addresses::IPv4(addresses) => addresses.source_address.into(),
                v2::Addresses::IPv6(addresses) => addresses.source_address.into(),
                other => panic!("{other:?} has no address"),
            }
        }
    };
    Announced::Client(std::net::IpAddr::to_canonical(&address))
}
