"""Asks an account of AWS what only it can tell, and walks every method through it: see script/real-account.

Ends with 0 where no question was answered against what Countersign relies on, every method went its way and nothing is left in the account.
"""

import argparse
import os
import signal
import sys

import questions
import walk
from account import PATH, Account, CannotAsk, code
from botocore.exceptions import BotoCoreError, ClientError

# Whatever hangs: nothing runs longer, and what was made is removed then as well.
MOST_SECONDS = 45 * 60


class Stopped(BaseException):
    """Told to stop, or out of time."""


def stop(number, _):
    raise Stopped(signal.Signals(number).name)


def arguments():
    parser = argparse.ArgumentParser(prog="script/real-account", description="The acceptance walk on an account of AWS.")
    parser.add_argument("--account", metavar="ID", help="the account's id, which is asked for otherwise")
    parser.add_argument("--clean", action="store_true", help="only remove what an earlier run has left")
    return parser.parse_args()


def confirm(account, given):
    """Nothing is made before somebody has named the account."""
    place = os.environ.get("AWS_ENDPOINT_URL", "AWS")
    print(f"Account {account.id} at {place}, as {account.who}.")
    print(f"IAM users, their keys and roles are made there below {PATH}, and all that is there is removed again.")
    if given is None and sys.stdin.isatty():
        given = input("The account's id, to go on: ").strip()
    if given != account.id:
        sys.exit("script/real-account: the account was not confirmed; nothing was done")


def ask_all(account):
    """Every question with its answer; how many Countersign does not stand on."""
    wrong = 0
    for name, relied_on, ask in questions.ALL:
        try:
            answer, note = ask(account)
        except CannotAsk as why:
            answer, note = f"could not ask: {why}", ""
        except (ClientError, BotoCoreError) as error:
            # Not as it should be: somebody has to look why.
            told = code(error) if isinstance(error, ClientError) else type(error).__name__
            answer, note = f"could not ask: {told}", str(error)
            wrong += 1
        note = f" ({note})" if note else ""
        print(f"  {name}: {answer}{note}", flush=True)
        if answer in ("yes", "no") and relied_on not in (None, answer):
            print(f"    ^ Countersign relies on {relied_on}", flush=True)
            wrong += 1
    return wrong


def run(account):
    account.measure()
    print(f"A new user could assume a new role after {account.lag:.1f} s.")
    print("\nQuestions:")
    wrong = ask_all(account)
    print("\nThe walk:")
    wrong += walk.all_methods(account)
    return wrong


def remove(account, when):
    """Removes everything below our path, and looks whether it is so."""
    left, failed = account.clean()
    for failure in failed:
        print(f"could not be removed: {failure}", file=sys.stderr)
    if left:
        print(f"still in account {account.id}: {', '.join(left)}; script/real-account --clean tries again", file=sys.stderr)
    else:
        print(f"Nothing of it is left in the account{when}.")
    return len(left)


def main():
    given = arguments()
    account = Account()
    confirm(account, given.account)
    if any(account.left()) or given.clean:
        left = remove(account, "")
        if given.clean or left:
            return min(left, 1)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, stop)
    signal.alarm(MOST_SECONDS)
    wrong = 1
    try:
        wrong = run(account)
    except Stopped as why:
        print(f"\nStopped by {why}.", file=sys.stderr)
    finally:
        # Who is impatient waits for this.
        signal.alarm(0)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        wrong += remove(account, " any more")
    if wrong:
        print(f"{wrong} not as Countersign needs it", file=sys.stderr)
    else:
        print("Everything is as Countersign needs it.")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
