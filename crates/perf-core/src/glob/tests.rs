//! Examples, limits, and a recursive model that the compiled form must agree with.

use super::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn matches(pattern: &str, key: &str) -> bool {
    Glob::new(pattern).unwrap().matches(key)
}

fn problem(pattern: &str) -> String {
    Glob::new(pattern).unwrap_err().to_string()
}

#[test]
fn literals_match_themselves_only() {
    assert!(matches("user:1", "user:1"));
    assert!(!matches("user:1", "user:12"));
    assert!(!matches("user:1", "user:"));
    assert!(matches("", ""));
    assert!(!matches("", "a"));
}

#[test]
fn a_star_takes_any_text_and_a_question_mark_one_character() {
    assert!(matches("*", ""));
    assert!(matches("a*c", "ac") && matches("a*c", "a/b:c"));
    assert!(!matches("a*c", "acb"));
    assert!(matches("a?c", "aéc") && !matches("a?c", "ac"));
    assert!(matches("*ab*ab", "xabyab") && !matches("*ab*ab", "xab"));
    assert!(matches("**?**", "x") && !matches("**?**", ""));
}

#[test]
fn sets_take_ranges_escapes_and_their_opposite() {
    assert!(matches("[a-cx]", "b") && matches("[a-cx]", "x") && !matches("[a-cx]", "d"));
    assert!(matches("[!a-c]", "d") && !matches("[!a-c]", "a") && !matches("[!a]", ""));
    assert!(matches(r"[\]\-\\]", "]") && matches(r"[\]\-\\]", "-") && matches(r"[\]\-\\]", "\\"));
    assert!(matches("[-a]", "-") && matches("[a-]", "-") && !matches("[a-]", "b"));
    assert!(matches("[,{}*?]", ",") && matches("[,{}*?]", "*"));
    assert!(matches("[à-ü]", "é"));
}

#[test]
fn braces_offer_a_choice_and_nest() {
    assert!(matches("{a,b{c,d}*,}x", "ax") && matches("{a,b{c,d}*,}x", "bdzzx"));
    assert!(matches("{a,b{c,d}*,}x", "x") && !matches("{a,b{c,d}*,}x", "bx"));
    assert!(matches("a,b", "a,b") && matches(r"{a\,b,c}", "a,b"));
    assert!(matches("{}", ""));
}

