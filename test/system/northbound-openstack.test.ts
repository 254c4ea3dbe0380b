// The unmodified `openstack` CLI and openstacksdk against the API: networks, subnets, ports, routers, agents, and the four doors.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hashSecret } from '../../controller/northbound/index.ts'
import {
  agent,
  expectAll,
  listen,
  lost,
  python,
  stopServers,
  withoutCredentials,
  withPassword,
} from './openstack-lab.ts'

let openUrl = ''
let guardedUrl = ''

beforeAll(async () => {
  openUrl = await listen()
  guardedUrl = await listen(
    `
projects: [{ id: p1, name: demo }]
users: [{ id: u1, name: ann, password: '${await hashSecret('secret')}', roles: [{ project: demo, role: admin }] }]
tokens: [{ name: ci, token: '${await hashSecret('t0ken')}', project: demo, role: member }]`,
  )
})

afterAll(stopServers)

const none = (): string[] => withoutCredentials(openUrl)

test('openstack network: every sub-command and option', async () => {
  await expectAll(
    none(),
    `
network create n1 --mtu 1400 --description d --dns-domain ex.org. --availability-zone-hint default --tag red --enable --enable-port-security --no-share --internal -f value -c mtu => 1400
network create n2 --share --external --disable --disable-port-security --provider-network-type vlan --provider-physical-network phys --provider-segment 7 -f value -c provider:segmentation_id => 7
network create n3 --transparent-vlan => !VLAN transparent networks are not available
network create n3 --qos-policy gold => !No QoSPolicy found for gold
network create n3 --default => !is_default is for external networks
network set n2 --default
network create n3 --external --default => !default external network already exists
network set n2 --no-default
network create n3 --no-default --no-transparent-vlan => n3
network delete n3
network list --long -f value => n1 && n2 && vlan
network list --name n1 -f value -c Name => n1
network list --external --disable --share -f value -c Name => n2
network list --internal --enable --no-share --status ACTIVE -f value -c Name => n1
network list --provider-network-type vlan --provider-physical-network phys --provider-segment 7 -f value -c Name => n2
network list --tags red -f value -c Name => n1
network list --not-tags red -f value -c Name => n2
network list --any-tags red,x -f value -c Name => n1
network list --not-any-tags red,x -f value -c Name => n2
network list --agent ${agent} -f value
network set n1 --name n1b --mtu 1300 --disable --tag blue --description x --share --disable-port-security --external
network show n1b -f json => "mtu": 1300 && "blue" && "red" && "port_security_enabled": false
network unset n1b --tag blue
network unset n1b --all-tag
network show n1b -f value -c tags => []
network set n1b --name n1 --no-share --internal --enable --enable-port-security --no-tag
network set n1 --mtu 9000 => !mtu
network show nowhere => !No Network found for nowhere
network delete n1 n2
network list -f value -c Name`,
  )
})

