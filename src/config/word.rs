//! Words with a fixed choice, and the nearest one to a slip of the pen.

use super::key::Key;
use super::report::Report;

/// The meaning of `text` among `choices`; a problem with the nearest one when it has none.
pub(super) fn word<T: Clone>(
    report: &mut Report,
    key: &Key,
    text: &str,
    choices: &[(&str, T)],
) -> Option<T> {
    if let Some((_, meaning)) = choices.iter().find(|(word, _)| *word == text) {
        return Some(meaning.clone());
    }
    let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    let what =
        if text.is_empty() { "is missing".to_owned() } else { format!("{text:?} is not known") };
    let mend = match nearest(text, words.iter().copied()) {
        Some(near) => format!("did you mean {near:?}? The choice is {}", words.join(", ")),
        None => format!("write one of {}", words.join(", ")),
    };
    report.problem(key, what, mend);
    None
}

/// The known word that `typed` was probably meant to be.
pub(super) fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_ascii_lowercase();
    known
        .map(|word| {
            let distance = strsim::damerau_levenshtein(&typed, &word.to_ascii_lowercase());
            (distance, word)
        })
        // Beyond a third of the letters it is another word, not a slip.
        .filter(|(distance, word)| *distance <= (word.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_slip_and_not_another_word() {
        let known = ["address", "proxy_protocol"];
        assert_eq!(nearest("adress", known.into_iter()), Some("address"));
        assert_eq!(nearest("Address", known.into_iter()), Some("address"));
        assert_eq!(nearest("proxy-protocol", known.into_iter()), Some("proxy_protocol"));
        assert_eq!(nearest("timeout", known.into_iter()), None);
    }
}