#[test]
fn a_backslash_takes_the_meaning_away() {
    assert!(matches(r"\*\?\[\]\{\}\\", r"*?[]{}\"));
    assert!(!matches(r"\*", "x"));
}

#[test]
fn the_prefix_is_as_long_as_the_pattern_tells() {
    let prefix = |pattern: &str| Glob::new(pattern).unwrap().literal_prefix().to_owned();
    assert_eq!(prefix("user:*"), "user:");
    assert_eq!(prefix("plain"), "plain");
    assert_eq!(prefix("*x"), "");
    assert_eq!(prefix("a{bc,bd*}"), "ab");
    assert_eq!(prefix(r"a\*b?"), "a*b");
    assert_eq!(prefix("{é,è}"), "");
}

#[test]
fn errors_name_the_byte_and_the_remedy() {
    assert_eq!(problem("é[a"), "`é[a`: `[` without `]`, write `\\[` for the character at byte 2");
    assert!(problem("x{a,b").ends_with("`{` without `}`, write `\\{` for the character at byte 1"));
    assert!(problem("ab}").ends_with("at byte 2") && problem("ab]").ends_with("at byte 2"));
    assert!(problem("[]").contains("empty set") && problem("[!]").contains("empty set"));
    assert!(problem("a[z-a]").contains("reversed, swap them at byte 2"));
    assert!(problem("ab\\").contains("nothing after it"));
    assert_eq!(Glob::new("a[z-a]").unwrap_err().position(), 2);
}

#[test]
fn size_depth_and_expansion_are_bounded() {
    assert!(Glob::new(&"a".repeat(1024)).is_ok());
    assert!(problem(&"a".repeat(1025)).contains("longer than 1024 bytes"));
    assert!(Glob::new(&format!("{}a{}", "{".repeat(8), "}".repeat(8))).is_ok());
    assert!(problem(&format!("{}a{}", "{".repeat(9), "}".repeat(9))).contains("8 deep"));
    assert!(problem(&"{a,b}".repeat(20)).contains("split the pattern at byte 40"));
    assert!(problem(&"{,}".repeat(20)).contains("split the pattern"));
    assert!(problem(&format!("{}{}", "{a,b}".repeat(8), "c".repeat(100))).contains("split"));
}

#[test]
fn adversarial_patterns_stay_cheap() {
    // A matcher that returns to every star would take 2^40 steps and never end.
    let pattern = format!("{}b", "a*".repeat(40));
    let key = "a".repeat(2_000);
    assert!(!matches(&pattern, &key));
    assert!(matches(&pattern, &(key + "b")));
}

/// What a pattern means, without compiling anything.
#[derive(Clone, Debug)]
enum Part {
    Star,
    Any,
    Text(char),
    Set(Vec<(char, char)>, bool),
    Choice(Vec<Vec<Part>>),
}

fn write(parts: &[Part]) -> String {
    parts.iter().fold(String::new(), |out, part| {
        out + &match part {
            Part::Star => "*".to_owned(),
            Part::Any => "?".to_owned(),
            Part::Text(c) if c.is_alphanumeric() => c.to_string(),
            Part::Text(c) => format!("\\{c}"),
            Part::Set(ranges, negated) => {
                let inside: String = ranges.iter().map(|(a, b)| format!("{a}-{b}")).collect();
                format!("[{}{inside}]", if *negated { "!" } else { "" })
            }
            Part::Choice(ways) => {
                let ways: Vec<String> = ways.iter().map(|way| write(way)).collect();
                format!("{{{}}}", ways.join(","))
            }
        }
    })
}

fn model(parts: &[Part], key: &[char]) -> bool {
    let Some((part, rest)) = parts.split_first() else { return key.is_empty() };
    let one = |takes: &dyn Fn(char) -> bool| {
        key.split_first().is_some_and(|(c, key)| takes(*c) && model(rest, key))
    };
    match part {
        Part::Star => (0..=key.len()).any(|n| model(rest, &key[n..])),
        Part::Any => one(&|_| true),
        Part::Text(own) => one(&|c| c == *own),
        Part::Set(ranges, not) => one(&|c| ranges.iter().any(|(a, b)| *a <= c && c <= *b) != *not),
        Part::Choice(ways) => ways.iter().any(|way| {
            let whole: Vec<Part> = way.iter().chain(rest).cloned().collect();
            model(&whole, key)
        }),
    }
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let letter = || prop::sample::select(vec!['a', 'b', 'é', '*', ',', '}']);
    let range = (letter(), letter()).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let leaf = prop_oneof![
        3 => Just(Part::Star),
        1 => Just(Part::Any),
        4 => letter().prop_map(Part::Text),
        1 => (prop::collection::vec(range, 1..3), any::<bool>()).prop_map(|(r, n)| Part::Set(r, n)),
    ];
    let part = leaf.prop_recursive(2, 12, 3, |inner| {
        let way = prop::collection::vec(inner, 0..3);
        prop::collection::vec(way, 1..4).prop_map(Part::Choice)
    });
    prop::collection::vec(part, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn matching_agrees_with_the_model(parts in parts(), key in "[abé*,}]{0,8}") {
        let glob = Glob::new(&write(&parts));
        prop_assume!(glob.is_ok()); // A few are too large once their braces are written out.
        let glob = glob.unwrap();
        let matched = glob.matches(&key);
        prop_assert_eq!(matched, model(&parts, &key.chars().collect::<Vec<_>>()), "{}", glob);
        prop_assert!(!matched || key.starts_with(glob.literal_prefix()));
    }

    #[test]
    fn no_pattern_panics(pattern in r"[a\\\[\]{}!,*?é-]{0,24}", key in "[aé!-]{0,6}") {
        match Glob::new(&pattern) {
            Ok(glob) => prop_assert!(!glob.matches(&key) || key.starts_with(glob.literal_prefix())),
            Err(error) => prop_assert!(error.position() <= pattern.len()),
        }
    }
}