test('openstack subnet: every sub-command and option', async () => {
  await expectAll(
    none(),
    `
network create sn => sn
subnet create s1 --network sn --subnet-range 10.1.0.0/24 --gateway 10.1.0.254 --allocation-pool start=10.1.0.10,end=10.1.0.20 --dns-nameserver 8.8.8.8 --host-route destination=1.0.0.0/8,gateway=10.1.0.5 --dhcp --service-type compute:nova --description q --tag t => 10.1.0.10-10.1.0.20
subnet create s6 --network sn --ip-version 6 --subnet-range fd00::/64 --ipv6-ra-mode slaac --ipv6-address-mode slaac -f value -c gateway_ip => fd00::1
subnet create s2 --network sn --subnet-range 10.2.0.0/24 --no-dhcp --gateway none -f value -c gateway_ip => None
subnet create s3 --network sn --subnet-range 10.3.0.0/24 --gateway auto -f value -c gateway_ip => 10.3.0.1
subnet create s4 --network sn --subnet-range 10.1.0.128/25 => !overlaps
subnet create s4 --network sn --subnet-pool x --prefix-length 24 => !No SubnetPool found for x
subnet create s4 --network sn => !in the absence of a cidr
subnet create s4 --network sn --subnet-range 10.4.0.0/24 --dns-publish-fixed-ip -f value -c dns_publish_fixed_ip => True
subnet set s4 --no-dns-publish-fixed-ip
subnet show s4 -f value -c dns_publish_fixed_ip => False
subnet create s5 --network sn --subnet-range 10.5.0.0/24 --network-segment x => !No Segment found for x
subnet create s5 --network sn --ip-version 6 --use-prefix-delegation yes => !prefix delegation is not available
subnet create s5 --network sn --use-default-subnet-pool => !No default subnetpool found for IPv4
subnet list --long -f value => s1 && s2
subnet list --ip-version 6 -f value -c Name => s6
subnet list --dhcp --network sn --name s1 -f value -c Name => s1
subnet list --no-dhcp -f value -c Name => s2
subnet list --service-type compute:nova => !Invalid query params: service_types
subnet list --subnet-range 10.1.0.0/24 --gateway 10.1.0.254 --tags t -f value -c Name => s1
subnet set s1 --name s1b --dns-nameserver 1.1.1.1 --no-dhcp --allocation-pool start=10.1.0.30,end=10.1.0.40 --host-route destination=2.0.0.0/8,gateway=10.1.0.6 --service-type compute:x --tag u --gateway 10.1.0.253 --description z
subnet unset s1b --dns-nameserver 8.8.8.8 --service-type compute:nova --host-route destination=1.0.0.0/8,gateway=10.1.0.5 --allocation-pool start=10.1.0.30,end=10.1.0.40 --tag u
subnet show s1b -f json => 1.1.1.1 && compute:x && 10.1.0.253 && "enable_dhcp": false
subnet unset s1b --gateway
subnet set s1b --no-dns-nameservers --no-host-route --no-allocation-pool --dhcp --no-tag
subnet show s1b -f json => "dns_nameservers": [] && "gateway_ip": null
subnet delete s1b s6 s2 s3 s4
network delete sn`,
  )
})

test('openstack network segment: every sub-command and option, and subnets and ports of segments', async () => {
  await expectAll(
    none(),
    `
network create seg --provider-network-type vlan --provider-physical-network left --provider-segment 10 -f value -c segments => None
network segment list --network seg --long -f value => vlan && left
subnet create sl --network seg --subnet-range 10.1.0.0/24 -f value -c segment_id => None
network segment create right --network seg --network-type vlan --physical-network right --segment 20 --description d -f json => "segmentation_id": 20 && "name": "right" && "description": "d"
network segment create x --network seg --network-type vlan --physical-network right --segment 20 => !VLAN 20 on physical network right is in use
network segment create x --network seg --network-type vxlan => !has one tunnel
network segment create x --network seg --network-type vlan --physical-network right => !vlan-ranges
network segment create x --network nowhere --network-type flat => !No Network found for nowhere
network show seg -f json => "provider:physical_network": "right" && "provider:network_type": null
network segment set right --name r --description e
network segment show r -f json => "description": "e" && "physical_network": "right"
subnet set sl --network-segment r => !has multiple segments
network segment delete r
network segment create first --network seg --network-type geneve => !has one tunnel
subnet create sr --network seg --subnet-range 10.2.0.0/24 --network-segment r => !No Segment found for r
network segment create r --network seg --network-type flat --physical-network hall
subnet create sr --network seg --subnet-range 10.2.0.0/24 --network-segment r => !either all be associated
subnet delete sl
subnet create sr --network seg --subnet-range 10.2.0.0/24 --network-segment r => 10.2.0.1
port create waiting --network seg -f json => "ip_allocation": "deferred" && "fixed_ips": []
port set waiting --host hv2 => !not connected to any segments
port set waiting --host hv1
port show waiting -f json => "ip_allocation": "immediate" && 10.2.0.
network segment delete r => !1 of 1 network segments failed to delete
port delete waiting
subnet delete sr
network segment delete r
network create one --provider-network-type flat --provider-physical-network yard
subnet create so --network one --subnet-range 10.3.0.0/24
network delete seg`,
  )
  const answer = await fetch(`${openUrl}/v2.0/segments?physical_network=yard`)
  const { segments } = (await answer.json()) as { segments: { id: string }[] }
  await expectAll(
    none(),
    `
subnet set so --network-segment ${segments[0]?.id}
subnet show so -f value -c segment_id => ${segments[0]?.id}
network delete one`,
  )
})

