//! IAM's control plane on the wire, as far as the loop uses it: it keeps documents, rewrites principals to ids, refuses what AWS refuses, and can be
//! told to hold, drop or fail a call. It evaluates no policy.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::rows::{ACCOUNT, ROLE};

/// What happens to the next call of an action.
#[derive(Debug, Clone)]
pub enum Knob {
    /// Refused with this code and status, nothing done.
    Refuse(&'static str, u16),
    /// The connection is closed without an answer; `true`: after the effect.
    Drop(bool),
    /// Done or not, and never answered.
    Silence(bool),
    /// Held before (`false`) or after its effect until it is let go.
    Hold(bool, Arc<Held>),
}

/// A call that is held.
#[derive(Debug, Default)]
pub struct Held {
    /// Told when the call has come.
    pub reached: Notify,
    /// Tells it to go on.
    pub go: Notify,
}

#[derive(Debug, Default)]
struct State {
    role: Option<Role>,
    users: BTreeMap<String, String>,
    ids: u32,
    quota: usize,
    log: Vec<String>,
    knobs: Vec<(&'static str, Knob, bool)>,
}

#[derive(Debug, Clone)]
struct Role {
    id: String,
    trust: String,
    guard: Option<String>,
}

/// One account with one role.
#[derive(Debug, Clone)]
pub struct Cloud {
    state: Arc<Mutex<State>>,
    pub endpoint: String,
}

type Answer = Result<String, (&'static str, u16)>;

impl Cloud {
    pub async fn start(trust: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let state = State {
            quota: 2_048,
            ..State::default()
        };
        let cloud = Self {
            state: Arc::new(Mutex::new(state)),
            endpoint,
        };
        cloud.create_role(trust);
        let server = cloud.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(server.clone().serve(stream));
            }
        });
        cloud
    }

    pub fn create_role(&self, trust: &str) {
        let mut state = self.state.lock().unwrap();
        let id = state.id("AROA");
        state.role = Some(Role {
            id,
            trust: trust.to_owned(),
            guard: None,
        });
    }

    pub fn delete_role(&self) {
        self.state.lock().unwrap().role = None;
    }

    /// Returns the ARN.
    pub fn create_user(&self, name: &str) -> String {
        let mut state = self.state.lock().unwrap();
        let id = state.id("AIDA");
        state.users.insert(name.to_owned(), id);
        arn(name)
    }

    pub fn delete_user(&self, name: &str) {
        self.state.lock().unwrap().users.remove(name);
    }

    pub fn set_quota(&self, quota: usize) {
        self.state.lock().unwrap().quota = quota;
    }

    /// The trust policy as `GetRole` would show it.
    pub fn trust(&self) -> String {
        let state = self.state.lock().unwrap();
        state.shown(&state.role.as_ref().unwrap().trust)
    }

    /// Somebody else writes the trust policy.
    pub fn edit_trust(&self, edit: impl FnOnce(&str) -> String) {
        let text = edit(&self.trust());
        self.state.lock().unwrap().put_trust(&text).unwrap();
    }

    pub fn guard(&self) -> Option<String> {
        self.state.lock().unwrap().role.as_ref()?.guard.clone()
    }

    pub fn set_guard(&self, guard: Option<String>) {
        self.state.lock().unwrap().role.as_mut().unwrap().guard = guard;
    }

    /// The next call of `action` meets this.
    pub fn once(&self, action: &'static str, knob: Knob) {
        self.state.lock().unwrap().knobs.push((action, knob, false));
    }

    /// Every call of `action` meets this, until [`Self::clear`].
    pub fn always(&self, action: &'static str, knob: Knob) {
        self.state.lock().unwrap().knobs.push((action, knob, true));
    }

    pub fn clear(&self) {
        self.state.lock().unwrap().knobs.clear();
    }

    /// Holds the next call of `action`, before or after its effect.
    pub fn hold(&self, action: &'static str, after: bool) -> Arc<Held> {
        let held = Arc::new(Held::default());
        self.once(action, Knob::Hold(after, held.clone()));
        held
    }

