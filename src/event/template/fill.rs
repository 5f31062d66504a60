//! A template as impact.com sends it: with values in the places of its macros, textually.

use super::super::Kind;
use super::Template;
use super::macros::{self, Spelling};
use super::text::Slot;

/// A macro of a template that is to be filled.
#[derive(Clone, Copy, Debug)]
pub struct Macro<'t> {
    /// Without braces: `Payout`, `ItemSku1`.
    pub name: &'t str,
    /// The canonical field, in a row for a numbered item: `payout`, `sku`. A `custom` route has none.
    pub field: Option<&'static str>,
}

impl Template {
    /// The text that is sent, each macro replaced by its value as it stands; of a URL, the query.
    ///
    /// What impact.com does not know, as a macro in the wrong case, it sends as it is.
    pub fn fill(&self, mut value: impl FnMut(Macro<'_>) -> String) -> String {
        self.filled_by(|slot| {
            let is_known = slot.spelling == Spelling::Right || self.kind == Kind::Custom;
            (is_known && !slot.is_broken()).then(|| {
                let target = slot.target.as_ref();
                let field = target.and_then(|target| macros::field(self.kind, target));
                value(Macro { name: &slot.name, field })
            })
        })
    }

    /// The text that is sent. `None`: the macro stays.
    pub(super) fn filled_by(&self, mut value: impl FnMut(&Slot) -> Option<String>) -> String {
        let mut text = String::with_capacity(self.source.len());
        let mut from = self.sent.start;
        for slot in &self.slots {
            let Some(value) = value(slot) else { continue };
            text.push_str(self.source.get(from..slot.offset).unwrap_or_default());
            text.push_str(&value);
            from = slot.offset + slot.own.len();
        }
        text.push_str(self.source.get(from..self.sent.end).unwrap_or_default());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(source: &str) -> String {
        let template = Template::parse(source, Kind::Action, None).expect("it has macros");
        template.fill(|one| format!("<{}:{}>", one.name, one.field.unwrap_or_default()))
    }

    #[test]
    fn macros_that_impact_com_knows_are_replaced() {
        assert_eq!(
            filled(r#"{"a":{Payout},"b":"{Oid}/{ItemSubTotal2}","c":1}"#),
            r#"{"a":<Payout:payout>,"b":"<Oid:order_id>/<ItemSubTotal2:amount>","c":1}"#
        );
        assert_eq!(filled("https://h/{AdId}?a={AdId}\n"), "a=<AdId:ad_id>");
    }

    #[test]
    fn what_is_no_macro_to_impact_com_stays() {
        assert_eq!(
            filled("a={subid1}&b={Sub Id1}&c={Oid}"),
            "a={subid1}&b={Sub Id1}&c=<Oid:order_id>"
        );
    }
}
