# Networks, subnets, ports and routers.
import openstack
from connect import network as c

n = c.create_network(name='sdk')
assert n.mtu == 1450 and n.is_admin_state_up, n
s = c.create_subnet(network_id=n.id, ip_version=4, cidr='10.5.0.0/24')
p = c.create_port(network_id=n.id)
assert p.fixed_ips[0]['subnet_id'] == s.id
assert c.find_network('sdk').id == n.id and c.find_port('no such port') is None
ports = [c.create_port(network_id=n.id) for _ in range(5)]
assert len(list(c.ports(network_id=n.id, limit=2))) == 6
c.set_tags(p, ['a', 'b'])
assert [x.id for x in c.ports(tags='a,b')] == [p.id]
r = c.create_router(name='sdk')
assert c.add_interface_to_router(r, subnet_id=s.id)['subnet_id'] == s.id
assert c.add_extra_routes_to_router(r, {'router': {'routes': [{'destination': '1.0.0.0/8', 'nexthop': '10.5.0.9'}]}}).routes
try:
    c.delete_network(n, ignore_missing=False)
    raise SystemExit('deleted a network in use')
except openstack.exceptions.ConflictException:
    pass
c.update_router(r, routes=[])
c.remove_interface_from_router(r, subnet_id=s.id)
c.delete_router(r)
for each in list(c.ports(network_id=n.id)):
    c.delete_port(each)
c.delete_network(n)
assert c.find_network('sdk') is None
