//! The name that the console's Switch Role sends is shown as usable only where AWS takes it.

use countersign::domain::entitlement::Scope;
use countersign::domain::grant::{Grant, GrantState, Marks};
use countersign::domain::request::{Request, RequestState};
use countersign::web::commands::{Assume, Aws};
use countersign::web::request::RequestPage;

use super::facts::*;
use super::samples::{handed_out, html, page, review};

/// A role that asks for nothing more.
const fn assume<'a>(role_arn: &'a str, session: &'a str) -> Assume<'a> {
    Assume {
        role_arn,
        session,
        mfa_serial: None,
        external_id: None,
        with_token: false,
    }
}

fn shown(state: GrantState, has_console: bool, mine: bool) -> String {
    let granted = Grant {
        marks: Marks {
            console_since: has_console.then(now),
            ..Marks::default()
        },
        ..grant(state)
    };
    html(&RequestPage {
        mine,
        ..page(RequestState::Approved(now()), Some(granted))
    })
}

#[test]
fn the_consoles_name_is_promised_where_it_works_alone() {
    let name = "<span class=\"mono\">alice</span>";
    for mine in [true, false] {
        let page = shown(active(), false, mine);
        assert!(page.contains("cannot be used for now"), "{page}");
        assert_eq!(page.matches(&format!("or {name}")).count(), 0, "{page}");
        assert_eq!(page.matches(&format!("and {name}")).count(), 0, "{page}");
    }
    assert!(shown(active(), true, true).contains(&format!("or {name}, which the console")));
    assert!(shown(active(), true, false).contains(&format!("and {name}.")));
    assert!(!shown(active(), true, true).contains("cannot be used for now"));
}

/// IAM takes any visible ASCII in a path; a person pastes the line into a shell.
#[test]
fn what_is_to_be_pasted_runs_nothing_else() {
    let aws = Aws {
        endpoint_url: None,
        region: "eu-west-1".to_owned(),
    };
    let role = "arn:aws:iam::111122223333:role/$(touch x)/it's;/`id`/prod+admin";
    let odd = Assume {
        mfa_serial: Some("arn:aws:iam::111122223333:mfa/$(y)+z"),
        external_id: Some("of=us+you"),
        ..assume(role, "alice+b")
    };
    for line in [aws.cli(odd), aws.curl(odd)] {
        // The shell itself says what it would make of the line.
        let words = line.replacen("aws ", "printf '%s\\n' ", 1);
        let words = words.replacen("curl ", "printf '%s\\n' ", 1);
        let said = std::process::Command::new("sh")
            .args(["-c", &words])
            .output();
        let said = String::from_utf8(said.unwrap().stdout).unwrap();
        assert!(said.lines().any(|it| it.ends_with(role)), "{line}: {said}");
        assert!(said.lines().any(|it| it.ends_with("alice+b")), "{said}");
        assert!(said.lines().any(|it| it.ends_with("$(y)+z")), "{said}");
        assert!(said.lines().any(|it| it.ends_with("of=us+you")), "{said}");
    }
    assert!(
        aws.curl(assume(role, "a+b"))
            .contains("--data-urlencode 'RoleSessionName=a+b'")
    );
    let china = Aws {
        region: "cn-north-1".to_owned(),
        ..aws
    };
    assert!(
        china
            .curl(assume("arn", "a"))
            .contains("sts.cn-north-1.amazonaws.com.cn/")
    );
}

/// The page for who comes as a session of a role of Identity Center.
pub fn of_session(page: RequestPage) -> RequestPage {
    let arn = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_Developer_0123456789abcdef";
    let (arn, session) = (Some(arn.to_owned()), Some("alice@example.com".to_owned()));
    let userid = Some("AROAQ3EGRIKLMNOPQRST:alice@example.com".to_owned());
    RequestPage {
        request: Request {
            principal_arn: arn.clone(),
            principal_session: session.clone(),
            principal_unique_id: userid.clone(),
            console_name: session.clone(),
            ..page.request
        },
        grant: page.grant.map(|granted| Grant {
            principal_arn: arn,
            principal_session: session.clone(),
            principal_id: userid,
            console_name: session,
            ..granted
        }),
        ..page
    }
}

