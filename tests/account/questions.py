"""What only an account of AWS can tell. Each question has its name, and the answer that Countersign relies on; `None` where it relies on neither."""

import base64
import hashlib
import hmac
import json
import struct
import time
import urllib.parse
import urllib.request
from datetime import timedelta
from urllib.error import HTTPError

from account import PATH, CannotAsk, allow, allowed, code, deny, is_stand_in, literal, policy, trusting
from botocore.exceptions import ClientError

ALL = []
READ = "iam:GetAccountSummary"
NEVER = {"NumericLessThan": {"aws:EpochTime": "1"}}


def question(name, relied_on="yes"):
    def register(ask):
        ALL.append((name, relied_on, ask))
        return ask

    return register


def cannot(name, why):
    """One that this script cannot ask anywhere."""

    def ask(_):
        raise CannotAsk(why)

    ALL.append((name, None, ask))


def yes(is_so, note=""):
    return ("yes" if is_so else "no"), note


def works(account, keys):
    return account.client("iam", keys).get_account_summary


# --- trust policies


@question("a deleted principal in a foreign statement blocks every write of the trust policy")
def orphan(account):
    name, arn, _ = account.user("ghost")
    role, _, _ = account.role("orphan", trusting(arn))
    account.delete_user(name)
    shown = lambda: json.dumps(account.iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"])
    ends = time.monotonic() + account.patience
    while arn in shown() and time.monotonic() < ends:
        time.sleep(1)
    text = shown()
    seen = "it is shown by its unique id" if "AIDA" in text else "it is shown by its ARN"
    try:
        account.iam.update_assume_role_policy(RoleName=role, PolicyDocument=text)
    except ClientError as error:
        return yes(True, f"{seen}; {code(error)}")
    return yes(False, seen)


@question("an empty list of statements is refused as a trust policy")
def empty(account):
    role, _, _ = account.role("empty", trusting(account.root()))
    try:
        account.iam.update_assume_role_policy(RoleName=role, PolicyDocument=policy())
    except ClientError as error:
        return yes(code(error) == "MalformedPolicyDocument", code(error))
    return yes(False)


@question("the ARN of a session is taken as a principal, and kept as it was written", relied_on=None)
def session_principal(account):
    first, _, _ = account.role("named", trusting(account.root()))
    session = f"arn:{account.partition}:sts::{account.id}:assumed-role/{first}/somebody"
    role, _, _ = account.role("names", trusting(account.root()))
    shown = lambda: json.dumps(account.iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"])
    account.settle()
    try:
        account.iam.update_assume_role_policy(RoleName=role, PolicyDocument=trusting(session))
    except ClientError as error:
        return yes(False, code(error))
    account.settle()
    before = shown()
    account.delete_role(first)
    account.settle()
    return yes(session in before, "its role being deleted changes nothing" if before == shown() else f"then: {shown()}")


@question("GetRole shows a trust policy as soon as it was written")
def stale(account):
    role, _, _ = account.role("stale", trusting(account.root()))
    behind = 0
    for n in range(10):
        text = trusting(account.root(), StringEquals={"sts:ExternalId": f"trial-{n}"})
        account.iam.update_assume_role_policy(RoleName=role, PolicyDocument=text)
        shown = account.iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
        behind += shown != json.loads(text)
    return yes(behind == 0, f"{behind} of 10 reads were behind")


@question("a pinned session name refuses SetSourceIdentity in one statement with AssumeRole, and not in two")
def split(account):
    _, arn, keys = account.first
    both = ["sts:AssumeRole", "sts:SetSourceIdentity"]
    pins = {"sts:RoleSessionName": "grant_*"}
    _, one, _ = account.role("pinned-one", trusting(arn, both, StringLike=pins))
    apart = [json.loads(trusting(arn, "sts:AssumeRole", StringLike=pins)), json.loads(trusting(arn, "sts:SetSourceIdentity"))]
    _, two, _ = account.role("pinned-two", policy(*(it["Statement"][0] for it in apart)))
    sts = account.client("sts", keys)
    ask = {"RoleSessionName": "grant_trial", "SourceIdentity": "person_trial"}
    works_split = account.becomes(True, sts.assume_role, RoleArn=two, **ask)
    # The control: without a source identity the one statement lets in.
    lets_in = account.becomes(True, sts.assume_role, RoleArn=one, RoleSessionName="grant_trial")
    return yes(works_split and lets_in and not allowed(sts.assume_role, RoleArn=one, **ask))


def tagged(role, *tags):
    """What AssumeRole is asked for by a session with these tags."""
    return {"RoleArn": role, "RoleSessionName": "grant_trial", "Tags": [{"Key": key, "Value": value} for key, value in tags]}


@question("a pinned session name refuses TagSession in one statement with AssumeRole, and not in two")
def split_tags(account):
    _, arn, keys = account.first
    pins = {"sts:RoleSessionName": "grant_*"}
    _, one, _ = account.role("tagged-one", trusting(arn, ["sts:AssumeRole", "sts:TagSession"], StringLike=pins))
    apart = [json.loads(trusting(arn, "sts:AssumeRole", StringLike=pins)), json.loads(trusting(arn, "sts:TagSession"))]
    _, two, _ = account.role("tagged-two", policy(*(it["Statement"][0] for it in apart)))
    sts = account.client("sts", keys)
    own = ("countersign:grant", "grant_trial")
    works_split = account.becomes(True, sts.assume_role, **tagged(two, own))
    # The control: without a tag the one statement lets in.
    lets_in = account.becomes(True, sts.assume_role, RoleArn=one, RoleSessionName="grant_trial")
    return yes(works_split and lets_in and not allowed(sts.assume_role, **tagged(one, own)))


@question("the statement for session tags takes the grant's own, and neither another, nor one beside it, nor other words")
def own_tag(account):
    _, arn, keys = account.first
    # As `aws-setup` prints it.
    only = {"StringLike": {"aws:RequestTag/countersign:grant": "grant_*"}, "ForAllValues:StringEquals": {"aws:TagKeys": ["countersign:grant"]}}
    enters = json.loads(trusting(arn, "sts:AssumeRole", StringLike={"sts:RoleSessionName": "grant_*"}))
    tags = json.loads(trusting(arn, "sts:TagSession", **only))
    _, role, _ = account.role("tag-of-a-grant", policy(enters["Statement"][0], tags["Statement"][0]))
    sts = account.client("sts", keys)
    own, team = ("countersign:grant", "grant_trial"), ("team", "payments")
    takes = account.becomes(True, sts.assume_role, **tagged(role, own))
    others = {"another": [team], "one beside it": [own, team], "other words": [("countersign:grant", "payments")]}
    taken = [name for name, tags in others.items() if allowed(sts.assume_role, **tagged(role, *tags))]
    return yes(takes and not taken, f"the grant's own: {takes}; besides: {', '.join(taken) or 'none'}")


@question("a trust policy lets in one session of a role alone, by aws:userid, under that session's own name")
def userid_in_trust_policy(account):
    _, arn, keys = account.first
    _, person, role_id = account.role("person", trusting(arn))
    pins = {"aws:userid": f"{role_id}:alice", "sts:RoleSessionName": ["grant_trial", "alice"]}
    _, role, _ = account.role("opened", trusting(person, StringEquals=pins))
    account.eventually(account.client("sts", keys).assume_role, RoleArn=person, RoleSessionName="alice")
    told = {}
    # The name that Switch Role would send, if it sends that of the session.
    for session, name, wanted in [("alice", "alice", True), ("alice", "grant_trial", True), ("alice", "zzz", False), ("bob", "alice", False)]:
        sts = account.client("sts", account.assume(keys, person, session))
        told[f"{session} as {name}"] = account.becomes(wanted, sts.assume_role, RoleArn=role, RoleSessionName=name)
    return yes(all(told.values()), f"as it should be: {told}")


# --- identity policies of who assumes


@question("sts:RoleSessionName is seen by the identity policy of who assumes")
def name_in_identity_policy(account):
    _, role, _ = account.role("switched", trusting(account.root()))
    pinned = allow("sts:AssumeRole", role, StringEquals={"sts:RoleSessionName": ["grant_trial", "alice"]})
    _, _, keys = account.user("switcher", pinned=policy(pinned))
    sts = account.client("sts", keys)
    enters = account.eventually_allowed(sts.assume_role, RoleArn=role, RoleSessionName="alice")
    return yes(enters and not allowed(sts.assume_role, RoleArn=role, RoleSessionName="zzz"))


@question("aws:userid is seen by the identity policy of a role that assumes")
def userid_in_identity_policy(account):
    _, arn, keys = account.first
    _, role, _ = account.role("assumed", trusting(account.root()))
    name, carrier, role_id = account.role("carrier", trusting(arn))
    pinned = allow("sts:AssumeRole", role, StringEquals={"aws:userid": f"{role_id}:alice"})
    account.iam.put_role_policy(RoleName=name, PolicyName="pinned", PolicyDocument=policy(pinned))
    account.eventually(account.client("sts", keys).assume_role, RoleArn=carrier, RoleSessionName="alice")
    enters = {}
    for session in ["alice", "bob"]:
        sts = account.client("sts", account.assume(keys, carrier, session))
        wanted = session == "alice"
        enters[session] = account.becomes(wanted, sts.assume_role, RoleArn=role, RoleSessionName="trial")
    return yes(all(enters.values()))


@question("the inert Deny that ends an inline policy is taken, and denies nothing")
def inert(account):
    ended = {"Effect": "Deny", "Action": "sts:AssumeRole", "Resource": "*", "Condition": NEVER}
    name, arn, keys = account.user("ended", ended=policy(ended))
    _, role, _ = account.role("ended", trusting(arn))
    return yes(account.eventually_allowed(account.client("sts", keys).assume_role, RoleArn=role, RoleSessionName="trial"))


@question("SimulatePrincipalPolicy tells session names apart")
def simulated_name(account):
    _, role, _ = account.role("simulated", trusting(account.root()))
    pinned = allow("sts:AssumeRole", role, StringEquals={"sts:RoleSessionName": "alice"})
    _, arn, _ = account.user("simulated", pinned=policy(pinned))
    told = {name: simulate(account, arn, "sts:AssumeRole", role, {"sts:RoleSessionName": name}) for name in ["alice", "zzz"]}
    return yes(told == {"alice": "allowed", "zzz": "implicitDeny"}, str(told))


@question("SimulatePrincipalPolicy of a role tells by aws:userid which of its sessions may assume another role")
def simulated_carrier(account):
    _, role, _ = account.role("entered", trusting(account.root()))
    name, arn, role_id = account.role("carries", trusting(account.root()))
    pinned = allow("sts:AssumeRole", role, StringEquals={"aws:userid": f"{role_id}:alice"})
    account.iam.put_role_policy(RoleName=name, PolicyName="pinned", PolicyDocument=policy(pinned))
    told = {it: simulate(account, arn, "sts:AssumeRole", role, {"aws:userid": f"{role_id}:{it}"}) for it in ["alice", "bob"]}
    return yes(told == {"alice": "allowed", "bob": "implicitDeny"}, str(told))


@question("SimulatePrincipalPolicy knows session name and external ID also of a role in another account")
def simulated_elsewhere(account):
    # Only the caller's side is simulated: there need be no such role.
    role = f"arn:{account.partition}:iam::{int(account.id) ^ 1:012}:role/elsewhere"
    asked = {"sts:RoleSessionName": "grant_trial", "sts:ExternalId": "trial"}
    _, arn, _ = account.user("goes-elsewhere", pinned=policy(allow("sts:AssumeRole", role, StringEquals=asked)))
    changed = [asked, asked | {"sts:RoleSessionName": "zzz"}, asked | {"sts:ExternalId": "zzz"}]
    told = [simulate(account, arn, "sts:AssumeRole", role, context) for context in changed]
    return yes(told == ["allowed", "implicitDeny", "implicitDeny"], str(told))


@question("SimulatePrincipalPolicy tells sessions apart by aws:userid and aws:TokenIssueTime")
def simulated_session(account):
    name, arn, role_id = account.role("judged", trusting(account.root()), all=policy(allow("*")))
    by_name = deny("*", StringEquals={"aws:userid": f"{role_id}:dead"})
    by_time = deny("*", DateLessThanEquals={"aws:TokenIssueTime": "2020-01-01T00:00:00Z"})
    account.iam.put_role_policy(RoleName=name, PolicyName="deny", PolicyDocument=policy(by_name, by_time))
    told = [
        simulate(account, arn, READ, "*", {"aws:userid": f"{role_id}:{session}", "aws:TokenIssueTime": issued})
        for session, issued in [("live", "2026-01-01T00:00:00Z"), ("dead", "2026-01-01T00:00:00Z"), ("live", "2019-01-01T00:00:00Z")]
    ]
    return yes(told == ["allowed", "explicitDeny", "explicitDeny"], str(told))


def simulate(account, arn, action, resource, context):
    kinds = {"aws:TokenIssueTime": "date"}
    entries = [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": kinds.get(key, "string")}
        for key, value in context.items()
    ]
    told = account.eventually(
        account.iam.simulate_principal_policy,
        PolicySourceArn=arn,
        ActionNames=[action],
        ResourceArns=[resource],
        ContextEntries=entries,
    )
    return told["EvaluationResults"][0]["EvalDecision"]


# --- sessions and what ends them


def open_role(account, role, **policies):
    """A role that the first user assumes, and its keys."""
    _, arn, keys = account.first
    name, role_arn, role_id = account.role(role, trusting(arn, ["sts:AssumeRole", "sts:SetSourceIdentity"]), **policies)
    account.eventually(account.client("sts", keys).assume_role, RoleArn=role_arn, RoleSessionName="control")
    return name, role_arn, role_id, keys


@question("aws:userid of a session is the role's unique id and the session's name, also where the role has a path")
def userid(account):
    name, role, role_id, keys = open_role(account, "pathed", all=policy(allow("*")))
    session = account.assume(keys, role, "alice")
    told = account.client("sts", session).get_caller_identity()["UserId"]
    dead = deny("*", StringEquals={"aws:userid": f"{role_id}:alice"})
    account.iam.put_role_policy(RoleName=name, PolicyName="deny", PolicyDocument=policy(dead))
    is_dead = account.becomes(False, works(account, session))
    return yes(told == f"{role_id}:alice" and is_dead, told)


@question("a Deny in the role's own policy ends a live session that a list of 30 names does not hold, and no other")
def listed(account):
    name, role, role_id, keys = open_role(account, "guarded", all=policy(allow("*")))
    live = account.assume(keys, role, "grant_29")
    dead = account.assume(keys, role, "grant_30")
    both = account.becomes(True, works(account, live)) and account.becomes(True, works(account, dead))
    names = [f"{role_id}:grant_{n:02}" for n in range(30)]
    listed = deny("*", StringLike={"aws:userid": f"{role_id}:grant_*"}, StringNotEquals={"aws:userid": names})
    account.iam.put_role_policy(RoleName=name, PolicyName="CountersignGuard", PolicyDocument=policy(listed))
    is_dead = account.becomes(False, works(account, dead))
    return yes(both and is_dead and allowed(works(account, live)))


@question("a Deny from a moment on ends a live session at that moment, by name and by source identity")
def dated(account):
    told = {}
    for by in ["aws:userid", "aws:SourceIdentity"]:
        name, role, role_id, keys = open_role(account, by[4:].lower(), all=policy(allow("*")))
        at = account.deadline()
        who = f"{role_id}:alice" if by == "aws:userid" else "person_trial"
        from_then = deny("*", StringEquals={by: who}, DateGreaterThanEqualsIfExists={"aws:CurrentTime": literal(at)})
        account.iam.put_role_policy(RoleName=name, PolicyName="deny", PolicyDocument=policy(from_then))
        session = account.assume(keys, role, "alice", SourceIdentity="person_trial")
        before = account.becomes(True, works(account, session))
        account.wait_until(at)
        told[by] = (before, allowed(works(account, session)))
    return yes(all(it == (True, False) for it in told.values()), f"before and after: {told}")


@question("such a Deny ends the session in S3 and EC2 as well")
def dated_elsewhere(account):
    if is_stand_in(account.sts):
        raise CannotAsk("the stand-in has IAM and STS alone")
    name, role, role_id, keys = open_role(account, "elsewhere", all=policy(allow("*")))
    at = account.deadline()
    from_then = deny("*", StringEquals={"aws:userid": f"{role_id}:alice"}, DateGreaterThanEqualsIfExists={"aws:CurrentTime": literal(at)})
    account.iam.put_role_policy(RoleName=name, PolicyName="deny", PolicyDocument=policy(from_then))
    session = account.assume(keys, role, "alice")
    calls = [account.client("s3", session).list_buckets, account.client("ec2", session).describe_regions]
    before = [account.becomes(True, call) for call in calls]
    account.wait_until(at)
    after = [allowed(call) for call in calls]
    return yes(all(before) and not any(after), f"S3 and EC2 before: {before}, after: {after}")


@question("a session's own policy ends it at the moment that it names")
def session_policy(account):
    _, role, _, keys = open_role(account, "scoped", all=policy(allow("*")))
    at = account.deadline()
    until = deny("*", DateGreaterThanEqualsIfExists={"aws:CurrentTime": literal(at)})
    answer = account.client("sts", keys).assume_role(
        RoleArn=role, RoleSessionName="grant_trial", DurationSeconds=900, Policy=policy(allow("*"), until)
    )
    before = account.becomes(True, works(account, answer["Credentials"]))
    account.wait_until(at)
    after = allowed(works(account, answer["Credentials"]))
    return yes(before and not after, f"PackedPolicySize {answer.get('PackedPolicySize')} %")


@question("a session's Deny and its managed policies count together, and the Deny alone allows nothing")
def union(account):
    _, role, _, keys = open_role(account, "managed", all=policy(allow("*")))
    at = account.deadline() + timedelta(seconds=account.patience)
    until = policy(deny("*", DateGreaterThanEqualsIfExists={"aws:CurrentTime": literal(at)}))
    arns = [{"arn": f"arn:{account.partition}:iam::aws:policy/ReadOnlyAccess"}]
    both = account.assume(keys, role, "grant_both", Policy=until, PolicyArns=arns)
    alone = account.assume(keys, role, "grant_alone", Policy=until)
    return yes(account.becomes(True, works(account, both)) and not allowed(works(account, alone)))


@question("the largest policies of a session take no more than 90 % of what it may carry")
def packed(account):
    _, role, _, keys = open_role(account, "packed")
    until = deny("*", DateGreaterThanEqualsIfExists={"aws:CurrentTime": "2026-01-01T00:00:00Z"})
    role_wide = policy(allow("*"), until)
    # Names that pack badly, as ids do.
    buckets = [f"arn:{account.partition}:s3:::{n * 2654435761 % 2**64:016x}/*" for n in range(1, 40)]
    large = policy(allow(["s3:GetObject"], buckets), until)
    sizes = []
    for text in [role_wide, large]:
        try:
            answer = account.client("sts", keys).assume_role(RoleArn=role, RoleSessionName="grant_trial", Policy=text)
            sizes.append(f"{len(text)} characters: {answer.get('PackedPolicySize')} %")
        except ClientError as error:
            sizes.append(f"{len(text)} characters: {code(error)}")
    return yes("PackedPolicyTooLarge" not in sizes[0], "; ".join(sizes))


@question("a role's own Deny of sts:AssumeRole on itself keeps its sessions from assuming it under another name")
def juggling(account):
    name, role, _ = account.role("juggler", trusting(account.root()), all=policy(allow("*")))
    _, _, keys = account.user("juggler", may=policy(allow("sts:AssumeRole", role)))
    account.eventually(account.client("sts", keys).assume_role, RoleArn=role, RoleSessionName="grant_trial")
    sts = account.client("sts", account.assume(keys, role, "grant_trial"))
    before = account.becomes(True, sts.assume_role, RoleArn=role, RoleSessionName="zzz")
    shield = deny(["iam:Put*", "iam:Delete*", "sts:AssumeRole"], role)
    account.iam.put_role_policy(RoleName=name, PolicyName="shield", PolicyDocument=policy(shield))
    return yes(before and account.becomes(False, sts.assume_role, RoleArn=role, RoleSessionName="zzz"))


@question("an explicit Deny of a role's own policy is told as one, also where nothing allows the call; without it, that nothing allows it")
def told_deny(account):
    name, role, role_id, keys = open_role(account, "probed", all=policy(allow("*")))
    reads = policy(allow("iam:GetRole", role))
    guard = deny("*", StringLike={"aws:userid": [f"{role_id}:grant_*"]})
    told = {}
    for case in ["neither", "denied", "denied and not allowed", "not allowed"]:
        if case == "denied":
            account.iam.put_role_policy(RoleName=name, PolicyName="CountersignGuard", PolicyDocument=policy(guard))
        if case == "denied and not allowed":
            account.iam.delete_role_policy(RoleName=name, PolicyName="all")
        if case == "not allowed":
            account.iam.delete_role_policy(RoleName=name, PolicyName="CountersignGuard")
        account.settle()
        session = account.assume(keys, role, "grant_probe", Policy=reads, DurationSeconds=900)
        try:
            account.client("iam", session).get_role(RoleName=name)
            told[case] = "allowed"
        except ClientError as error:
            message = error.response["Error"]["Message"]
            kinds = ["explicit deny in an identity-based policy", "because no identity-based policy"]
            told[case] = next((kind for kind in kinds if kind in message), message)
    wanted = ["allowed", "explicit deny in an identity-based policy", "explicit deny in an identity-based policy", "because no identity-based policy"]
    return yes(list(told.values()) == wanted, str(told))


# --- the console's sign-in


PLACES = {
    "aws": "https://signin.aws.amazon.com/federation",
    "aws-us-gov": "https://signin.amazonaws-us-gov.com/federation",
    "aws-cn": "https://signin.amazonaws.cn/federation",
}


def sign_in(account, keys, **more):
    """Whether the federation endpoint gives a token for a session, asked by POST."""
    endpoint = account.sts.meta.endpoint_url.rstrip("/")
    place = f"{endpoint}/federation" if is_stand_in(account.sts) else PLACES[account.partition]
    session = {"sessionId": keys["AccessKeyId"], "sessionKey": keys["SecretAccessKey"], "sessionToken": keys["SessionToken"]}
    form = urllib.parse.urlencode({"Action": "getSigninToken", "Session": json.dumps(session)} | more).encode()
    try:
        with urllib.request.urlopen(place, form, timeout=20) as answer:
            return "SigninToken" in json.load(answer)
    except HTTPError as error:
        if error.code >= 500:
            raise CannotAsk(f"the sign-in answers {error.code}") from error
        return False
    except OSError as error:
        raise CannotAsk(f"the sign-in cannot be reached: {error}") from error


def chained(account):
    """A role, and the keys of a session that assumes it."""
    _, hub, _, keys = open_role(account, f"hub-{account.next()}", all=policy(allow("*")))
    session = account.assume(keys, hub, "countersign")
    _, target, _ = account.role(f"target-{account.next()}", trusting(hub))
    account.eventually(account.client("sts", session).assume_role, RoleArn=target, RoleSessionName="grant_trial")
    return target, session


@question("the sign-in makes a link for a chained session without durations")
def federation(account):
    target, session = chained(account)
    return yes(sign_in(account, account.assume(session, target, "grant_trial")))


@question("the sign-in refuses a chained session that was asked for with DurationSeconds, or a link with SessionDuration")
def federation_with_durations(account):
    target, session = chained(account)
    timed = sign_in(account, account.assume(session, target, "grant_trial", DurationSeconds=900))
    asked = sign_in(account, account.assume(session, target, "grant_trial"), SessionDuration="900")
    return yes(not timed and not asked, f"with DurationSeconds: {timed}; with SessionDuration: {asked}")


# --- a second factor


def one_time_code(seed, counter):
    """RFC 6238: the code of a period of 30 seconds."""
    mac = hmac.new(base64.b32decode(seed), struct.pack(">Q", counter), hashlib.sha1).digest()
    at = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[at : at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


@question("the second factor that AssumeRole is given as parameters is seen by identity policies", relied_on=None)
def second_factor(account):
    if is_stand_in(account.sts):
        raise CannotAsk("the stand-in makes no devices")
    name, _, _ = account.user("factor")
    device = account.iam.create_virtual_mfa_device(Path=PATH, VirtualMFADeviceName=name)["VirtualMFADevice"]
    serial, seed = device["SerialNumber"], device["Base32StringSeed"]
    _, role, _ = account.role("factor", trusting(account.root()))
    with_factor = allow("sts:AssumeRole", role, Bool={"aws:MultiFactorAuthPresent": "true"})
    account.iam.put_user_policy(UserName=name, PolicyName="factor", PolicyDocument=policy(with_factor))
    now = int(time.time() // 30)
    codes = [one_time_code(seed, now - 1), one_time_code(seed, now)]
    account.iam.enable_mfa_device(UserName=name, SerialNumber=serial, AuthenticationCode1=codes[0], AuthenticationCode2=codes[1])
    keys = account.iam.create_access_key(UserName=name)["AccessKey"]
    account.settle()
    ends = time.monotonic() + account.patience + 60
    while time.monotonic() < ends:
        # Each code is good once.
        time.sleep(31)
        factor = {"SerialNumber": serial, "TokenCode": one_time_code(seed, int(time.time() // 30))}
        if allowed(account.client("sts", keys).assume_role, RoleArn=role, RoleSessionName="trial", **factor):
            return yes(True)
    return yes(False)


# --- quotas, tags, lag


def spaced(account, role, make):
    """Whether an inline policy is taken that has its most characters without the white space that `make` puts in."""
    name, _, _ = account.role(role, trusting(account.root()))
    text = policy(deny("s3:GetObject", [f"arn:{account.partition}:s3:::{n:04}{'x' * 40}" for n in range(150)]))
    return yes(allowed_size(account.iam.put_role_policy, RoleName=name, PolicyName="p", PolicyDocument=make(text)))


@question("white space between the words of an inline policy does not count")
def white_space(account):
    return spaced(account, "spaces", lambda text: text.replace('","', '", ' + " " * 20 + '"'))


@question("white space inside a string of an inline policy does not count", relied_on=None)
def white_space_inside(account):
    return spaced(account, "spaces-inside", lambda text: text.replace("0149", "0149" + " " * 2_000))


def allowed_size(call, **params):
    try:
        call(**params)
    except ClientError as error:
        if code(error) == "LimitExceeded":
            return False
        raise
    return True


@question("aws:ResourceTag confines every write that Countersign makes on roles")
def tags(account):
    tagged, _, _ = account.role("tagged", trusting(account.root()), tags=[("countersign", "managed")])
    bare, _, _ = account.role("bare", trusting(account.root()))
    actions = ["iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:UpdateAssumeRolePolicy"]
    confined = allow(actions, StringEquals={"aws:ResourceTag/countersign": "managed"})
    _, _, keys = account.user("confined", confined=policy(confined))
    iam = account.client("iam", keys)
    writes = {
        "PutRolePolicy": (iam.put_role_policy, {"PolicyName": "p", "PolicyDocument": policy(deny("s3:GetObject"))}),
        "UpdateAssumeRolePolicy": (iam.update_assume_role_policy, {"PolicyDocument": trusting(account.root())}),
        "DeleteRolePolicy": (iam.delete_role_policy, {"PolicyName": "p"}),
    }
    first, params = writes["PutRolePolicy"]
    account.eventually(first, RoleName=tagged, **params)
    told = {
        name: (allowed(call, RoleName=tagged, **params), allowed(call, RoleName=bare, **params))
        for name, (call, params) in writes.items()
    }
    return yes(all(it == (True, False) for it in told.values()), f"tagged and bare: {told}")


@question("aws:ResourceTag confines every write that Countersign makes on users")
def tags_of_users(account):
    if is_stand_in(account.sts):
        raise CannotAsk("the stand-in's users have no tags")
    tagged, _, _ = account.user("tagged")
    bare, _, _ = account.user("bare")
    account.iam.tag_user(UserName=tagged, Tags=[{"Key": "countersign", "Value": "managed"}])
    confined = allow(["iam:PutUserPolicy", "iam:DeleteUserPolicy"], StringEquals={"aws:ResourceTag/countersign": "managed"})
    _, _, keys = account.user("confined-too", confined=policy(confined))
    iam = account.client("iam", keys)
    put = {"PolicyName": "p", "PolicyDocument": policy(deny("s3:GetObject"))}
    account.eventually(iam.put_user_policy, UserName=tagged, **put)
    told = {
        "PutUserPolicy": (allowed(iam.put_user_policy, UserName=tagged, **put), allowed(iam.put_user_policy, UserName=bare, **put)),
        "DeleteUserPolicy": tuple(allowed(iam.delete_user_policy, UserName=name, PolicyName="p") for name in [tagged, bare]),
    }
    return yes(all(it == (True, False) for it in told.values()), f"tagged and bare: {told}")


@question("GetAccountAuthorizationDetails shows an inline policy within five minutes of its writing")
def details(account):
    name, _, _ = account.user("detailed", own=policy(allow(READ)))
    begun = time.monotonic()
    while time.monotonic() < begun + 300:
        users = account.pages("get_account_authorization_details", "UserDetailList", Filter=["User"])
        own = [it for it in users if it["UserName"] == name]
        if own and own[0].get("UserPolicyList"):
            return yes(True, f"after {time.monotonic() - begun:.0f} s")
        time.sleep(5)
    return yes(False)


@question("a call that was signed more than 15 minutes ago is refused")
def delayed(account):
    import botocore.auth

    clock = getattr(botocore.auth, "get_current_datetime", None)
    if clock is None:
        raise CannotAsk("this botocore signs in another way")
    told = {}
    for minutes in [6, 16]:
        botocore.auth.get_current_datetime = lambda *given, **named: clock(*given, **named) - timedelta(minutes=minutes)
        try:
            account.client("iam").get_account_summary()
            told[minutes] = "taken"
        except ClientError as error:
            told[minutes] = code(error)
        finally:
            botocore.auth.get_current_datetime = clock
    return yes(told[16] != "taken", "; ".join(f"after {minutes} minutes: {what}" for minutes, what in told.items()))


# --- what takes more than one account, a browser or a service

BROWSER = "it needs a person with a browser"
TWO = "it needs a second account"
cannot("sts:RoleSessionName and aws:userid are seen by the identity policy of who assumes from another account", TWO)
cannot("a session's own policy binds the keys that the console makes", BROWSER)
cannot("a Deny by name ends the sessions that the console made of a link", BROWSER)
cannot("Switch Role sends the user's name as the session's name", BROWSER)
cannot("Switch Role sends the session's own name from a session of a role, of IAM Identity Center and of SAML", BROWSER)
cannot("aws:TokenIssueTime of a long console session stays that of the sign-in", BROWSER)
cannot("`aws login` from a console session of the role keeps the session's name", BROWSER)
cannot("BatchRevokeSessions of the sign-in ends what the guard does not", BROWSER)
cannot("rds-db:connect sends aws:CurrentTime", "it needs a database of RDS")
cannot("a late Put lands after a Delete of the same policy", "nobody can make AWS carry a call out late")
