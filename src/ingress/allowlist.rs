//! Who is in a list of ranges. Pure: the same answer for 10,000 ranges as for ten, by binary
//! search.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// A set of addresses. An IPv4 address written as IPv6 (`::ffff:192.0.2.1`) is the IPv4 address, in
/// a range and in a question.
#[derive(Clone, Debug, Default)]
pub struct Ranges {
    v4: Vec<(Ipv4Addr, Ipv4Addr)>,
    v6: Vec<(Ipv6Addr, Ipv6Addr)>,
}

impl Ranges {
    /// Sorts the ranges and joins those that overlap.
    #[must_use]
    pub fn new(ranges: &[IpNet]) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for range in ranges {
            match Ends::of(range) {
                Ends::V4(first, last) => v4.push((first, last)),
                Ends::V6(first, last) => v6.push((first, last)),
            }
        }
        Self { v4: joined(v4), v6: joined(v6) }
    }

    /// Whether the address is in one of the ranges.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => touches(&self.v4, address, address),
            IpAddr::V6(address) => touches(&self.v6, address, address),
        }
    }

    /// Whether any address of the range is in one of the ranges.
    #[must_use]
    pub fn touches(&self, range: &IpNet) -> bool {
        match Ends::of(range) {
            Ends::V4(first, last) => touches(&self.v4, first, last),
            Ends::V6(first, last) => touches(&self.v6, first, last),
        }
    }
}

/// The first and the last address of a range.
enum Ends {
    V4(Ipv4Addr, Ipv4Addr),
    V6(Ipv6Addr, Ipv6Addr),
}

impl Ends {
    /// Both ends of a range inside `::ffff:0:0/96` are IPv4; a wider one is a range of IPv6.
    fn of(range: &IpNet) -> Self {
        match range {
            IpNet::V4(net) => Self::V4(net.network(), net.broadcast()),
            IpNet::V6(net) => {
                let (first, last) = (net.network(), net.broadcast());
                match (first.to_ipv4_mapped(), last.to_ipv4_mapped()) {
                    (Some(first), Some(last)) => Self::V4(first, last),
                    _ => Self::V6(first, last),
                }
            }
        }
    }
}

fn joined<A: Ord + Copy>(mut ranges: Vec<(A, A)>) -> Vec<(A, A)> {
    ranges.sort_unstable();
    let mut joined: Vec<(A, A)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match joined.last_mut() {
            Some(previous) if first <= previous.1 => previous.1 = previous.1.max(last),
            _ => joined.push((first, last)),
        }
    }
    joined
}

/// The only range that can have any of these addresses is the last one that begins at or before their
/// end: those before it end earlier.
fn touches<A: Ord + Copy>(ranges: &[(A, A)], first: A, last: A) -> bool {
    let after = ranges.partition_point(|&(begin, _)| begin <= last);
    let before = after.checked_sub(1).and_then(|index| ranges.get(index));
    before.is_some_and(|&(_, end)| first <= end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranges(text: &str) -> Ranges {
        let nets: Vec<IpNet> = text.split(' ').map(|net| net.parse().unwrap()).collect();
        Ranges::new(&nets)
    }

    fn holds(ranges: &Ranges, address: &str) -> bool {
        ranges.contains(address.parse().unwrap())
    }

    #[test]
    fn ends_are_inside_and_their_neighbours_outside() {
        let ranges = ranges("192.0.2.64/26 198.51.100.7/32 2001:db8::/33");
        for (address, inside) in [
            ("192.0.2.63", false),
            ("192.0.2.64", true),
            ("192.0.2.127", true),
            ("192.0.2.128", false),
            ("198.51.100.6", false),
            ("198.51.100.7", true),
            ("198.51.100.8", false),
            ("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", false),
            ("2001:db8::", true),
            ("2001:db8:7fff:ffff:ffff:ffff:ffff:ffff", true),
            ("2001:db8:8000::", false),
        ] {
            assert_eq!(holds(&ranges, address), inside, "{address}");
        }
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        assert!(holds(&ranges("192.0.2.0/24"), "::ffff:192.0.2.9"));
        assert!(holds(&ranges("::ffff:192.0.2.0/120"), "192.0.2.9"));
        assert!(!holds(&ranges("::ffff:192.0.2.0/120"), "192.0.3.9"));
        assert!(!holds(&ranges("::/0"), "192.0.2.9"), "all of IPv6 is not IPv4");
        let wider = ranges("::8000:0:0/81");
        assert!(holds(&wider, "::8000:0:1"), "its end is IPv4, and it is not");
        assert!(!holds(&wider, "255.255.255.255"));
        assert!(!holds(&ranges("0.0.0.0/0"), "2001:db8::1"), "all of IPv4 is not IPv6");
    }

    #[test]
    fn an_empty_list_holds_nobody() {
        assert!(!holds(&Ranges::new(&[]), "127.0.0.1"));
    }

    #[test]
    fn overlaps_and_neighbours_are_joined_without_a_gap() {
        let ranges = ranges("10.0.0.0/8 10.1.0.0/16 10.0.0.0/30 11.0.0.0/8");
        assert_eq!(ranges.v4.len(), 2);
        assert!(holds(&ranges, "10.255.255.255"));
        assert!(holds(&ranges, "11.0.0.0"));
        assert!(!holds(&ranges, "12.0.0.0"));
    }

    proptest! {
        #[test]
        fn agrees_with_asking_each_range(
            nets in proptest::collection::vec((any::<u32>(), 0_u8..=32), 0..50),
            address in any::<u32>(),
        ) {
            let nets: Vec<IpNet> = nets
                .into_iter()
                .map(|(bits, prefix)| IpNet::new(Ipv4Addr::from_bits(bits).into(), prefix).unwrap())
                .collect();
            let address = IpAddr::V4(Ipv4Addr::from_bits(address));
            let expected = nets.iter().any(|net| net.contains(&address));
            prop_assert_eq!(Ranges::new(&nets).contains(address), expected);
        }
    }
}
