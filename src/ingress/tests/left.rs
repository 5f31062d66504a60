//! Senders that leave while what they have sent is being written: it is kept, so it counts until it
//! is written, and is told.

use super::*;

/// What may come of a request on the way to the disk, and the metric that tells of it.
const KEPT: [(&str, &str); 2] = [
    (EVENT, "postgate_events_accepted_total{route=\"in\",format=\"json\"}"),
    ("{", "postgate_events_quarantined_total{route=\"in\"}"),
];

/// What a sender of HTTP/2 takes with it.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    Stream,
    Connection,
}

/// A house whose disk takes its time.
fn slow() -> House {
    let mut plan = plan();
    plan.tls = TlsMode::SelfSigned;
    let house = House::build(plan);
    house.disk.hold();
    house
}

/// Stops while the write is still under way, lets it end, and says what was counted then.
async fn counted_at_the_end(house: House, name: &str) -> Option<String> {
    let left = house.front.arrivals.total();
    house.stop.cancel();
    house.disk.let_go();
    let (front, telemetry) = (Arc::clone(&house.front), Arc::clone(&house.telemetry));
    house.close().await;
    assert_eq!((left, front.arrivals.total()), (1, 0), "held until it is written");
    let text = telemetry.encode();
    text.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
}

#[tokio::test]
async fn what_is_written_counts_and_is_told_though_its_sender_has_left() {
    for leaving in [Leaving::Stream, Leaving::Connection] {
        for (body, name) in KEPT {
            let house = slow();
            let (mut client, mut connection) = house.h2().await;
            tokio::select! {
                _ = client.send_request(posted(body)) => panic!("answered too early"),
                _ = &mut connection => panic!("ended too early"),
                () = house.holds(|| house.front.arrivals.total() == 1) => {}
            }
            // The stream has gone with whoever waited for it.
            if matches!(leaving, Leaving::Connection) {
                (client, connection) = house.h2().await;
                let open = "postgate_connections_open";
                house.holds(|| house.metric(open).as_deref() == Some("1")).await;
            }
            house.served.spawn(async { connection.await.unwrap_or_default() });
            for _ in 0..2 {
                let nowhere = http::Request::get("https://localhost/").body(Full::default());
                let found = within("an answer", client.send_request(nowhere.unwrap())).await;
                assert_eq!(found.unwrap().status(), StatusCode::NOT_FOUND);
            }
            drop(client);
            let counted = counted_at_the_end(house, name).await;
            assert_eq!(counted.as_deref(), Some("1"), "{leaving:?} {body}");
        }
    }
}
