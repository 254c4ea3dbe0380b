# Runs the commands of standard input (a JSON list of argument lists) with the installed openstack client, one process
# for all: its start takes a second. Writes a JSON list of {code, out, err}.
import contextlib
import io
import json
import sys

from openstackclient import shell


def run(arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = shell.main(arguments)
        except SystemExit as error:
            code = error.code
    return {"code": code or 0, "out": out.getvalue(), "err": err.getvalue()}


print(json.dumps([run(arguments) for arguments in json.load(sys.stdin)]))
