// The unmodified `openstack` CLI and openstacksdk against the API: QoS policies, their rules, rule types, and the networks, ports and
// routers that have them.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hashSecret } from '../../controller/northbound/index.ts'
import { expectAll, listen, openstack, python, stopServers, withoutCredentials, withPassword } from './openstack-lab.ts'

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

test('openstack network qos policy: every sub-command and option', async () => {
  await expectAll(
    ann(),
    `
network qos policy create gold --description d --share --default -f json => "shared": true && "is_default": true && "rules": [] && "description": "d"
network qos policy create silver --no-share --no-default --project other -f value -c project_id => p2
network qos policy create lead --default => !A default QoS policy exists for project p1
network qos policy list -f value -c Name => gold && silver
network qos policy list --project other -f value -c Name => silver
network qos policy list --share -f value -c Name => gold
network qos policy list --no-share -f value -c Name => silver
network qos policy set gold --name best --description e --no-share --no-default
network qos policy show best -f json => "shared": false && "is_default": false && "description": "e"
network qos policy show nowhere => !No QoSPolicy found for nowhere
network qos policy delete best silver`,
  )
})

test('openstack network qos rule: every sub-command and option', async () => {
  await expectAll(
    ann(),
    `
network qos policy create p => p
network qos policy create q => q
network qos rule create p --type bandwidth-limit --max-kbps 1000 --max-burst-kbits 200 --egress -f json => "max_kbps": 1000 && "max_burst_kbps": 200 && "direction": "egress"
network qos rule create p --type bandwidth-limit --max-kbps 2000 --ingress -f json => "max_burst_kbps": 0 && "direction": "ingress"
network qos rule create p --type bandwidth-limit --max-kbps 7 => !bandwidth_limit conflicts
network qos rule create p --type dscp-marking --dscp-mark 26 -f value -c dscp_mark => 26
network qos rule create p --type minimum-bandwidth --min-kbps 5000 --egress => !has value 1000
network qos rule create q --type minimum-bandwidth --min-kbps 5 --ingress -f value -c direction => ingress
network qos rule create q --type minimum-packet-rate --min-kpps 5 --any -f value -c direction => any
network qos rule list p -f json => "Max Kbps": 1000 && "DSCP mark": 26 && bandwidth_limit
network qos rule list nowhere => !No QoSPolicy found for nowhere`,
  )
  const lines = ['p', 'q'].map((policy) => `network qos policy show ${policy} -f value -c rules`)
  const [p, q] = (await openstack(ann(), lines)).map(({ out }) =>
    [...out.matchAll(/'id': '([^']+)'/g)].map(([, id]) => id),
  )
  expect([p?.length, q?.length]).toEqual([3, 2])
  await expectAll(
    ann(),
    `
network qos rule show p ${p?.[0]} -f json => "max_kbps": 1000 && "direction": "egress"
network qos rule set p ${p?.[0]} --max-kbps 3000 --max-burst-kbits 0
network qos rule show p ${p?.[0]} -f json => "max_kbps": 3000 && "max_burst_kbps": 0
network qos rule set p ${p?.[0]} --ingress => !conflicts
network qos rule set p ${p?.[2]} --dscp-mark 46
network qos rule show p ${p?.[2]} -f value -c dscp_mark => 46
network qos rule set q ${q?.[0]} --min-kbps 6 --egress
network qos rule set q ${q?.[1]} --min-kpps 6 --ingress
network qos rule show q ${q?.[1]} -f json => "min_kpps": 6
network qos rule show p ${q?.[0]} => !not found
network qos rule delete p ${p?.[0]}
network qos rule delete p ${p?.[0]} => !not found
network qos policy delete p q`,
  )
})

test('openstack network qos rule type: what hosts do, and what there is', async () => {
  await expectAll(
    ann(),
    `
network qos rule type list -f value => bandwidth_limit && dscp_marking && packet_rate_limit
network qos rule type show bandwidth_limit -f json => openvswitch && max_kbps && 2147483647
network qos rule type show minimum_bandwidth -f value -c drivers => []`,
  )
})

test('openstack network, port and router: the options of QoS policies', async () => {
  await expectAll(
    withoutCredentials(url),
    `
network qos policy create gold => gold
network qos policy create silver --default => silver
network qos policy create promise => promise
network qos rule create promise --type minimum-bandwidth --min-kbps 5 --egress => egress
network create n1 --qos-policy gold -f value -c qos_policy_id => -
network create n2 -f value -c qos_policy_id => -
network create n3 --qos-policy nowhere => !No QoSPolicy found for nowhere
network set n1 --qos-policy promise => !Rule minimum_bandwidth is not supported by network
network set n1 --qos-policy silver
network set n1 --no-qos-policy
network show n1 -f value -c qos_policy_id => None
network set n1 --qos-policy gold
port create p1 --network n1 --qos-policy silver -f value -c qos_network_policy_id -c qos_policy_id => -
port create p2 --network n1 -f value -c qos_policy_id => None
port set p1 --qos-policy promise => !Rule minimum_bandwidth is not supported by port
port set p1 --qos-policy gold
network qos policy delete gold => !is used by network
port unset p1 --qos-policy
port show p1 -f value -c qos_policy_id => None
network create out --external => True
subnet create so --network out --subnet-range 203.0.113.0/24 => 203.0.113.0/24
router create r1 => r1
router set r1 --external-gateway out --qos-policy gold
router show r1 -f json => "qos_policy_id": "
router set r1 --external-gateway out --no-qos-policy
router set r1 --external-gateway out --qos-policy gold
router unset r1 --qos-policy
router set r1 --external-gateway out --qos-policy promise => !Rule minimum_bandwidth is not supported by router
router unset r1 --external-gateway
port delete p1 p2
network delete n1 n2 out
network qos policy delete gold silver promise
router delete r1`,
  )
})

test('openstacksdk makes policies and rules of each type, changes, finds and deletes them', async () => {
  const { code, out, err } = await python(['-c', sdkScript, url], '')
  expect([code, err, out.trim()]).toEqual([0, expect.any(String), 'done'])
})

const sdkScript = `
import sys, openstack
c = openstack.connection.Connection(
    auth_type='none', auth={'endpoint': sys.argv[1]}, network_endpoint_override=sys.argv[1] + '/v2.0').network
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
print('done')
`
