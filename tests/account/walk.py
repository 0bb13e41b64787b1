"""Every method from the request to the end, with a Countersign of its own: a throw-away Postgres, `serve` on loopback, a manager role
that has what `aws-setup` prints and nothing else."""

import json
import math
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote

from account import PATH, allow, allowed, policy, trusting
from botocore.exceptions import ClientError, CredentialRetrievalError
from elevated import profile

PROGRAM = os.environ["COUNTERSIGN"]
PG_BIN = Path(os.environ["COUNTERSIGN_PG_BIN"])
READ = "iam:GetAccountSummary"
# Ours would be read by the program, and the account's own credentials are not for it.
NOT_OURS = re.compile(r"^(COUNTERSIGN_|DATABASE_URL$|AWS_(PROFILE|DEFAULT_PROFILE|SESSION_TOKEN|ACCESS_KEY_ID|SECRET_ACCESS_KEY)$)")


class Failed(Exception):
    """A step that did not go as it should."""


# --- Postgres


def as_somebody(folder):
    """Postgres refuses root."""
    if os.getuid() != 0:
        return []
    names = [it.pw_name for it in pwd.getpwall()]
    uid = pwd.getpwnam("postgres" if "postgres" in names else "nobody").pw_uid
    mapped = ["unshare", "--user", f"--map-user={uid}", f"--map-group={uid}"]
    if subprocess.run([*mapped, "true"], capture_output=True, check=False).returncode == 0:
        return mapped
    shutil.chown(folder, uid)
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]


@contextmanager
def postgres():
    """A cluster on a socket of its own; the folder that the socket is in."""
    folder = Path(tempfile.mkdtemp(prefix="countersign-trial-"))
    prefix = as_somebody(folder)
    data = folder / "data"
    try:
        init = ["--no-sync", "--auth=trust", "--locale=C", "--encoding=UTF8", "--username=postgres", "-D", data]
        quiet([*prefix, PG_BIN / "initdb", *init])
        server = [*prefix, PG_BIN / "postgres", "-D", data, "-k", folder, "-p", "5432", "-c", "listen_addresses="]
        with open(folder / "log", "w") as log, tied(server, "QUIT", stdout=log, stderr=log):
            ready(folder)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def ready(folder):
    for _ in range(100):
        try:
            return psql(folder, "SELECT 1")
        except Failed:
            time.sleep(0.1)
    raise Failed((folder / "log").read_text())


# Waits on a pipe that this process holds, so that the program goes with it even after SIGKILL.
TIED = """exec 3<&0; "$@" 3<&- </dev/null & child=$!
{ read -r _ <&3; kill -$SIGNAL "$child"; } >/dev/null 2>&1 &
exec 3<&-; wait "$child" """


@contextmanager
def tied(command, signal, env=None, **more):
    """A program that runs until the block is left."""
    env = (env or os.environ) | {"SIGNAL": signal}
    shell = ["sh", "-c", TIED, "sh", *map(str, command)]
    # A session of its own: who presses Ctrl-C means this process alone.
    with subprocess.Popen(shell, env=env, stdin=subprocess.PIPE, start_new_session=True, text=True, **more) as running:
        try:
            yield running
        finally:
            running.stdin.close()
            running.wait(30)


def quiet(command, **more):
    # Into files, since a server that goes on would keep a pipe open.
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, check=False, **more)
        out.seek(0), err.seek(0)
        if done.returncode != 0:
            raise Failed(f"{' '.join(map(str, command[:3]))}: {out.read()}{err.read()}")
        return out.read()


def psql(folder, sql, database="postgres"):
    quiet([PG_BIN / "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-h", folder, "-p", "5432", "-U", "postgres", "-d", database, "-c", sql])


def url(folder, role):
    return f"postgres://{role}@{quote(str(folder), safe='')}:5432/countersign"


# --- Countersign


class Countersign:
    """The program, as its hub."""

    def __init__(self, account, folder, keys):
        self.account, self.folder = account, folder
        # P: what IAM took at first, and as much again.
        propagation = math.ceil(2 * account.lag)
        self.env = {name: value for name, value in os.environ.items() if not NOT_OURS.match(name)} | {
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_REGION": account.own.region_name or "us-east-1",
            "COUNTERSIGN_AWS__PROPAGATION_MARGIN": f"PT{propagation}S",
            "COUNTERSIGN_SERVER__LISTEN": "127.0.0.1:0",
            "RUST_LOG": os.environ.get("RUST_LOG", "error"),
        }

    def command(self, role, *arguments):
        env = self.env | {"COUNTERSIGN_DATABASE__URL": url(self.folder, role)}
        return quiet([PROGRAM, *arguments], env=env)

    def migrate(self):
        psql(self.folder, "CREATE ROLE countersign_owner LOGIN CREATEROLE")
        psql(self.folder, "CREATE DATABASE countersign OWNER countersign_owner")
        self.command("countersign_owner", "migrate")
        psql(self.folder, "CREATE ROLE serves LOGIN IN ROLE countersign_app", "countersign")
        psql(self.folder, "CREATE ROLE keeps LOGIN IN ROLE countersign_catalog", "countersign")

    def apply(self, catalog):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(catalog)
            file.flush()
            self.command("keeps", "catalog", "apply", file.name)

    def token(self, name):
        email = f"{name}@example.com"
        return self.command("keeps", "token", "create", "--person", email, "--name", "trial").strip()

    @contextmanager
    def serve(self):
        env = self.env | {"COUNTERSIGN_DATABASE__URL": url(self.folder, "serves")}
        with tied([PROGRAM, "serve"], "TERM", env=env, stdout=subprocess.PIPE) as served:
            said = served.stdout.readline()
            found = re.search(r"listening on (http://\S+?)\)", said)
            if not found:
                raise Failed(f"serve did not start: {said}")
            yield found[1]


