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

    /// Whether every address of the range is in one and the same of them.
    fn holds(&self, range: &IpNet) -> bool {
        match Ends::of(range) {
            Ends::V4(first, last) => holds(&self.v4, first, last),
            Ends::V6(first, last) => holds(&self.v6, first, last),
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

/// Whom the second list lets in and the first did not, and whom it lets in no more. Only addresses make
/// a difference: how the lists write them does not count.
#[must_use]
pub fn difference(before: &[IpNet], now: &[IpNet]) -> (Vec<IpNet>, Vec<IpNet>) {
    (without(now, &Ranges::new(before)), without(before, &Ranges::new(now)))
}

/// What these ranges have and the others do not, in the fewest ranges and sorted.
fn without(ranges: &[IpNet], others: &Ranges) -> Vec<IpNet> {
    let mut left = Vec::new();
    for range in IpNet::aggregate(&ranges.to_vec()) {
        leave(range, others, &mut left);
    }
    left
}

fn leave(range: IpNet, others: &Ranges, left: &mut Vec<IpNet>) {
    if !others.touches(&range) {
        left.push(range);
    } else if !others.holds(&range) {
        let halves = range.subnets(range.prefix_len() + 1);
        halves.into_iter().flatten().for_each(|half| leave(half, others, left));
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

/// The only range that can have the first address, the last one that begins at or before it, has to have
/// the last address as well.
fn holds<A: Ord + Copy>(ranges: &[(A, A)], first: A, last: A) -> bool {
    let after = ranges.partition_point(|&(begin, _)| begin <= first);
    let before = after.checked_sub(1).and_then(|index| ranges.get(index));
    before.is_some_and(|&(_, end)| last <= end)
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

    fn nets(text: &str) -> Vec<IpNet> {
        text.split_whitespace().map(|net| net.parse().unwrap()).collect()
    }

    fn ranges(text: &str) -> Ranges {
        Ranges::new(&nets(text))
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

    #[test]
    fn only_addresses_make_a_difference() {
        for (before, now, added, removed) in [
            ("127.0.0.0/8", "127.128.0.0/9 127.0.0.0/9", "", ""),
            ("192.0.2.0/25 192.0.2.128/25", "192.0.2.0/24 192.0.2.7/32", "", ""),
            ("192.0.2.0/24", "192.0.2.0/25 2001:db8::/32", "2001:db8::/32", "192.0.2.128/25"),
            ("192.0.2.0/30 2001:db8::/127", "2001:db8::1/128", "", "192.0.2.0/30 2001:db8::/128"),
            ("192.0.2.9/32", "192.0.2.8/30", "192.0.2.8/32 192.0.2.10/31", ""),
            ("", "192.0.2.0/25 192.0.2.128/25", "192.0.2.0/24", ""),
        ] {
            let expected = (nets(added), nets(removed));
            assert_eq!(difference(&nets(before), &nets(now)), expected, "{before} to {now}");
        }
    }

    fn some_nets() -> impl Strategy<Value = Vec<IpNet>> {
        let net = (any::<u8>(), 24_u8..=32).prop_map(|(last, length)| {
            IpNet::new(Ipv4Addr::new(192, 0, 2, last).into(), length).unwrap().trunc()
        });
        proptest::collection::vec(net, 0..8)
    }

    proptest! {
        #[test]
        fn a_difference_has_every_address_that_makes_one(before in some_nets(), now in some_nets()) {
            let (added, removed) = difference(&before, &now);
            let [before, now, added, removed] = [before, now, added, removed].map(|nets| Ranges::new(&nets));
            for last in 0..=u8::MAX {
                let address = IpAddr::from([192, 0, 2, last]);
                let (was, is) = (before.contains(address), now.contains(address));
                prop_assert_eq!(added.contains(address), is && !was, "{}", address);
                prop_assert_eq!(removed.contains(address), was && !is, "{}", address);
            }
        }

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
