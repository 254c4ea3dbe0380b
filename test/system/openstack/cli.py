# Runs the commands of standard input with the installed openstack client, one process for all: its start takes a second.
# Each is {arguments, save, until}: `$name` in an argument is what the command saved under that name has printed; a
# command with `until` is repeated until it prints these texts. Writes a JSON list of {code, out, err}.
import contextlib
import io
import json
import string
import sys
import time

from openstackclient import shell

PATIENCE_SECONDS = 30


def run(arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = shell.main(arguments)
        except SystemExit as error:
            code = error.code
    return {"code": code or 0, "out": out.getvalue(), "err": err.getvalue()}


saved = {}
results = []
for command in json.load(sys.stdin):
    arguments = [string.Template(each).safe_substitute(saved) for each in command["arguments"]]
    result = run(arguments)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and not all(text in result["out"] for text in command.get("until", [])):
        time.sleep(0.2)
        result = run(arguments)
    if "save" in command:
        saved[command["save"]] = result["out"].strip()
    results.append(result)
print(json.dumps(results))