class Api:
    def __init__(self, address, tokens):
        self.address, self.tokens = address, tokens

    def call(self, who, path, body=None):
        request = urllib.request.Request(f"{self.address}/api/v1{path}", method="GET" if body is None else "POST")
        request.add_header("Authorization", f"Bearer {self.tokens[who]}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise Failed(f"{path}: {error.code} {error.read().decode()}") from error

    def opened(self, entitlement, patience, duration="PT15M"):
        """Asked, approved and open: the grant's id."""
        ask = {"entitlement": entitlement, "duration": duration, "justification": "The acceptance walk."}
        request = self.call("alice", "/requests", ask)
        approved = self.call("bob", f"/requests/{request['id']}/approve", {})
        self.reaches(approved["grant_id"], "active", patience)
        return approved["grant_id"]

    def ended(self, grant, patience):
        self.call("alice", f"/grants/{grant}/end", {})
        self.reaches(grant, "ended", patience)

    def reaches(self, grant, state, patience):
        ends = time.monotonic() + patience
        while (told := self.call("alice", f"/grants/{grant}"))["state"] != state:
            if told["state"] in ("ended", "failed") or time.monotonic() > ends:
                raise Failed(f"{told['state']}, not {state}: {json.dumps(told)}")
            time.sleep(0.5)


# --- the account


class Stage:
    """What the catalog names: a person with a user, three roles, the manager role."""

    def __init__(self, account):
        self.account = account
        self.hub, self.hub_arn, self.hub_keys = account.user("hub")
        self.alice, self.alice_arn, self.alice_keys = account.user("alice")
        nobody = policy({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"})
        may = policy(allow(READ))
        self.manager = account.arn("role", f"{account.name}-manager")
        self.trusted = account.role("trusted", nobody, may=may)[1]
        self.switched = account.role("switched-to", trusting(account.root()), may=may)[1]
        self.assumed, self.assumed_arn, _ = account.role("handed-out", nobody, may=may)

    def catalog(self):
        people = "".join(
            f'[[people]]\nissuer = "https://id.example.com"\nsubject = "{name}"\nname = "{name.title()}"\n'
            f'email = "{name}@example.com"\ngroups = ["{group}"]\n{more}\n'
            for name, group, more in [("alice", "asks", f'principals = ["{self.alice_arn}"]'), ("bob", "approves", "")]
        )
        opens = [
            ("trial-trust-policy", "trust_policy", f'role_arn = "{self.trusted}"'),
            ("trial-switch", "switch", f'role_arn = "{self.switched}"'),
            ("trial-sts-credentials", "sts_credentials", f'role_arn = "{self.assumed_arn}"'),
            ("trial-attach", "attach", f"account = \"{self.account.id}\"\npolicy = '{policy(allow(READ))}'"),
        ]
        entitlements = "".join(
            f'[[entitlements]]\nname = "{name}"\nmethod = "{method}"\n{what}\nmin_duration = "PT5M"\nmax_duration = "PT1H"\n'
            f'requester_group = "asks"\napprover_group = "approves"\n'
            for name, method, what in opens
        )
        account = f'[[accounts]]\nid = "{self.account.id}"\nname = "Trial"\nmanager_role = "{self.manager}"\nexternal_id = true\n'
        return account + people + entitlements

    def set_up(self, countersign):
        """The manager role and the trust statements as `aws-setup` prints them."""
        account = self.account
        printed = json.loads(countersign.command("keeps", "aws-setup", "--account", account.id, "--hub", self.hub_arn))
        role = printed["Resources"]["CountersignManager"]["Properties"]
        if role["Path"] != PATH:
            raise Failed(f"aws-setup has the path {role['Path']}")
        policies = {it["PolicyName"]: json.dumps(it["PolicyDocument"]) for it in role["Policies"]}
        account.role("manager", json.dumps(role["AssumeRolePolicyDocument"]), **policies)
        enter = policy(allow("sts:AssumeRole", self.manager))
        account.iam.put_user_policy(UserName=self.hub, PolicyName="enter", PolicyDocument=enter)
        [statements] = printed["Metadata"]["TrustStatementsOfRoles"].values()
        account.eventually(
            account.iam.update_assume_role_policy, RoleName=self.assumed, PolicyDocument=policy(*statements)
        )
        account.settle()


# --- the methods


def doctor(countersign):
    """IAM may take a while to follow what was set up."""
    ends = time.monotonic() + patience(countersign.account)
    while True:
        try:
            return countersign.command("serves", "doctor")
        except Failed:
            if time.monotonic() > ends:
                raise
            time.sleep(2)


def by_role(stage, api, name, role):
    """trust_policy and switch: alice assumes the role with her own key, under the grant's name."""
    account = stage.account
    sts = account.client("sts", stage.alice_keys)
    ask = {"RoleArn": role, "RoleSessionName": "trial"}
    need(not allowed(sts.assume_role, **ask), "the role lets her in before anything was approved")
    grant = api.opened(name, patience(account))
    ask["RoleSessionName"] = grant
    need(account.eventually_allowed(sts.assume_role, **ask), "she cannot assume the role")
    session = sts.assume_role(**ask)["Credentials"]
    read = account.client("iam", session).get_account_summary
    need(account.becomes(True, read), "her session can do nothing")
    api.ended(grant, patience(account))
    need(account.becomes(False, read), "her session still works after the end")
    need(account.becomes(False, sts.assume_role, **ask), "she can still assume the role after the end")


def attach(stage, api):
    account = stage.account
    read = account.client("iam", stage.alice_keys).get_account_summary
    need(not allowed(read), "she may read before anything was approved")
    grant = api.opened("trial-attach", patience(account))
    need(account.becomes(True, read), "she may not read while the grant is open")
    api.ended(grant, patience(account))
    need(account.becomes(False, read), "she may still read after the end")


def sts_credentials(stage, api):
    account = stage.account
    grant = api.opened("trial-sts-credentials", patience(account))
    keys = api.call("alice", f"/grants/{grant}/credentials", {})
    read = account.client("iam", keys).get_account_summary
    need(account.becomes(True, read), "the credentials can do nothing")
    link = api.call("alice", f"/grants/{grant}/console-link", {})
    need("SigninToken=" in json.dumps(link), "there is no link to the console")
    api.ended(grant, patience(account))
    need(account.becomes(False, read), "the credentials still work after the end")


def credential_process(stage, api):
    """With less than ten minutes left, botocore asks anew at every call (boto/botocore#2189): none may be turned away."""
    account, calls = stage.account, 50
    grant = api.opened("trial-sts-credentials", patience(account), "PT5M")
    region = account.own.region_name or "us-east-1"
    with profile(api.address, grant, api.tokens["alice"], region) as tools:
        need(account.becomes(True, tools.read), "the credentials can do nothing")
        tools.used.clear()
        for _ in range(calls):
            tools.read()
        need(len(tools.used) == calls, f"{calls} calls were signed with {len(tools.used)} keys")
        said = tools.command_line()
        need(not said, f"the AWS CLI: {said}")
        api.ended(grant, patience(account))
        need(tools.gives_nothing(), "a tool still gets credentials after the end")
        need(tools.command_line(), "the AWS CLI still gets credentials after the end")


def patience(account):
    return 60 + 6 * account.patience


def need(is_so, otherwise):
    if not is_so:
        raise Failed(otherwise)


def all_methods(account):
    """Every method, each by its name; how many did not go their way."""
    try:
        with postgres() as folder:
            return walk(account, folder)
    except (Failed, ClientError) as why:
        print(f"  could not begin: {why}")
        return 1


def walk(account, folder):
    stage = Stage(account)
    countersign = Countersign(account, folder, stage.hub_keys)
    countersign.migrate()
    countersign.apply(stage.catalog())
    stage.set_up(countersign)
    for keys in [stage.hub_keys, stage.alice_keys]:
        account.eventually(account.client("sts", keys).get_caller_identity)
    wrong = tell("doctor finds everything that aws-setup gives", lambda: doctor(countersign))
    tokens = {name: countersign.token(name) for name in ["alice", "bob"]}
    with countersign.serve() as address:
        api = Api(address, tokens)
        wrong += tell("trust_policy", lambda: by_role(stage, api, "trial-trust-policy", stage.trusted))
        wrong += tell("switch", lambda: by_role(stage, api, "trial-switch", stage.switched))
        wrong += tell("attach", lambda: attach(stage, api))
        wrong += tell("sts_credentials", lambda: sts_credentials(stage, api))
        wrong += tell("credential_process", lambda: credential_process(stage, api))
    return wrong


def tell(name, step):
    try:
        step()
    except (Failed, ClientError, CredentialRetrievalError) as why:
        print(f"  {name}: no ({why})", flush=True)
        return 1
    print(f"  {name}: yes", flush=True)
    return 0
