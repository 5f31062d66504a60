//! Values as impact.com sends them, in the shapes that it documents (`docs/fields.md`): of one event of
//! a run, by the name of a field. The same seed, event and name give the same value.

use fastrand::Rng;

use crate::event::Kind;

/// What values are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Taste {
    /// As they mostly are.
    Usual,
    /// With everything in them that breaks a careless template.
    Nasty,
}

/// A value in the place of a macro.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Value {
    Text(String),
    /// The macro was not substituted, and arrives as it is written.
    Macro,
}

/// The values of one event.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Values {
    pub(in crate::cli) kind: Kind,
    pub(in crate::cli) taste: Taste,
    pub(in crate::cli) seed: u64,
    /// The number of the event in its run: no two have the same ids.
    pub(in crate::cli) event: u32,
}

/// What breaks a template's JSON, XML or query when it is put there as it stands; each is what it is
/// after any careful codec.
pub(in crate::cli) const HARD: &[&str] = &[
    "Bob's \"Best\" Shoes & Socks",
    "a < b && c > d",
    "first line\nsecond line",
    "größer, 靴, 🎉",
    "50 % off; 100%",
    "x=1&y=2",
    "https://shop.example/p?id=7&ref=b#top",
    "]]> <b>",
    "C:\\data\\quoted \"x\"",
    "{\"a\": 1}",
    " between spaces ",
];

/// Nothing that has to be escaped anywhere: a usual value harms no template.
const BRANDS: &[&str] = &["Acme", "North Coast Shoes", "Bergfreunde", "Vélo Élan", "靴屋"];
const CURRENCIES: &[&str] = &["USD", "EUR", "GBP", "SEK", "JPY"];

/// The words of the fields that know only some, in the letter case of the documentation.
const WORDS: &[(&str, &[&str])] = &[
    ("status", &["PENDING", "APPROVED", "REVERSED"]),
    ("status_detail", &["", "OPEN", "PAYMENT_PENDING"]),
    ("locked_status", &["OPEN", "LOCKED", "CLEARED"]),
    ("action_type", &["SALE", "LEAD"]),
    ("referring_type", &["CLICK_COOKIE", "CLICK_ID"]),
    ("currency", CURRENCIES),
    ("original_currency", CURRENCIES),
    ("customer_status", &["NEW", "EXISTING"]),
    ("customer_country", &["US", "DE", "SE"]),
    ("inquiry_type", &["UNTRACKED", "INCORRECT", "DECLINED"]),
    ("resolution_status", &["UNRESOLVED", "VALID", "DECLINED", "INCOMPLETE"]),
    (
        "stock_availability",
        &["InStock", "OutOfStock", "BackOrder", "PreOrder", "LimitedAvailability"],
    ),
    ("promo_code", &["", "SAVE10", "WELCOME"]),
    ("note", &["", "gift", "size 42"]),
];

impl Values {
    /// The value of the macro or key `name`, which holds `field`. Items that are numbered have names
    /// of their own, and so values.
    pub(in crate::cli) fn named(&self, name: &str, field: &str) -> Value {
        let mut rng = self.rng(name);
        if self.taste == Taste::Usual || self.kind.default_key() == Some(field) {
            return Value::Text(self.usual(field, &mut rng));
        }
        match rng.u8(..100) {
            0..10 => Value::Macro,
            10..20 => Value::Text(String::new()),
            20..80 if is_text(field) => {
                Value::Text(rng.choice(HARD).copied().unwrap_or_default().to_owned())
            }
            _ => Value::Text(self.usual(field, &mut rng)),
        }
    }

    fn usual(&self, field: &str, rng: &mut Rng) -> String {
        if self.kind.default_key() == Some(field) || field == "action_id" {
            // Those of actions are dotted.
            return format!("1000.{}", self.number());
        }
        if let Some((_, words)) = WORDS.iter().find(|(known, _)| *known == field)
            && self.kind != Kind::Job
        {
            return rng.choice(*words).copied().unwrap_or_default().to_owned();
        }
        match field {
            "status" => "COMPLETED".to_owned(),
            "quantity" => rng.u8(1..=5).to_string(),
            "discount_percentage" => rng.u8(5..=60).to_string(),
            "ip_address" => format!("203.0.113.{}", rng.u8(1..=254)),
            "sku" => format!("APP-{:04}", rng.u16(..10_000)),
            "delta_payout" | "delta_amount" => {
                format!("{}{}", rng.choice(["", "-"]).unwrap_or_default(), money(rng))
            }
            _ if is_money(field) => money(rng),
            _ if field.ends_with("_date") => moment(rng),
            _ if is_address(field) => {
                format!("https://shop.example/p/{}?ref=mail", rng.u32(1..=99_999))
            }
            _ if field.ends_with("domain") => "news.example".to_owned(),
            _ if field.ends_with("name") => {
                rng.choice(BRANDS).copied().unwrap_or_default().to_owned()
            }
            _ => rng.u32(1000..=9_999_999).to_string(),
        }
    }

    /// No two events of a run have the same, and hardly two of different seeds.
    pub(in crate::cli) fn number(&self) -> String {
        let run = Rng::with_seed(self.seed).u32(1000..10_000_000);
        format!("{run}.{}", u64::from(self.event) + 1)
    }

    /// Of this event and name alone, so that it does not matter which are asked for.
    fn rng(&self, name: &str) -> Rng {
        // FNV-1a: the same everywhere, which the standard library's hashers do not promise.
        let bytes = self.seed.to_le_bytes().into_iter().chain(self.event.to_le_bytes());
        let hash = bytes.chain(name.bytes()).fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Rng::with_seed(hash)
    }
}

/// Whether any text can stand there.
fn is_text(field: &str) -> bool {
    let has_words = WORDS.iter().any(|(known, _)| *known == field && !matches!(field, "note"));
    !(has_words
        || is_money(field)
        || field.ends_with("_date")
        || matches!(field, "quantity" | "discount_percentage" | "ip_address"))
}

fn is_money(field: &str) -> bool {
    ["payout", "amount", "price", "rebate"].iter().any(|word| field.ends_with(word))
}

fn is_address(field: &str) -> bool {
    field.ends_with("url") || field.ends_with("link") || field.ends_with("uri")
}

fn money(rng: &mut Rng) -> String {
    format!("{}.{:02}", rng.u16(..1000), rng.u8(..100))
}

fn moment(rng: &mut Rng) -> String {
    let (month, day) = (rng.u8(1..=12), rng.u8(1..=28));
    let (hour, minute, second) = (rng.u8(..24), rng.u8(..60), rng.u8(..60));
    let offset = rng.choice(["-07:00", "+02:00", "Z"]).unwrap_or_default();
    format!("2026-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{offset}")
}