/// A role's session has a token beside its keys, and is named wherever the identity is.
#[test]
fn who_comes_as_a_session_of_a_role_is_told_with_it() {
    let active = page(RequestState::Approved(now()), Some(grant(active())));
    assert!(!html(&active).contains("AWS_SESSION_TOKEN\"") && !html(&active).contains(" as <span"));
    let own = html(&of_session(active));
    for told in [
        " as <span class=\"mono\">alice@example.com</span>, and no other session of that role",
        "the keys of your session <span class=\"mono\">alice@example.com</span>",
        "X-Amz-Security-Token: $AWS_SESSION_TOKEN",
        "source_profile = default",
    ] {
        assert!(own.replace("&#34;", "\"").contains(told), "{told}: {own}");
    }
    let waiting = html(&of_session(review()));
    assert!(
        waiting.contains("as <span class=\"mono\">alice@example.com</span> alone"),
        "{waiting}"
    );
}

#[test]
fn credentials_that_are_handed_out_are_fetched_by_a_profile_or_one_call() {
    let granted = page(RequestState::Approved(now()), Some(grant(active())));
    let own = html(&handed_out(granted));
    let url = "https://countersign.example.com/api/v1/grants/grant_";
    assert_eq!(own.matches(url).count(), 3, "{own}");
    for told in [
        "[profile prod-admin]",
        "credential_process = sh -c",
        "export AWS_SESSION_TOKEN=",
        "may not be the end",
        "AmazonSQSFullAccess",
    ] {
        assert!(own.contains(told), "{told}: {own}");
    }
    for old in [
        "assume-role",
        "Lets in",
        "Switch Role",
        "trust policy lets in",
    ] {
        assert!(!own.contains(old), "{old}: {own}");
    }
    let others = html(&RequestPage {
        mine: false,
        ..handed_out(page(RequestState::Approved(now()), Some(grant(active()))))
    });
    assert!(!others.contains(url), "{others}");
    let mut whole = handed_out(page(RequestState::Pending, None));
    whole.request.terms.scope = Scope::ScopeDown("{}".to_owned());
    assert!(html(&whole).contains("what the entitlement's own policy allows"));
}

/// The console's own page asks for everything but the session name, which it takes from who is
/// signed in.
#[test]
fn switch_role_is_filled_in_for_the_partition() {
    let aws = Aws {
        endpoint_url: None,
        region: "eu-west-1".to_owned(),
    };
    let link = |arn: &str| aws.switch_role(arn, "prod-admin");
    assert_eq!(
        link("arn:aws:iam::111122223333:role/team/a+b").unwrap(),
        "https://signin.aws.amazon.com/switchrole?account=111122223333&roleName=team%2Fa%2Bb&displayName=prod-admin"
    );
    for (partition, host) in [
        (
            "aws-us-gov",
            "https://signin.amazonaws-us-gov.com/switchrole?",
        ),
        ("aws-cn", "https://signin.amazonaws.cn/switchrole?"),
    ] {
        let url = link(&format!("arn:{partition}:iam::111122223333:role/admin")).unwrap();
        assert!(url.starts_with(host), "{url}");
    }
    assert_eq!(link("arn:aws:iam::111122223333:user/alice"), None);
    let stand_in = Aws {
        endpoint_url: Some("http://127.0.0.1:4566".to_owned()),
        ..aws.clone()
    };
    assert_eq!(
        stand_in.switch_role("arn:aws:iam::111122223333:role/admin", "x"),
        None
    );
    let profile = aws.profile(
        "prod-admin",
        assume("arn:aws:iam::111122223333:role/admin", "grant_1"),
    );
    assert_eq!(
        profile,
        "[profile prod-admin]\nrole_arn = arn:aws:iam::111122223333:role/admin\nrole_session_name = grant_1\n\
         source_profile = default\nregion = eu-west-1"
    );
}

#[test]
fn the_link_is_there_where_the_consoles_name_works_alone() {
    let offered = |has_console: bool, mine| {
        let granted = Grant {
            marks: Marks {
                console_since: has_console.then(now),
                ..Marks::default()
            },
            ..grant(active())
        };
        let shown = html(&RequestPage {
            mine,
            aws: Aws {
                endpoint_url: None,
                region: "eu-west-1".to_owned(),
            },
            ..page(RequestState::Approved(now()), Some(granted))
        });
        shown.contains("signin.aws.amazon.com/switchrole")
    };
    assert!(offered(true, true));
    assert!(!offered(false, true));
    assert!(!offered(true, false), "for somebody else");
}