test('openstack port: every sub-command and option', async () => {
  await expectAll(
    none(),
    `
network create pn => pn
subnet create ps --network pn --subnet-range 10.1.0.0/24 => ps
port create p1 --network pn --fixed-ip subnet=ps,ip-address=10.1.0.15 --device d1 --device-owner compute:nova --mac-address fa:16:3e:00:00:01 --vnic-type normal --host hv1 --dns-name web --description d --extra-dhcp-option name=router,value=10.1.0.1 --allowed-address ip-address=10.9.0.1 --binding-profile a=b --no-security-group --enable --enable-port-security --tag x -f json => 10.1.0.15 && "hostname": "web" && 10.9.0.1
port create p2 --network pn --no-fixed-ip --disable --disable-port-security -f value -c admin_state_up => False
port create p3 --network pn --fixed-ip ip-address=10.1.0.15 => !already allocated
port create p3 --network pn --security-group web => !No SecurityGroup found for web
port create p3 --network pn --vnic-type direct => !vnic_type
port create p3 --network pn --qos-policy gold => !No QoSPolicy found for gold
port create p3 --network pn --fixed-ip subnet=ps,ip-address=10.1.0.16 --dns-name web --dns-domain ex.org. --numa-policy-required --enable-uplink-status-propagation --device-profile x -f json => web.ex.org. && "numa_affinity_policy": "required" && "propagate_uplink_status": true && "device_profile": "x"
port set p3 --dns-domain ex.com. --numa-policy-preferred --data-plane-status ACTIVE
port show p3 -f json => web.ex.com. && "preferred" && "data_plane_status": "ACTIVE"
port set p3 --numa-policy-legacy
port unset p3 --numa-policy --data-plane-status --qos-policy
port show p3 -f json => "numa_affinity_policy": null && "data_plane_status": null
port delete p3
port list --long -f value => p1 && p2
port list --network pn --device-id d1 --mac-address fa:16:3e:00:00:01 --host hv1 --name p1 --device-owner compute:nova -f value -c Name => p1
port list --fixed-ip subnet=ps,ip-address=10.1.0.15 -f value -c Name => p1
port list --fixed-ip ip-substring=10.1.0 --tags x -f value -c Name => p1
port set p1 --name p1b --fixed-ip subnet=ps --description z --allowed-address ip-address=10.9.0.2 --binding-profile c=d --device d2 --device-owner compute:y --disable --extra-dhcp-option name=mtu,value=1300 --vnic-type normal --host hv2 --dns-name db --tag y
port unset p1b --fixed-ip subnet=ps,ip-address=10.1.0.15 --allowed-address ip-address=10.9.0.1,mac-address=fa:16:3e:00:00:01 --binding-profile a --host --tag x
port show p1b -f json => "c": "d" && 10.9.0.2 && "name": "p1b" && "binding_host_id": ""
port set p1b --no-fixed-ip --no-allowed-address --no-binding-profile --no-tag --mac-address fa:16:3e:00:00:02
port set p1b --disable-port-security --no-security-group
port show p1b -f json => fa:16:3e:00:00:02 && "fixed_ips": []
network delete pn => !in use by port
port delete p1b p2
network delete pn`,
  )
})

