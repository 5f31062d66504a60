//! Pasted text: no range is printed that nobody should let in, and a list that was printed is read
//! back as it is.

#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use postgate::cli::fuzzing::ranges;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let (found, _refused) = ranges(&text);
    for range in &found {
        assert_eq!(range.trunc(), *range, "it is written as it is meant");
        let least = if range.addr().is_ipv4() { 8 } else { 16 };
        assert!(range.prefix_len() >= least, "{range} is absurdly wide");
        for end in [range.network(), range.broadcast()] {
            assert!(is_public(end), "{range} holds {end}");
        }
    }
    let printed: String = found.iter().map(|range| format!("{range}\n")).collect();
    assert_eq!(ranges(&printed), (found, 0), "read back from\n{printed}");
});

/// By the rules of the standard library, which are not ours.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let is_local = v4.is_private() || v4.is_loopback() || v4.is_link_local();
            let is_special = v4.is_multicast() || v4.is_unspecified() || v4.is_broadcast();
            !is_local && !is_special
        }
        IpAddr::V6(v6) => {
            let is_local = v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local();
            let is_special = v6.is_multicast() || v6.is_unspecified();
            !is_local && !is_special && v6.to_ipv4_mapped().is_none()
        }
    }
}
