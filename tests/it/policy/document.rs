//! Trust policies edited as text: random ones, and the ones that somebody might write on purpose.

use std::collections::BTreeMap;

use countersign::domain::grant::GrantState;
use countersign::policy::document::{Document, Owner, has_grants, inert, is_grant_sid, sid};
use countersign::policy::meaning::{fingerprint, same};
use countersign::policy::trust;
use proptest::prelude::*;

use super::plane::Dice;
use super::run::Run;
use super::*;

/// Sids that look like ours and are not.
const LOOK_ALIKES: [&str; 13] = [
    "Countersign",
    "CountersignX",
    "CountersignRev412",
    "CountersignShield",
    "countersign01h455vb4pex5vsknk084sn02q",
    "COUNTERSIGN01H455VB4PEX5VSKNK084SN02Q",
    "Countersign01H455VB4PEX5VSKNK084SN02Q",
    "Countersign81h455vb4pex5vsknk084sn02q",
    "Countersign01h455vb4pex5vsknk084sn02",
    "Countersign01h455vb4pex5vsknk084sn02qq",
    "Countersign01h455vb4pex5vsknk084sn02l",
    "Countersign01h455vb4pex5vsknk084sn02u",
    "XCountersign01h455vb4pex5vsknk084sn02q",
];

/// Writes a random trust policy that somebody might have written by hand.
struct Pen {
    dice: Dice,
    out: String,
}

