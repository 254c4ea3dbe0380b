// The unmodified `openstack` CLI and openstacksdk against the API: security groups, their rules, address groups, and the ports that
// have them.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hashSecret } from '../../controller/northbound/index.ts'
import { expectAll, listen, openstack, python, stopServers, withPassword } from './openstack-lab.ts'

let url = ''
let guardedUrl = ''
/** `--project` needs an identity service to look the name up. */
const ann = (): string[] => withPassword(guardedUrl, { user: 'ann', password: 'secret', project: 'demo' })

beforeAll(async () => {
  url = await listen()
  guardedUrl = await listen(
    `
projects: [{ id: p1, name: demo }, { id: p2, name: other }]
users: [{ id: u1, name: ann, password: '${await hashSecret('secret')}', roles: [{ project: demo, role: admin }] }]`,
  )
})

afterAll(stopServers)

test('openstack security group: every sub-command and option', async () => {
  await expectAll(
    ann(),
    `
security group list -f value -c Name => default
security group set default --name other => !default security group
security group create web --description d --stateful --tag red -f json => "stateful": true && "red" && egress
security group create db --stateless --no-tag --extra-property type=bool,name=intra_group,value=false -f value -c stateful => False
security group create x --project other -f value -c project_id => p2
security group create default => !already exists
security group list --project other -f value -c Name => x
security group list --tags red -f value -c Name => web
security group list --any-tags red,x -f value -c Name => web
security group list --not-tags red -f value -c Name => db
security group list --not-any-tags red,x -f value -c Name => db
security group set web --name web2 --description e --stateless --tag blue --extra-property type=bool,name=mandatory,value=true
security group show web2 -f json => "stateful": false && "blue" && "description": "e"
security group set web2 --name web --stateful --no-tag
security group set web --tag green
security group unset web --all-tag
security group show web -f value -c tags => []
security group show nowhere => !No SecurityGroup found for nowhere
security group delete web db x`,
  )
})

test('openstack security group rule: every sub-command and option', async () => {
  await expectAll(
    ann(),
    `
security group create rg => rg
address group create ra --address 10.9.0.0/24 => ra
security group rule create rg --protocol tcp --dst-port 80:90 --remote-ip 10.0.0.0/8 --description d -f json => "port_range_max": 90 && "direction": "ingress" && "10.0.0.0/8"
security group rule create rg --protocol tcp --dst-port 80:90 --remote-ip 10.0.0.0/8 => !already exists
security group rule create rg --protocol icmp --icmp-type 8 --icmp-code 0 --ingress -f value -c port_range_min => 8
security group rule create rg --protocol ipv6-icmp -f value -c ether_type => IPv6
security group rule create rg --egress --ethertype IPv6 --protocol udp --remote-group rg -f value -c direction => egress
security group rule create rg --remote-address-group ra --protocol 99 -f value -c protocol => 99
security group rule create rg --protocol any --project demo -f value -c protocol => None
security group rule create rg --protocol tcp --dst-port 22 --extra-property type=str,name=action,value=deny --extra-property type=int,name=priority,value=1 -f value -c port_range_min => 22
security group rule create rg --protocol gre --dst-port 22 => !gre
security group rule create rg --protocol tcp --dst-port 0:80 => !port_range_min
security group rule create rg --protocol nonsense => !protocol 'nonsense'
security group rule create rg --remote-ip fd00::/64 => !Conflicting value ethertype IPv4
security group rule create nowhere => !No SecurityGroup found for nowhere
security group rule list rg -f value => 22:22 && 80:90 && 10.0.0.0/8
security group rule list rg --protocol tcp --ethertype IPv4 --ingress --long -f value => 80:90
security group rule list --egress -f value => egress
security group rule show nowhere => !No SecurityGroupRule found for nowhere
security group delete rg
address group delete ra`,
  )
})

test('openstack security group rule show and delete', async () => {
  await expectAll(ann(), 'security group create rx => rx')
  const [made] = await openstack(ann(), ['security group rule create rx --protocol udp -f value -c id'])
  const id = made?.out.trim() ?? ''
  await expectAll(
    ann(),
    `
security group rule show ${id} -f value -c protocol => udp
security group rule delete ${id}
security group rule show ${id} => !No SecurityGroupRule found
security group delete rx`,
  )
})

test('openstack address group: every sub-command and option', async () => {
  await expectAll(
    ann(),
    `
address group create a1 --description d --address 10.0.0.1 --address fd00::/8 --project demo -f json => "10.0.0.1/32" && "fd00::/8"
address group list --name a1 --project demo -f value => a1
address group set a1 --name a2 --description e --address 10.1.0.0/16
address group show a2 -f json => "10.1.0.0/16" && "description": "e"
address group set a2 --address 10.1.0.0/16 => !already exist
address group unset a2 --address 10.0.0.1/32
address group unset a2 --address 10.0.0.1/32 => !not found
address group set a2 --address nonsense => !nonsense
address group delete a2`,
  )
})

test('openstack port: the options of security groups and port security', async () => {
  await expectAll(
    ann(),
    `
network create pn => pn
security group create pg => pg
security group create ph => ph
port create p1 --network pn --security-group pg --security-group ph -f json => "security_group_ids"
port create p2 --network pn --no-security-group -f value -c security_group_ids => []
port create p3 --network pn --disable-port-security -f value -c security_group_ids => []
port create p4 --network pn --disable-port-security --security-group pg => !Port security must be enabled
port create p4 --network pn --security-group nowhere => !No SecurityGroup found for nowhere
security group delete pg => !in use by port
port set p2 --security-group pg
port set p2 --security-group pg
port set p2 --security-group ph
port unset p2 --security-group pg
port set p2 --disable-port-security => !security group
port set p2 --no-security-group --disable-port-security
port set p2 --enable-port-security --security-group ph
port set p3 --enable-port-security --extra-property type=str,name=default_egress_action,value=allow
port list --security-group pg => !Invalid query params: security_groups
port delete p1 p2 p3
security group delete pg ph
network delete pn`,
  )
})

test('openstacksdk creates, finds, filters and deletes', async () => {
  const { code, out, err } = await python(['-c', sdkScript, url], '')
  expect([code, err, out.trim()]).toEqual([0, expect.any(String), 'done'])
})

const sdkScript = `
import sys, openstack
c = openstack.connection.Connection(
    auth_type='none', auth={'endpoint': sys.argv[1]}, network_endpoint_override=sys.argv[1] + '/v2.0').network
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
print('done')
`