test('openstack subnet pool and address scope: every sub-command and option', async () => {
  await expectAll(
    none(),
    `
address scope create sc --ip-version 4 --share -f value -c shared => True
address scope create sc6 --ip-version 6 --no-share -f value -c ip_version => 6
address scope set sc --name scope --no-share => !can't be unshared
address scope set sc --name scope --share
address scope list --name scope --ip-version 4 --share -f value -c Name => scope
address scope list --no-share -f value -c Name => sc6
subnet pool create sp --pool-prefix 10.0.0.0/16 --pool-prefix 10.1.0.0/16 --default-prefix-length 24 --min-prefix-length 16 --max-prefix-length 28 --address-scope scope --default --share --description d --default-quota 600 --tag a -f value -c prefixes => 10.0.0.0/15
subnet pool create sq --pool-prefix 10.0.0.0/8 --address-scope scope => !overlaps
subnet pool create sq --pool-prefix 10.0.0.0/8 --default => !default subnetpool
subnet pool create sq --pool-prefix 10.0.0.0/8 --default-prefix-length 4 => !Illegal prefix bounds
subnet pool create sq --pool-prefix fd00::/48 --no-default --no-share --no-tag -f value -c default_prefixlen => 64
subnet pool list --long --share --default --address-scope scope --name sp --tags a -f value => 10.0.0.0/15
subnet pool list --no-share --no-default -f value -c Name => sq
subnet pool list --any-tags a --not-tags b --not-any-tags c -f value -c Name => sp
network create pn => pn
network create pm => pm
subnet create s1 --network pn --subnet-pool sp -f value -c cidr => 10.0.0.0/24
subnet create s2 --network pn --subnet-pool sp --prefix-length 25 -f value -c cidr => 10.0.1.0/25
subnet create s3 --network pn --subnet-pool sp --subnet-range 10.1.1.0/28 -f value -c cidr => 10.1.1.0/28
subnet create s4 --network pn --subnet-pool sp --prefix-length 29 => !maximum allowed prefix is 28
subnet create s4 --network pn --subnet-pool sp --subnet-range 10.9.0.0/24 => !not in the prefixes
subnet create s4 --network pn --subnet-pool sp --prefix-length 24 => !quota
subnet create s4 --network pn --subnet-range 10.9.0.0/24 => !same subnet pool
subnet create s4 --network pm --use-default-subnet-pool --prefix-length 28 -f value -c cidr => 10.0.1.128/28
subnet create s6 --network pm --ip-version 6 --subnet-pool sq -f value -c cidr => fd00::/64
subnet list --subnet-pool sp --network pn -f value -c Subnet => 10.0.0.0/24
subnet pool set sp --name spx --pool-prefix 10.2.0.0/16 --default-prefix-length 26 --min-prefix-length 8 --max-prefix-length 30 --no-address-scope --no-default --description e --default-quota 10000 --tag b
subnet pool show spx -f json => 10.2.0.0/16 && "default_prefixlen": 26 && "address_scope_id": null && "is_default": false
subnet pool unset spx --tag a
subnet pool unset spx --all-tag
subnet pool set spx --no-tag --default --address-scope scope
subnet pool delete spx => !1 of 1 subnet pools failed to delete
address scope delete scope => !1 of 1 address scopes failed to delete
network delete pn pm
subnet pool delete spx sq
address scope delete scope sc6`,
  )
})

test('openstack router: every sub-command and option', async () => {
  await expectAll(
    none(),
    `
network create rn => rn
subnet create rs --network rn --subnet-range 10.1.0.0/24 => rs
subnet create rt --network rn --subnet-range 10.2.0.0/24 => rt
port create rp --network rn --fixed-ip subnet=rt,ip-address=10.2.0.9 => rp
router create r1 --description d --disable --tag a --availability-zone-hint default --distributed --no-ha => r1
router create r2 --centralized => !distributed
router create r2 --ha => !ha
router create r2 --external-gateway rn => !not an external network
router add subnet r1 rs
router add subnet r1 rs => !already has a port on subnet
router add port r1 rp
router show r1 -f value -c interfaces_info => 10.1.0.1 && 10.2.0.9
router list --long -f value => r1
router list --name r1 --disable --tags a -f value -c Name => r1
router list --enable -f value -c Name
router list --agent ${agent} -f value
router add route r1 --route destination=9.0.0.0/8,gateway=10.1.0.77 -f json => 9.0.0.0/8
router set r1 --route destination=8.0.0.0/8,gateway=10.1.0.78 --enable --name r1b --description e --distributed --no-ha --tag b
router set r1b --route destination=8.0.0.0/8,gateway=10.77.0.78 => !not connected with router
router unset r1b --route destination=8.0.0.0/8,gateway=10.1.0.78 --tag b
router remove route r1b --route destination=9.0.0.0/8,gateway=10.1.0.77 -f value -c routes => []
router set r1b --centralized => !distributed
router set r1b --no-route
router delete r1b => !still has ports
port list --router r1b -f value => 10.2.0.9
router remove port r1b rp
router remove subnet r1b rs
router delete r1b
network delete rn`,
  )
})