impl Pen {
    fn space(&mut self) {
        let space = *self
            .dice
            .one_of(&["", "", " ", "\n    ", "\t", "\r\n", "  "]);
        self.out.push_str(space);
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' | '\\' => self.out.extend(['\\', c]),
                _ if self.dice.chance(4) => self.out.push_str(&format!("\\u{:04x}", u32::from(c))),
                _ => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    fn list(&mut self, items: &[&str]) {
        if items.len() == 1 && self.dice.chance(50) {
            return self.text(items[0]);
        }
        self.out.push('[');
        for (nth, item) in items.iter().enumerate() {
            if nth > 0 {
                self.out.push(',');
            }
            self.space();
            self.text(item);
            self.space();
        }
        self.out.push(']');
    }

    /// The members in any order, some of them twice.
    fn object(&mut self, members: &[(&str, Write)]) {
        let mut order: Vec<usize> = (0..members.len()).collect();
        for index in (1..order.len()).rev() {
            let other =
                usize::try_from(self.dice.between(0, i64::try_from(index).unwrap())).unwrap();
            order.swap(index, other);
        }
        if self.dice.chance(10) && !order.is_empty() {
            order.push(order[0]);
        }
        self.members(&order.iter().map(|i| members[*i]).collect::<Vec<_>>());
    }

    fn members(&mut self, members: &[(&str, Write)]) {
        self.out.push('{');
        for (nth, (key, write)) in members.iter().enumerate() {
            if nth > 0 {
                self.out.push(',');
            }
            self.space();
            self.text(key);
            self.space();
            self.out.push(':');
            self.space();
            write(self);
            self.space();
        }
        self.out.push('}');
    }

    fn statement(&mut self) {
        let mut members: Vec<(&str, Write)> = vec![
            ("Effect", |pen| pen.list(&["Allow"])),
            ("Action", |pen| {
                pen.list(&["sts:AssumeRole", "sts:TagSession"])
            }),
            ("Principal", Self::principal),
        ];
        if self.dice.chance(60) {
            members.push(("Sid", Self::sid));
        }
        if self.dice.chance(50) {
            members.push(("Condition", Self::condition));
        }
        self.object(&members);
    }

    fn sid(&mut self) {
        if self.dice.chance(30) {
            return self.text("Twice");
        }
        let sid = *self.dice.one_of(&LOOK_ALIKES);
        self.text(sid);
    }

    fn principal(&mut self) {
        match self.dice.between(0, 4) {
            0 => self.text("*"),
            1 => self.object(&[("Service", |pen| pen.list(&["ec2.amazonaws.com"]))]),
            2 => self.object(&[("Federated", |pen| {
                pen.list(&["arn:aws:iam::111122223333:saml-provider/Entr\u{e9}e"])
            })]),
            3 => self.object(&[("AWS", |pen| {
                pen.list(&["arn:aws:iam::111122223333:root", "444455556666"])
            })]),
            _ => self.object(&[
                ("AWS", |pen| pen.list(&["arn:aws:iam::111122223333:user/x"])),
                ("Service", |pen| {
                    pen.list(&["lambda.amazonaws.com", "ec2.amazonaws.com"])
                }),
            ]),
        }
    }

    fn condition(&mut self) {
        self.object(&[
            ("NumericLessThan", |pen| {
                pen.object(&[("aws:MultiFactorAuthAge", |pen| pen.out.push_str("1e3"))])
            }),
            ("StringEquals", |pen| {
                pen.object(&[("sts:ExternalId", |pen| {
                    pen.list(&["a \"quoted\" \\ name", "[{,}]"])
                })])
            }),
            ("Bool", |pen| {
                pen.object(&[("aws:MultiFactorAuthPresent", |pen| pen.out.push_str("true"))])
            }),
        ]);
    }

    fn statements(&mut self) {
        let count = self.dice.between(1, 4);
        if count == 1 && self.dice.chance(50) {
            return self.statement();
        }
        self.out.push('[');
        for nth in 0..count {
            if nth > 0 {
                self.out.push(',');
            }
            self.space();
            self.statement();
            self.space();
        }
        self.out.push(']');
    }

    fn document(seed: u64) -> String {
        let mut pen = Self {
            dice: Dice(seed),
            out: String::new(),
        };
        let mut members: Vec<(&str, Write)> = vec![("Statement", Self::statements)];
        for (key, write) in [
            ("Version", (|pen| pen.text("2012-10-17")) as Write),
            ("Version", |pen| pen.text("2008-10-17")),
            ("Id", |pen| pen.text("Statement")),
            ("statement", |pen| pen.out.push_str("[1e3, null]")),
        ] {
            if pen.dice.chance(40) {
                let place = pen.dice.between(0, i64::try_from(members.len()).unwrap());
                members.insert(usize::try_from(place).unwrap(), (key, write));
            }
        }
        pen.space();
        pen.members(&members);
        pen.space();
        pen.out
    }
}

type Write = fn(&mut Pen);

fn ours(nths: &[u128]) -> BTreeMap<String, String> {
    let statement = |nth: &u128| {
        let g = grant(*nth, ALICE, 0, 3600 + i64::try_from(*nth).unwrap());
        (sid(g.id), trust::of(&g, nth.is_multiple_of(2), g.deadline))
    };
    nths.iter().map(statement).collect()
}

fn with(text: &str, nths: &[u128], original: Option<&str>) -> String {
    let document = Document::parse(text).unwrap();
    document.with(&ours(nths), original, &inert(ROLE_ARN))
}

fn foreign(text: &str) -> Vec<String> {
    let document = Document::parse(text).unwrap();
    document.foreign().map(|s| s.text.to_owned()).collect()
}

/// Everything but our statements, and but for what makes a list of statements a list.
fn bytes_of_others(text: &str) -> String {
    let mut rest = text.to_owned();
    for statement in ours(&[1, 2, 3, 4]).into_values() {
        rest = rest.replace(&statement, "");
    }
    rest.retain(|c| !",[] \t\r\n".contains(c));
    rest
}

fn subset(bits: u8) -> Vec<u128> {
    (1..=4).filter(|nth| bits >> (nth - 1) & 1 == 1).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn foreign_statements_survive_every_edit_and_the_original_comes_back(seed: u64, edits in prop::collection::vec(0u8..16, 1..6)) {
        let original = Pen::document(seed);
        let before = foreign(&original);
        prop_assert!(!has_grants(&original), "{}", original);
        let mut text = original.clone();
        for bits in edits {
            let nths = subset(bits);
            text = with(&text, &nths, Some(&original));
            prop_assert_eq!(&foreign(&text), &before);
            prop_assert_eq!(bytes_of_others(&text), bytes_of_others(&original));
            let document = Document::parse(&text).unwrap();
            let sids: Vec<_> = document.ours().map(|(sid, s)| (sid.to_owned(), s.text.to_owned())).collect();
            prop_assert_eq!(sids.len(), nths.len());
            prop_assert_eq!(sids.into_iter().collect::<BTreeMap<_, _>>(), ours(&nths));
            prop_assert!(nths.is_empty() == (text == original));
        }
        prop_assert_eq!(with(&text, &[], Some(&original)), original);
    }

    #[test]
    fn without_a_kept_original_what_is_left_still_means_the_same(seed: u64, bits in 1u8..16) {
        let original = Pen::document(seed);
        let left = with(&with(&original, &subset(bits), None), &[], None);
        prop_assert_eq!(foreign(&left), foreign(&original));
        prop_assert_eq!(bytes_of_others(&left), bytes_of_others(&original));
        prop_assert!(same(&left, &original));
    }

    #[test]
    fn edits_that_change_nothing_change_no_byte_and_their_order_means_nothing(seed: u64, bits in 0u8..16, others in 0u8..16) {
        let original = Pen::document(seed);
        let text = with(&original, &subset(bits), None);
        prop_assert_eq!(&with(&text, &subset(bits), None), &text);
        let both = subset(bits | others);
        let one_way = with(&text, &both, None);
        let other_way = with(&with(&original, &subset(others), None), &both, None);
        prop_assert!(same(&one_way, &other_way));
        prop_assert!(same(&one_way, &with(&original, &both, None)));
        prop_assert_eq!(fingerprint(&one_way), fingerprint(&other_way));
        prop_assert_eq!(same(&text, &one_way), text == one_way);
    }

    #[test]
    fn a_closing_edit_never_grows_the_document(seed: u64, bits in 0u8..16, fewer in 0u8..16) {
        let original = Pen::document(seed);
        let open = with(&original, &subset(bits), Some(&original));
        let closed = with(&open, &subset(bits & fewer), Some(&original));
        prop_assert!(closed.len() <= open.len());
        let allowed = |c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}');
        prop_assert!(closed.chars().all(allowed));
    }

