"""Drives the sandbox with boto3, as somebody's own script would.

    sandbox.py target/debug/countersign     starts a sandbox of its own
    AWS_ENDPOINT_URL=… sandbox.py           uses one that was seeded with seed.toml

Ends with an error at the first difference. moto is the second opinion on the wire format: what it puts into an answer, the sandbox does too.
"""

import json
import logging
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/prod-admin"
SEED = Path(__file__).with_name("seed.toml")


def client(url, service, key, secret, token=None):
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}),
    )


def user(url, service, name):
    return client(url, service, f"AKIA{name.upper()}", f"secret-of-{name}")


def session(url, service, keys):
    return client(url, service, keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])


def equal(actual, expected):
    if actual != expected:
        raise AssertionError(f"{actual!r} is not {expected!r}")


def refused(code, call, **params):
    try:
        call(**params)
    except ClientError as error:
        equal(error.response["Error"]["Code"], code)
    else:
        raise AssertionError(f"{call.__name__} went through; it should be {code}")


def statement(effect, **more):
    return {"Version": "2012-10-17", "Statement": [{"Effect": effect, **more}]}


def trusting(principal, action="sts:AssumeRole"):
    return json.dumps(statement("Allow", Principal={"AWS": principal}, Action=action))


def sessions(url):
    """Who gets a session, and what ends it."""
    alice = user(url, "sts", "alice")
    equal(alice.get_caller_identity()["Arn"], f"arn:aws:iam::{ACCOUNT}:user/alice")
    answer = alice.assume_role(RoleArn=ROLE, RoleSessionName="alice", DurationSeconds=43200)
    left = answer["Credentials"]["Expiration"] - datetime.now(timezone.utc)
    equal(timedelta(hours=11, minutes=59) < left <= timedelta(hours=12), True)
    equal(answer["AssumedRoleUser"]["Arn"], f"arn:aws:sts::{ACCOUNT}:assumed-role/prod-admin/alice")
    iam = session(url, "iam", answer["Credentials"])
    equal([it["UserName"] for it in iam.list_users()["Users"]], ["admin", "alice"])

    refused("AccessDenied", user(url, "sts", "admin").assume_role, RoleArn=ROLE, RoleSessionName="admin")
    refused("ValidationError", alice.assume_role, RoleArn=ROLE, RoleSessionName="no spaces")
    refused("AccessDenied", user(url, "iam", "alice").list_users)
    refused("SignatureDoesNotMatch", client(url, "sts", "AKIAALICE", "wrong").get_caller_identity)
    refused("InvalidClientTokenId", client(url, "sts", "AKIANOBODY", "x").get_caller_identity)
    device = {"SerialNumber": f"arn:aws:iam::{ACCOUNT}:mfa/alice", "TokenCode": "123456"}
    strong = alice.get_session_token(**device)["Credentials"]
    equal(session(url, "sts", strong).get_caller_identity()["Account"], ACCOUNT)

    admin = user(url, "iam", "admin")
    deny = statement(
        "Deny",
        Action="*",
        Resource="*",
        Condition={
            "StringEquals": {"aws:userid": answer["AssumedRoleUser"]["AssumedRoleId"]},
            "DateGreaterThanEqualsIfExists": {"aws:CurrentTime": "2026-01-01T00:00:00Z"},
        },
    )
    admin.put_role_policy(RoleName="prod-admin", PolicyName="Guard", PolicyDocument=json.dumps(deny))
    refused("AccessDenied", iam.list_users)
    equal(admin.get_role_policy(RoleName="prod-admin", PolicyName="Guard")["PolicyDocument"], deny)
    equal(admin.list_role_policies(RoleName="prod-admin")["PolicyNames"], ["Guard", "all"])
    admin.delete_role_policy(RoleName="prod-admin", PolicyName="Guard")
    iam.list_users()


def documents(url):
    """What IAM takes, and how it gives it back."""
    admin = user(url, "iam", "admin")
    before = admin.get_role(RoleName="prod-admin")["Role"]["AssumeRolePolicyDocument"]
    equal(before["Statement"][0]["Sid"], "Alice")
    for text in ["{", trusting(f"arn:aws:iam::{ACCOUNT}:user/ghost"), '{"Version":"2012-10-17","Statement":[]}']:
        refused("MalformedPolicyDocument", admin.update_assume_role_policy, RoleName="prod-admin", PolicyDocument=text)
    full = trusting(ACCOUNT).replace('"Version"', f'"Id":"{"x" * 2048}","Version"')
    refused("LimitExceeded", admin.update_assume_role_policy, RoleName="prod-admin", PolicyDocument=full)
    refused("NoSuchEntity", admin.get_role, RoleName="ghost")
    equal(admin.get_role(RoleName="prod-admin")["Role"]["AssumeRolePolicyDocument"], before)
    equal(admin.get_account_summary()["SummaryMap"]["AssumeRolePolicySizeQuota"], 2048)


