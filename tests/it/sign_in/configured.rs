//! `[oidc]` of the configuration: what is refused, in one line that names the key and what to do.

use std::io::Write as _;

use countersign::config::{Config, ConfigError, GroupsFrom};
use secrecy::ExposeSecret as _;

fn load(lines: &str, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "[oidc]\n{lines}").unwrap();
    let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Config::load(Some(file.path()), env)
}

const TEMPLATE: &str = "oidc.principal_template braces assumed-role/developers/{email}";
const GOOD: &str = "issuer = 'https://login.example.com/realms/staff'\nclient_id = 'countersign'\n";

#[test]
fn what_cannot_work_is_refused_with_the_key_and_what_is_expected() {
    for (lines, words) in [
        (
            "issuer = 'http://login.example.com'\nclient_id = 'x'",
            "oidc.issuer https",
        ),
        (
            "issuer = 'https://u:p@login.example.com'\nclient_id = 'x'",
            "oidc.issuer password",
        ),
        (
            "issuer = 'https://login.example.com?a=b'\nclient_id = 'x'",
            "oidc.issuer query",
        ),
        (
            "issuer = 'https://login.example.com#a'\nclient_id = 'x'",
            "oidc.issuer fragment",
        ),
        (
            "issuer = 'login.example.com'\nclient_id = 'x'",
            "oidc.issuer https",
        ),
        (
            "issuer = 'ftp://login.example.com'\nclient_id = 'x'",
            "oidc.issuer https",
        ),
        ("issuer = 'https://login.example.com'", "oidc.client_id"),
        (
            "issuer = 'https://login.example.com'\nclient_id = ' '",
            "oidc.client_id",
        ),
        ("client_id = 'x'", "oidc.issuer"),
        ("scopes = ['profile']", "oidc.scopes openid"),
        ("groups_from = 'ldap'", "oidc.groups_from claim catalog"),
        ("groups_claim = ''", "oidc.groups_claim"),
        ("client_secret = ''", "oidc.client_secret"),
        (
            "client_secret = 'a'\nclient_secret_file = '/b'",
            "oidc.client_secret_file both",
        ),
        ("client_secret_file = '/nowhere/at-all'", "/nowhere/at-all"),
        ("clock_skew = 'PT6M'", "oidc.clock_skew PT5M"),
        ("clock_skew = '60s'", "oidc.clock_skew ISO"),
        ("audience = 'x'", "oidc.audience"),
        ("principal_template = ''", TEMPLATE),
        (
            "principal_template = 'arn:aws:iam::111122223333:user/bob'",
            TEMPLATE,
        ),
        (
            "principal_template = 'arn:aws:iam::111122223333:user/{a'",
            TEMPLATE,
        ),
        (
            "principal_template = 'arn:aws:iam::111122223333:user/{}'",
            TEMPLATE,
        ),
        (
            "principal_template = 'arn:aws:iam::111122223333:user/{a}}'",
            TEMPLATE,
        ),
        ("principal_template = 'arn:aws:iam::{a}:user/{b}'", TEMPLATE),
        (
            "principal_template = 'arn:aws:iam::111122223333:user/{a}/{b}'",
            TEMPLATE,
        ),
        (
            "principal_template = 'arn:aws:iam::111122223333:role/{a}'",
            TEMPLATE,
        ),
        (
            "principal_template = 'arn:aws:sts::111122223333:assumed-role/{a}'",
            TEMPLATE,
        ),
        (
            "principal_template = 'arn:aws:sts::111122223333:assumed-role/{a}/{b}'",
            TEMPLATE,
        ),
        ("principal_template = '{a}'", TEMPLATE),
    ] {
        let error = load(lines, &[]).unwrap_err().to_string();
        assert!(!error.contains('\n'), "one line: {error}");
        for word in words.split(' ') {
            assert!(error.contains(word), "`{word}` is missing in: {error}");
        }
        assert!(!error.contains("u:p@"), "{error}");
    }
    load("issuer = 'http://127.0.0.1:9000'\nclient_id = 'x'", &[]).unwrap();
}

#[test]
fn a_template_is_taken_and_printed_as_it_was_written() {
    for template in [
        "arn:aws:iam::111122223333:user/people/{preferred_username}",
        "arn:aws-cn:iam::111122223333:user/x-{https://example.com/aws}-{sub}",
        "arn:aws:sts::111122223333:assumed-role/team/developers/{email}",
    ] {
        let config = load(&format!("principal_template = '{template}'"), &[]).unwrap();
        assert!(config.to_toml().contains(template), "{}", config.to_toml());
    }
}

#[test]
fn a_secret_comes_from_its_file_and_is_never_printed() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "s3cret").unwrap();
    let lines = format!("{GOOD}client_secret_file = '{}'", file.path().display());
    let config = load(&lines, &[]).unwrap();
    assert_eq!(
        config.oidc.client_secret.as_ref().unwrap().expose_secret(),
        "s3cret"
    );
    assert!(!config.to_toml().contains("s3cret"));
    assert!(!format!("{config:?}").contains("s3cret"));
    let empty = tempfile::NamedTempFile::new().unwrap();
    let lines = format!("{GOOD}client_secret_file = '{}'", empty.path().display());
    assert!(load(&lines, &[]).unwrap_err().to_string().contains("empty"));
}

#[test]
fn lists_of_the_environment_are_toml_arrays_or_have_commas() {
    for text in [
        r#"["staff", "dev ops"]"#,
        "staff, dev ops",
        "['staff','dev ops']",
    ] {
        let config = load(GOOD, &[("COUNTERSIGN_OIDC__ALLOWED_GROUPS", text)]).unwrap();
        assert_eq!(config.oidc.allowed_groups, ["staff", "dev ops"], "{text}");
        let config = load(GOOD, &[("COUNTERSIGN_ROLES__ADMIN", text)]).unwrap();
        assert_eq!(config.roles.admin, ["staff", "dev ops"], "{text}");
    }
    let from = [("COUNTERSIGN_OIDC__GROUPS_FROM", "catalog")];
    assert_eq!(
        load(GOOD, &from).unwrap().oidc.groups_from,
        GroupsFrom::Catalog
    );
}