    #[test]
    fn a_whole_life_leaves_a_random_document_as_it_was(seed: u64, production: bool) {
        let original = Pen::document(seed);
        let margins = if production { PRODUCTION } else { DEMO };
        let mut run = Run::new(&original, margins, vec![grant(1, ALICE, 0, 600), grant(2, BOB, 300, 900)]);
        run.role.trust_quota = 100_000;
        for seconds in [0, 300, 450, 600, 899, 900] {
            let _ = run.settle_at(seconds);
            prop_assert_eq!(foreign(&run.role.trust), foreign(&original));
            let open = run.grants.iter().filter(|g| matches!(g.state, GrantState::Active { .. })).count();
            prop_assert_eq!(open, [(0, 1), (300, 2), (450, 2), (600, 1), (899, 1), (900, 0)].into_iter().find(|(s, _)| *s == seconds).unwrap().1);
        }
        prop_assert_eq!(&run.role.trust, &original);
        let ended = |g: &Grant| matches!(g.state, GrantState::Ended { .. });
        prop_assert!(run.grants.iter().all(ended));
    }
}

#[test]
fn look_alikes_are_not_ours_and_ours_is_whatever_way_it_is_spelled() {
    for look_alike in LOOK_ALIKES {
        assert!(!is_grant_sid(look_alike), "{look_alike}");
    }
    let ours = sid(grant_id(7));
    assert!(is_grant_sid(&ours));
    let spelled = ours.replacen('C', "\\u0043", 1);
    let text = format!(
        r#"{{"Statement":[{{"Sid":"{spelled}"}},{{"Sid":"{ours}","Sid":"Other"}},{{"Sid":["{ours}"]}},{{"sid":"{ours}"}}]}}"#
    );
    let document = Document::parse(&text).unwrap();
    let owners: Vec<_> = document
        .statements
        .iter()
        .map(|s| s.owner.clone())
        .collect();
    assert_eq!(
        owners,
        [
            Owner::Grant(ours),
            Owner::Foreign,
            Owner::Foreign,
            Owner::Foreign
        ]
    );
}