def everything(url):
    """The ordinary life of a role and a user: every answer, for comparison."""
    iam, sts = user(url, "iam", "admin"), user(url, "sts", "admin")
    policy = {"PolicyName": "p", "PolicyDocument": json.dumps(statement("Allow", Action="*", Resource="*"))}
    role, carol = {"RoleName": "life"}, {"UserName": "carol"}
    named = trusting(ACCOUNT, ["sts:AssumeRole", "sts:SetSourceIdentity"])
    # As Countersign asks for the sessions that it hands out.
    handed_out = {
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/life",
        "RoleSessionName": "grant_1",
        "SourceIdentity": "person_1",
        "Policy": policy["PolicyDocument"],
        "PolicyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}],
        "DurationSeconds": 900,
    }
    calls = [
        ("CreateUser", iam.create_user, carol),
        ("GetUser", iam.get_user, carol),
        ("ListUsers", iam.list_users, {}),
        ("PutUserPolicy", iam.put_user_policy, carol | policy),
        ("GetUserPolicy", iam.get_user_policy, carol | {"PolicyName": "p"}),
        ("ListUserPolicies", iam.list_user_policies, carol),
        ("CreateAccessKey", iam.create_access_key, carol),
        ("ListAccessKeys", iam.list_access_keys, carol),
        ("CreateRole", iam.create_role, role | {"AssumeRolePolicyDocument": trusting(f"arn:aws:iam::{ACCOUNT}:root")}),
        ("UpdateRole", iam.update_role, role | {"Description": "a role", "MaxSessionDuration": 7200}),
        ("TagRole", iam.tag_role, role | {"Tags": [{"Key": "team", "Value": "sre"}]}),
        ("GetRole", iam.get_role, role),
        ("ListRoles", iam.list_roles, {}),
        ("ListRoleTags", iam.list_role_tags, role),
        ("UpdateAssumeRolePolicy", iam.update_assume_role_policy, role | {"PolicyDocument": named}),
        ("PutRolePolicy", iam.put_role_policy, role | policy),
        ("GetRolePolicy", iam.get_role_policy, role | {"PolicyName": "p"}),
        ("ListRolePolicies", iam.list_role_policies, role),
        ("GetAccountSummary", iam.get_account_summary, {}),
        ("GetCallerIdentity", sts.get_caller_identity, {}),
        ("GetSessionToken", sts.get_session_token, {}),
        ("AssumeRole", sts.assume_role, handed_out),
        ("DeleteRolePolicy", iam.delete_role_policy, role | {"PolicyName": "p"}),
        ("DeleteRole", iam.delete_role, role),
        ("DeleteUserPolicy", iam.delete_user_policy, carol | {"PolicyName": "p"}),
    ]
    answers = {name: call(**params) for name, call, params in calls}
    key = answers["CreateAccessKey"]["AccessKey"]["AccessKeyId"]
    answers["DeleteAccessKey"] = iam.delete_access_key(**carol, AccessKeyId=key)
    answers["DeleteUser"] = iam.delete_user(**carol)
    return answers


def shape(value, path=""):
    """Every path in an answer, with the type at its end. Documents and the entries of a map differ by their nature."""
    if isinstance(value, dict) and not path.endswith(("Document", "SummaryMap")):
        for name, inner in value.items():
            if name != "ResponseMetadata":
                yield from shape(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from shape(inner, f"{path}[]")
    else:
        yield f"{path}: {type(value).__name__}"


def second_opinion(ours):
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        theirs = everything(f"http://{host}:{port}")
    finally:
        server.stop()
    for name, answer in theirs.items():
        missing = set(shape(answer)) - set(shape(ours[name]))
        if missing:
            raise AssertionError(f"{name}: moto's answer has {sorted(missing)}, ours does not")


def drive(url):
    sessions(url)
    documents(url)
    second_opinion(everything(url))


def main():
    if len(sys.argv) == 1:
        drive(os.environ["AWS_ENDPOINT_URL"])
    else:
        command = [sys.argv[1], "sandbox", "--port", "0", "--seed", str(SEED)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sandbox:
            try:
                drive(sandbox.stdout.readline().strip().removeprefix("AWS_ENDPOINT_URL="))
            finally:
                sandbox.terminate()
    print("boto3: as expected")


main()