    /// The calls that came, in order; forgotten then.
    pub fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().log)
    }

    /// The document writes that came, in order; the log is forgotten then.
    pub fn take_writes(&self) -> Vec<String> {
        let mut log = self.take_log();
        log.retain(|call| is_write(call));
        log
    }

    async fn serve(self, mut stream: TcpStream) {
        while let Some(form) = read_request(&mut stream).await {
            let action = form["Action"].clone();
            let knob = self.come(&action);
            let answer = match knob {
                None => self.act(&form),
                Some(Knob::Refuse(code, status)) => Err((code, status)),
                Some(Knob::Drop(after)) => {
                    if after {
                        let _unseen = self.act(&form);
                    }
                    return;
                }
                Some(Knob::Silence(after)) => {
                    if after {
                        let _unseen = self.act(&form);
                    }
                    std::future::pending().await
                }
                Some(Knob::Hold(after, held)) => {
                    let early = after.then(|| self.act(&form));
                    held.reached.notify_one();
                    held.go.notified().await;
                    early.unwrap_or_else(|| self.act(&form))
                }
            };
            if stream
                .write_all(response(&action, answer).as_bytes())
                .await
                .is_err()
            {
                return;
            }
        }
    }

    fn come(&self, action: &str) -> Option<Knob> {
        let mut state = self.state.lock().unwrap();
        state.log.push(action.to_owned());
        let place = state.knobs.iter().position(|(name, ..)| *name == action)?;
        if state.knobs[place].2 {
            Some(state.knobs[place].1.clone())
        } else {
            Some(state.knobs.remove(place).1)
        }
    }

    fn act(&self, form: &BTreeMap<String, String>) -> Answer {
        let mut state = self.state.lock().unwrap();
        let text = |key: &str| form.get(key).cloned().unwrap_or_default();
        match form["Action"].as_str() {
            "GetRole" => state.get_role(),
            "GetUser" => state.get_user(&text("UserName")),
            "GetRolePolicy" => {
                let guard = state.role.as_ref().and_then(|role| role.guard.clone());
                let document = encode(&guard.ok_or(MISSING)?);
                Ok(format!(
                    "<RoleName>prod-admin</RoleName><PolicyName>CountersignGuard</PolicyName><PolicyDocument>{document}</PolicyDocument>"
                ))
            }
            "GetAccountSummary" => Ok(format!(
                "<SummaryMap><entry><key>AssumeRolePolicySizeQuota</key><value>{}</value></entry></SummaryMap>",
                state.quota
            )),
            "GetCallerIdentity" => Ok(format!(
                "<Arn>{}</Arn><UserId>AIDASERVICE</UserId><Account>{ACCOUNT}</Account>",
                arn("countersign")
            )),
            "UpdateAssumeRolePolicy" => state
                .put_trust(&text("PolicyDocument"))
                .map(|()| String::new()),
            "PutRolePolicy" => {
                let role = state.role.as_mut().ok_or(MISSING)?;
                role.guard = Some(text("PolicyDocument"));
                Ok(String::new())
            }
            "DeleteRolePolicy" => {
                let role = state.role.as_mut().ok_or(MISSING)?;
                role.guard.take().ok_or(MISSING)?;
                Ok(String::new())
            }
            _ => Err(("InvalidAction", 400)),
        }
    }
}

const MISSING: (&str, u16) = ("NoSuchEntity", 404);

impl State {
    fn id(&mut self, prefix: &str) -> String {
        self.ids += 1;
        format!("{prefix}{:017}", self.ids)
    }

    fn get_role(&self) -> Answer {
        let role = self.role.as_ref().ok_or(MISSING)?;
        Ok(format!(
            "<Role><Path>/</Path><RoleName>prod-admin</RoleName><RoleId>{}</RoleId><Arn>{ROLE}</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate>\
             <AssumeRolePolicyDocument>{}</AssumeRolePolicyDocument></Role>",
            role.id,
            encode(&self.shown(&role.trust))
        ))
    }

    fn get_user(&self, name: &str) -> Answer {
        let id = self.users.get(name).ok_or(MISSING)?;
        Ok(format!(
            "<User><Path>/</Path><UserName>{name}</UserName><UserId>{id}</UserId><Arn>{}</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate></User>",
            arn(name)
        ))
    }

    /// Principals are kept by their ids; what names nobody is refused.
    fn put_trust(&mut self, text: &str) -> Result<(), (&'static str, u16)> {
        if text.chars().filter(|c| !c.is_whitespace()).count() > self.quota {
            return Err(("LimitExceeded", 409));
        }
        let mut kept = text.to_owned();
        for (name, id) in &self.users {
            kept = kept.replace(&format!("\"{}\"", arn(name)), &format!("\"{id}\""));
        }
        let known = |id: &str| self.users.values().any(|user| user == id);
        let orphan = kept
            .split('"')
            .any(|part| part.starts_with("AIDA") && !known(part));
        if kept.contains(":user/") || orphan {
            return Err(("MalformedPolicyDocument", 400));
        }
        self.role.as_mut().ok_or(MISSING)?.trust = kept;
        Ok(())
    }

    fn shown(&self, kept: &str) -> String {
        self.users.iter().fold(kept.to_owned(), |text, (name, id)| {
            text.replace(&format!("\"{id}\""), &format!("\"{}\"", arn(name)))
        })
    }
}

/// Whether a call changes a document.
pub fn is_write(call: &str) -> bool {
    [
        "UpdateAssumeRolePolicy",
        "PutRolePolicy",
        "DeleteRolePolicy",
    ]
    .contains(&call)
}

fn arn(user: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/{user}")
}

fn encode(document: &str) -> String {
    utf8_percent_encode(document, NON_ALPHANUMERIC).to_string()
}

async fn read_request(stream: &mut TcpStream) -> Option<BTreeMap<String, String>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.map_or(0, |value| value.trim().parse().unwrap());
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(
        form_urlencoded::parse(&bytes[end..end + length])
            .into_owned()
            .collect(),
    )
}

fn response(action: &str, answer: Answer) -> String {
    let (status, body) = match answer {
        Ok(result) => (
            200,
            format!(
                "<{action}Response><{action}Result>{result}</{action}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>"
            ),
        ),
        Err((code, status)) => (
            status,
            format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{code}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
            ),
        ),
    };
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}
