//! What admission costs by the number of ranges: `cargo bench --bench allowlist`. Prints the
//! nanoseconds of one decision, the best of several rounds, for addresses inside and outside.

#![expect(clippy::print_stdout, reason = "a measurement prints its result")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use postgate::clock;
use postgate::ingress::{AllowlistSettings, Gate};
use postgate::net::Origin;

const ROUNDS: u32 = 20;
const DECISIONS: usize = 100_000;

fn main() {
    println!("{:>8}  {:>12}  {:>13}", "ranges", "inside, ns", "outside, ns");
    for count in [1_u32, 10, 100, 1_000, 10_000, 100_000] {
        // Every second /28 of the space, so that none can be joined with its neighbour.
        let starts: Vec<u32> = (0..count).map(|index| 0x1400_0000 + index * 32).collect();
        let range = |start: &u32| {
            let address = IpAddr::V4(Ipv4Addr::from_bits(*start));
            IpNet::new(address, 28).unwrap_or_else(|_| IpNet::from(address))
        };
        let gate = Gate::new(&AllowlistSettings {
            ranges: starts.iter().map(range).collect(),
            trusted_proxies: Vec::new(),
            allow_any: false,
            proxy_protocol: false,
        });
        let mut seed = fastrand::Rng::with_seed(1);
        let mut asked = |offset: u32| -> Vec<Origin> {
            let origin = |_| {
                let start = starts.get(seed.usize(..starts.len())).copied().unwrap_or_default();
                Origin::direct(IpAddr::V4(Ipv4Addr::from_bits(start + offset)))
            };
            (0..DECISIONS).map(origin).collect()
        };
        let (inside, outside) = (asked(7), asked(20));
        println!("{count:>8}  {:>12.1}  {:>13.1}", best(&gate, &inside), best(&gate, &outside));
    }
}

/// Nanoseconds of one decision, in the round that was disturbed least.
fn best(gate: &Gate, origins: &[Origin]) -> f64 {
    let round = || {
        let began = clock::instant();
        for origin in origins {
            black_box(gate.admit(black_box(origin), ()));
        }
        began.elapsed()
    };
    let best = (0..ROUNDS).map(|_| round()).min().unwrap_or_default();
    best.as_secs_f64() * 1e9 / f64::from(u32::try_from(origins.len()).unwrap_or(u32::MAX))
}
