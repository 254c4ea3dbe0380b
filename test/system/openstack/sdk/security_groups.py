# Security groups, their rules, address groups.
import openstack
from connect import network as c

g = c.create_security_group(name='sdk', stateful=True)
assert len(g.security_group_rules) == 2, g
r = c.create_security_group_rule(security_group_id=g.id, direction='ingress', ether_type='IPv4', protocol='tcp',
                                 port_range_min=80, port_range_max=80, remote_group_id=g.id)
assert r.remote_group_id == g.id and r.project_id == g.project_id
assert [x.id for x in c.security_group_rules(remote_group_id=g.id)] == [r.id]
assert len(list(c.security_group_rules(security_group_id=g.id, limit=1))) == 3
assert [x.id for x in c.security_groups(name='sdk')] == [g.id] and c.find_security_group('no such group') is None
try:
    c.create_security_group_rule(security_group_id=g.id, direction='ingress', ether_type='IPv4', protocol='6',
                                 port_range_min=80, port_range_max=80, remote_group_id=g.id)
    raise SystemExit('made a rule twice')
except openstack.exceptions.ConflictException:
    pass
c.set_tags(g, ['a'])
assert [x.id for x in c.security_groups(tags='a')] == [g.id]
a = c.create_address_group(name='sdk', addresses=['10.0.0.0/8'])
assert c.add_addresses_to_address_group(a, ['10.1.0.1']).addresses == ['10.0.0.0/8', '10.1.0.1/32']
assert c.remove_addresses_from_address_group(a, ['10.0.0.0/8']).addresses == ['10.1.0.1/32']
n = c.create_network(name='sdk')
p = c.create_port(network_id=n.id, security_groups=[g.id])
assert p.security_group_ids == [g.id]
try:
    c.delete_security_group(g, ignore_missing=False)
    raise SystemExit('deleted a group in use')
except openstack.exceptions.ConflictException:
    pass
assert c.update_port(p, security_groups=[]).security_group_ids == []
c.delete_port(p)
c.delete_network(n)
c.delete_security_group_rule(r)
c.delete_security_group(g)
c.delete_address_group(a)
assert c.find_security_group('sdk') is None
assert c.update_quota('sdk', security_groups=3, security_group_rules=20).security_groups == 3
assert c.get_quota('sdk').security_group_rules == 20
