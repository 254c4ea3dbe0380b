# QoS policies and rules of each type.
import openstack
from connect import network as c

p = c.create_qos_policy(name='sdk', is_shared=True)
assert p.is_shared and not p.is_default and p.rules == [], p
b = c.create_qos_bandwidth_limit_rule(p, max_kbps=1000, direction='ingress')
assert (b.max_kbps, b.max_burst_kbps, b.direction) == (1000, 0, 'ingress'), b
assert c.update_qos_bandwidth_limit_rule(b, p, max_burst_kbps=50).max_burst_kbps == 50
assert [x.id for x in c.qos_bandwidth_limit_rules(p)] == [b.id]
d = c.create_qos_dscp_marking_rule(p, dscp_mark=46)
assert c.get_qos_dscp_marking_rule(d, p).dscp_mark == 46
m = c.create_qos_minimum_bandwidth_rule(p, min_kbps=10, direction='ingress')
assert sorted(r['type'] for r in c.get_qos_policy(p.id).rules) == ['bandwidth_limit', 'dscp_marking', 'minimum_bandwidth']
try:
    c.create_network(name='sdk', qos_policy_id=p.id)
    raise SystemExit('a network has what no host keeps')
except openstack.exceptions.ConflictException:
    pass
c.delete_qos_minimum_bandwidth_rule(m, p, ignore_missing=False)
n = c.create_network(name='sdk', qos_policy_id=p.id)
q = c.create_port(network_id=n.id)
assert q.qos_policy_id is None and q.qos_network_policy_id == p.id, q
try:
    c.delete_qos_policy(p, ignore_missing=False)
    raise SystemExit('deleted a policy in use')
except openstack.exceptions.ConflictException:
    pass
assert [t.type for t in c.qos_rule_types()] == ['bandwidth_limit', 'dscp_marking', 'packet_rate_limit']
assert c.get_qos_rule_type('dscp_marking').drivers[0]['name'] == 'openvswitch'
c.delete_port(q)
c.delete_network(n)
c.delete_qos_dscp_marking_rule(d, p, ignore_missing=False)
c.delete_qos_bandwidth_limit_rule(b, p, ignore_missing=False)
c.delete_qos_policy(p, ignore_missing=False)
assert c.find_qos_policy('sdk') is None