#[test]
fn a_doubled_statement_of_ours_is_left_once() {
    let once = with(FOREIGN, &[1], None);
    let statement = &ours(&[1])[&sid(grant_id(1))];
    let twice = once.replace(statement, &format!("{statement}, {statement}"));
    assert_ne!(twice, once);
    assert_eq!(with(&twice, &[1], None), once);
    assert_eq!(with(&twice, &[], None), FOREIGN);
}

#[test]
fn what_is_replaced_stays_in_its_place() {
    let text = with(FOREIGN, &[1, 2], None);
    let edited = text.replace("grant_", "tnarg_");
    assert_eq!(with(&edited, &[1, 2], None), text);
}

#[test]
fn a_kept_original_does_not_make_a_closing_grow() {
    let spaced = FOREIGN.replace("[{", &format!("[{}{{", " ".repeat(2000)));
    let open = with(FOREIGN, &[1], None);
    assert_eq!(with(&open, &[], Some(&spaced)), FOREIGN);
}

#[test]
fn a_kept_original_does_not_undo_what_others_did_since() {
    let theirs = FOREIGN.replace("ec2", "lambda");
    assert_eq!(with(&with(&theirs, &[1], None), &[], Some(FOREIGN)), theirs);
    let version = FOREIGN.replace("2012-10-17", "2008-10-17");
    assert_eq!(
        with(&with(&version, &[1], None), &[], Some(FOREIGN)),
        version
    );
}

#[test]
fn meaning_is_what_aws_may_not_change() {
    let one = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["a","b"],"Principal":{"AWS":"x"}}]}"#;
    let normalised = "{ \"Statement\" : {\"Action\":[\"b\",\"a\"],\"Principal\":{\"AWS\":[\"x\"]},\n\"Effect\":\"Allow\"},\"Version\":\"2012-10-17\"}";
    assert!(same(one, normalised));
    assert_eq!(fingerprint(one), fingerprint(normalised));
    for (was, now) in [
        (r#""a""#, r#""A""#),
        ("Allow", "Deny"),
        ("\"x\"", "\"y\""),
        ("2012", "2008"),
        (r#""Effect""#, r#""effect""#),
        (r#""Effect":"Allow","#, ""),
        (
            r#""Effect":"Allow","#,
            r#""Effect":"Allow","Effect":"Allow","#,
        ),
        (r#"["a","b"]"#, r#"["a","b","c"]"#),
        (r#"["a","b"]"#, r#""a\",\"b""#),
    ] {
        let other = one.replacen(was, now, 1);
        assert_ne!(one, other);
        assert!(!same(one, &other), "{other}");
        assert_ne!(fingerprint(one), fingerprint(&other), "{other}");
    }
    assert!(!same("x", "x") && !same("", ""));
}

#[test]
fn deep_nesting_is_an_answer_and_no_crash() {
    let deep = format!(
        r#"{{"Statement":[{{"Effect":{}{}}}]}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let mut run = Run::new(&deep, PRODUCTION, vec![grant(1, ALICE, 0, 600)]);
    run.role.trust_quota = 1_000_000;
    let _ = run.settle();
    let _ = run.settle_at(600);
    assert_eq!(run.role.trust, deep);
}
