# The python3-openvswitch IDL doing what test/bench/ovsdb-client.ts does, for test/bench/ovsdb.ts.
# usage: ovsdb-client.py SCHEMA REMOTE TRANSACTIONS; prints one JSON object.
import json, resource, sys, time
import ovs.db.idl, ovs.poller

schema, remote, transactions = sys.argv[1], sys.argv[2], int(sys.argv[3])
helper = ovs.db.idl.SchemaHelper(schema)
helper.register_columns("Bridge", ["name", "ports"])
helper.register_columns("Port", ["name", "interfaces", "tag", "external_ids"])
helper.register_columns("Interface", ["name", "type", "options", "external_ids"])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def step(idl):
    poller = ovs.poller.Poller()
    idl.wait(poller)
    poller.block()


start = time.perf_counter()
idl = ovs.db.idl.Idl(remote, helper)
while not idl.has_ever_connected() or not idl.tables["Port"].rows:
    if not idl.run():
        step(idl)
replicated = time.perf_counter() - start
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
with open("/proc/self/statm") as statm:
    resident = int(statm.read().split()[1]) * resource.getpagesize()

ports = [row for _, row in zip(range(100), idl.tables["Port"].rows.values())]
start = time.perf_counter()
for i in range(transactions):
    txn = ovs.db.idl.Transaction(idl)
    ports[i % len(ports)].tag = i % 4000
    status = txn.commit_block()
    if status not in (txn.SUCCESS, txn.UNCHANGED):
        sys.exit(status)
elapsed = time.perf_counter() - start
rows = sum(len(idl.tables[t].rows) for t in ("Bridge", "Port", "Interface"))
print(json.dumps({"rows": rows, "seconds": replicated, "peakBytes": memory * 1024, "residentBytes": resident,
                  "perSecond": transactions / elapsed}))
