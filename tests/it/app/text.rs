//! Text that shows nothing, or something else than it says.

use chrono::TimeDelta;
use countersign::app::deny::deny;
use countersign::app::submit::{NewRequest, submit};
use countersign::app::tokens;
use countersign::domain::text::{Words, check_name, fold};

use crate::support::app::{TestApp, ask, wanted};

/// Characters that are not drawn, or that everybody sees otherwise.
const UNSEEN: [char; 20] = [
    '\u{3164}',  // Hangul filler
    '\u{2800}',  // empty Braille cell
    '\u{115f}',  // Hangul choseong filler
    '\u{1160}',  // Hangul jungseong filler
    '\u{ffa0}',  // half-width Hangul filler
    '\u{34f}',   // grapheme joiner
    '\u{17b4}',  // Khmer inherent vowel
    '\u{180b}',  // Mongolian variation selector
    '\u{fe00}',  // variation selector 1
    '\u{fe0f}',  // variation selector 16
    '\u{e0100}', // variation selector 17
    '\u{200b}',  // zero width space
    '\u{200d}',  // zero width joiner
    '\u{202e}',  // right-to-left override
    '\u{feff}',  // byte order mark
    '\u{e0041}', // tag
    '\u{e000}',  // private use
    '\u{f0000}', // private use
    '\u{378}',   // unassigned
    '\u{7}',     // control
];

#[test]
fn a_character_that_is_not_seen_is_refused_wherever_it_stands() {
    for c in UNSEEN {
        for text in [
            format!("a{c}b"),
            format!("Bob Brandt{c}"),
            format!("{c}Bob Brandt"),
        ] {
            let told = Words::parse(&text).expect_err(&text.escape_unicode().to_string());
            let code = format!("U+{:04X}", u32::from(c));
            assert!(told.to_string().contains(&code), "{told}");
            check_name(&text).expect_err(&text.escape_unicode().to_string());
        }
    }
}

#[test]
fn what_people_write_is_taken() {
    for text in [
        "Prüfung der Datenbank – bitte schnell!",
        "データベースが落ちた",
        "قاعدة البيانات معطلة",
        "डेटाबेस बंद है",
        "x",
        "7",
        "one\n\ttwo",
        "done \u{1f44d}\u{1f3fd}",
        "heart \u{2764}\u{fe0f}",
        "family \u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
        "couple \u{1f469}\u{1f3fd}\u{200d}\u{2764}\u{fe0f}\u{200d}\u{1f468}",
        "key 1\u{fe0f}\u{20e3}",
    ] {
        Words::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    }
    for name in [
        "Bob Brandt",
        "Søren Ørsted",
        "山田太郎",
        "sre-leads",
        "O’Brien, J.",
    ] {
        check_name(name).unwrap_or_else(|error| panic!("{name:?}: {error}"));
    }
}

#[test]
fn what_makes_an_emoji_of_several_is_seen_only_inside_of_one() {
    for text in [
        "a\u{200d}\u{1f469}",
        "done \u{1f44d}\u{200d}",
        "done \u{1f44d}\u{200d} now",
        "x\u{fe0f}",
        "1\u{fe0f}",
        "heart \u{2764}\u{fe0f}\u{fe0f}",
    ] {
        Words::parse(text).expect_err(&text.escape_unicode().to_string());
    }
    check_name("Bob \u{2764}\u{fe0f}").expect_err("no place for it in a name");
}

#[test]
fn marks_alone_say_nothing() {
    for text in ["...", "–", "\u{1f44d}", "\u{301}", "\u{3000}.", "!?"] {
        let told = Words::parse(text).expect_err(text);
        assert_eq!(
            told.to_string(),
            "must contain at least one letter or digit",
            "{text}"
        );
        check_name(text).expect_err(text);
    }
}

#[test]
fn names_that_look_the_same_are_the_same() {
    for (one, other) in [
        ("Bob Brandt", "BOB  BRANDT"),
        ("Bob Brandt", "Bob\u{a0}Brandt"),
        ("Bob Brandt", "Ｂｏｂ　Ｂｒａｎｄｔ"),
        ("Strauß", "STRAUSS"),
        ("Zo\u{eb}", "Zoe\u{308}"),
        ("office", "o\u{fb03}ce"),
    ] {
        assert_eq!(fold(one), fold(other));
    }
    assert_ne!(fold("Bob Brandt"), fold("Bob Brand"));
}

#[tokio::test]
async fn nothing_that_shows_nothing_gets_on_record() {
    let company = TestApp::new().await;
    let (alice, bob) = (company.ctx("alice").await, company.ctx("bob").await);
    let request = company.ask("prod-admin").await.id;
    for nothing in [
        "\u{3164}",
        "\u{2800}\u{2800}",
        "\u{115f}",
        "a\u{fe00}",
        "\u{1f44d}",
        "-",
    ] {
        let new = NewRequest {
            justification: nothing.to_owned(),
            ..ask("prod-admin")
        };
        let told = submit(&alice, new).await.unwrap_err();
        assert_eq!(told.fields()[0].field, "justification", "{nothing:?}");
        let told = deny(&bob, request, Some(nothing.to_owned())).await;
        assert_eq!(
            told.unwrap_err().fields()[0].field,
            "comment",
            "{nothing:?}"
        );
        let day = TimeDelta::days(1);
        let told = tokens::create(
            &company.app,
            "test",
            "bob@example.com",
            wanted(nothing, day),
        )
        .await;
        assert_eq!(told.unwrap_err().fields()[0].field, "name", "{nothing:?}");
    }
    assert_eq!(company.count("requests").await, 1);
    assert_eq!(company.count("decisions").await, 0);
    assert_eq!(company.count("api_tokens").await, 0);
}