test('openstack router: external gateways', async () => {
  await expectAll(
    none(),
    `
network create en --external --provider-network-type flat --provider-physical-network ext -f value -c router:external => True
subnet create es --network en --subnet-range 203.0.113.0/24 --no-dhcp => es
network create eo --external => eo
subnet create et --network eo --subnet-range 198.51.100.0/24 => et
network create ei => ei
router create e1 --external-gateway en -f json => "enable_snat": true && 203.0.113.2
router create e2 --external-gateway en --fixed-ip subnet=es,ip-address=203.0.113.77 --disable-snat -f json => "enable_snat": false && 203.0.113.77
router create e3 --external-gateway en --fixed-ip subnet=es --enable-snat -f value -c external_gateway_info => 203.0.113.3
router create e4 --external-gateway ei => !not an external network
router create e4 --external-gateway en --fixed-ip ip-address=203.0.113.1 => !External IP 203.0.113.1 is the same as the gateway IP
router create e4 --external-gateway en --fixed-ip subnet=et => !invalid subnet
router list --long -f value => 203.0.113.77
router set e1 --external-gateway en --fixed-ip ip-address=203.0.113.77 => !already allocated
router set e1 --external-gateway en --fixed-ip ip-address=203.0.113.78 --disable-snat
router show e1 -f json => "enable_snat": false && 203.0.113.78
router set e1 --external-gateway en --enable-snat
router set e1 --external-gateway eo
router show e1 -f json => "enable_snat": true && 198.51.100.
router add route e1 --route destination=9.0.0.0/8,gateway=198.51.100.77 -f json => 198.51.100.77
router unset e1 --external-gateway => !9.0.0.0/8 via 198.51.100.77
router set e1 --no-route
router unset e1 --external-gateway
router show e1 -f value -c external_gateway_info => None
port list --device-owner network:router_gateway -f value -c fixed_ips => 203.0.113.77
network set en --internal => !existing gateway ports
network delete en => !1 of 1 networks failed to delete
subnet delete es => !1 of 1 subnets failed to delete
router delete e1 e2 e3
network set en --internal
network set en --external
network list --external -f value -c Name => en
network delete en eo ei`,
  )
})

test('openstack network agent, availability, extensions', async () => {
  await expectAll(
    none(),
    `
network create an => an
network agent list --long -f value => hv1 && hv2
network agent list --host hv1 -f value -c Host => hv1
network agent list --agent-type open-vswitch -f value -c Host => hv1
network agent list --network an -f value
network agent show ${agent} -f value -c alive => True
network agent set ${agent} --description hello --disable
network agent show ${agent} -f json => hello && "admin_state_up": false
network agent delete ${agent} => !is connected
network agent delete ${lost}
network agent list -f value -c ID => ${agent}
router create ar => ar
network agent list --router ar -f value
network agent add network --dhcp ${agent} an
network agent remove network --dhcp ${agent} an
network agent add router --l3 ${agent} ar
network agent remove router --l3 ${agent} ar
router delete ar
network agent list --router nowhere => !No Router found for nowhere
ip availability list -f value => an
ip availability show an -f json => "used_ips": 0
extension list --network -f value -c Alias => extraroute-atomic
availability zone list --network -f value => default
network delete an`,
  )
})

test('the doors with credentials: password, static token, HTTP basic; and none of them without the secret', async () => {
  const password = (secret: string) => withPassword(guardedUrl, { user: 'ann', password: secret, project: 'demo' })
  await expectAll(
    password('secret'),
    'network create secret --project demo -f value -c project_id => p1\nnetwork list -f value -c Name => secret\ntoken issue -f value -c project_id => p1',
  )
  await expectAll(password('wrong'), 'network list => !401')
  const token = ['--os-auth-type', 'admin_token', '--os-endpoint', guardedUrl, '--os-token']
  await expectAll([...token, 't0ken'], 'network list -f value -c Name => secret\nnetwork create x --share => !403')
  await expectAll([...token, 'guess'], 'network list => !401')
  const basic = ['--os-auth-type', 'http_basic', '--os-endpoint', guardedUrl, '--os-username', 'ann', '--os-password']
  await expectAll([...basic, 'secret'], 'network show secret -f value -c name => secret')
  await expectAll([...basic, 'guess'], 'network list => !401')
})

test('openstacksdk creates, finds, pages and deletes', async () => {
  const { code, out, err } = await python(['-c', sdkScript, openUrl], '')
  expect([code, err, out.trim()]).toEqual([0, expect.any(String), 'done'])
})

const sdkScript = `
import sys, openstack
c = openstack.connection.Connection(
    auth_type='none', auth={'endpoint': sys.argv[1]}, network_endpoint_override=sys.argv[1] + '/v2.0').network
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
print('done')
`
