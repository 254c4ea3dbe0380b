// External gateways without a switch: what machines behind a router and those outside of it get of each other, and by which
// host. Network 1 is a wire with an upstream router at 10.0.1.1; networks 2 and 3 are behind router 1, for which host 2
// stands at 10.0.1.5.
import { expect, test } from 'vitest'
import { hostMac, mac } from '../address.ts'
import {
  externalGateway,
  externalRouter,
  gateway,
  groupRule,
  host,
  network,
  port,
  securityGroup,
  subnet,
  uuid,
  vif,
  wired,
} from '../testing.ts'
import { extractFlow } from '../../ofproto/packet/index.ts'
import { parseArp } from '../../packet/arp.ts'
import type { Delivery } from './fabric.ts'
import { echoFrame, fragmentFrames, tcpFrame, TCP_FLAGS, udpFrame, unreachableFrame } from './testing-packets.ts'
import { address, received, simulate, whoHas, type Rows, type Simulated } from './testing.ts'

const UPLINK = 60_000
const UPSTREAM = '02:aa:aa:aa:aa:aa'
const SERVER = '198.51.100.7'
const GATEWAY = '10.0.1.5'
const gatewayMac = mac(port(1, 5).mac_address)
const macOf = (n: number, i: number): number => mac(port(n, i).mac_address)
const at = (n: number, i: number): string => `10.0.${n}.${i}`
const place = (h: number, n: number, i: number): string => `host${h}/${n * 256 + i}`
const wireAt = (h: number): string => `host${h}/${UPLINK}`

interface Options {
  readonly snat?: boolean
  readonly vlan?: number | null
  readonly stands?: number
  readonly more?: Partial<Rows>
}

/** Port 2 of network 2 is on host 1, port 3 on host 2, port 4 of network 3 on host 3; port 9 of the wire is on host 1. */
function world({ snat = true, vlan = null, stands = 2, more = {} }: Options = {}): Simulated {
  return simulate({
    hosts: [host(1, { wire: UPLINK }), host(2, { wire: UPLINK }), host(3)],
    networks: [wired(1, 'wire', vlan), network(2), network(3)],
    subnets: [subnet(1), subnet(2), subnet(3)],
    ports: [port(2, 2), port(2, 3), port(3, 4), port(1, 9), gateway(2, 1), gateway(3, 1), externalGateway(1, 5, 1)],
    routers: [externalRouter(1, 1, snat, { routes: [{ destination: '192.0.2.0/24', nexthop: at(1, 77) }] })],
    vifs: [vif(1, 2, 2), vif(2, 2, 3), vif(3, 3, 4), vif(1, 1, 9)],
    routerHosts: { [uuid('r', 1)]: `host${stands}` },
    neighbours: [{ network: uuid('n', 1), address: at(1, 1), mac_address: UPSTREAM }],
    ...more,
  })
}

const out = (n: number, i: number, to = SERVER) => ({ fromMac: macOf(n, i), toMac: macOf(n, 1), from: at(n, i), to })
const back = (to: string, from = SERVER) => ({ fromMac: mac(UPSTREAM), toMac: gatewayMac, from, to })
const onWire = (deliveries: readonly Delivery[]): Delivery[] => deliveries.filter(({ ofport }) => ofport === UPLINK)
const inside = (deliveries: readonly Delivery[]): Delivery[] => deliveries.filter(({ ofport }) => ofport !== UPLINK)

/** The frame in a VLAN. */
const tagged = (vlan: number, frame: Uint8Array): Uint8Array =>
  Uint8Array.of(...frame.subarray(0, 12), 0x81, 0, vlan >> 8, vlan & 255, ...frame.subarray(12))

test.each([
  ['on another host than the one that stands for the router', 1, 2, 2],
  ['on that host', 2, 2, 3],
  ['on a host without the wire', 3, 3, 4],
])('a machine %s speaks to outside from the gateway’s address and gets the answers', (_, h, n, i) => {
  const { fabric } = world()
  const sent = onWire(fabric.send(`host${h}`, n * 256 + i, echoFrame(out(n, i), 'request'))).map(received)
  const asked = { where: wireAt(2), fromMac: gatewayMac, toMac: mac(UPSTREAM), to: address(SERVER), ttl: 63, icmp: 8 }
  expect(sent).toMatchObject([{ ...asked, from: address(GATEWAY) }])
  const answers = fabric.sendOnWire('wire', echoFrame(back(GATEWAY), 'reply')).map(received)
  const answer = { where: place(h, n, i), fromMac: macOf(n, 1), toMac: macOf(n, i), from: address(SERVER), ttl: 63 }
  expect(answers).toMatchObject([{ ...answer, to: address(at(n, i)), icmp: 0 }])
})

test('two machines with the same port are told apart outside', () => {
  const { fabric } = world()
  const portsOf = (frame: Uint8Array | undefined): number =>
    new DataView((frame ?? new Uint8Array(36)).buffer).getUint16(34)
  const ports = (
    [
      [1, 2, 2],
      [2, 2, 3],
    ] as const
  ).map(([h, n, i]) => {
    const [sent] = onWire(fabric.send(`host${h}`, n * 256 + i, udpFrame(out(n, i), [4000, 53])))
    return portsOf(sent?.bytes.slice())
  })
  expect(new Set(ports).size).toBe(2)
  const answered = ports.map((own) => fabric.sendOnWire('wire', udpFrame(back(GATEWAY), [53, own])).map(received))
  expect(answered).toMatchObject([[{ where: place(1, 2, 2) }], [{ where: place(2, 2, 3) }]])
})

test('nothing gets in through translation that nobody inside has asked for, and closed ports are refused', () => {
  const { fabric } = world()
  const refused = fabric.sendOnWire('wire', tcpFrame(back(GATEWAY), [80, 4000], TCP_FLAGS.syn)).map(received)
  expect(refused).toMatchObject([
    { where: wireAt(2), from: address(GATEWAY), to: address(SERVER), toMac: mac(UPSTREAM) },
  ])
})

test('errors from outside and to outside find their way through translation', () => {
  const { fabric } = world()
  const ask = udpFrame(out(2, 2), [4000, 53])
  const [sent] = onWire(fabric.send('host1', 514, ask))
  const error = unreachableFrame({ ...back(GATEWAY, '203.0.113.9') }, sent?.bytes ?? ask)
  const [got] = fabric.sendOnWire('wire', error)
  expect(got && received(got)).toMatchObject({ where: place(1, 2, 2), to: address(at(2, 2)), icmp: 3 })
  // The quoted packet is as the machine sent it, but for its TTL and checksum.
  expect(got?.bytes.slice(14 + 20 + 8 + 12, 14 + 20 + 8 + 24)).toEqual(ask.slice(14 + 12, 14 + 24))
  const [answer] = fabric.sendOnWire('wire', udpFrame(back(GATEWAY), [53, 4000]))
  const closed = unreachableFrame(out(2, 2), answer?.bytes ?? ask)
  expect(onWire(fabric.send('host1', 514, closed)).map(received)).toMatchObject([
    { from: address(GATEWAY), to: address(SERVER), icmp: 3 },
  ])
})

test('fragments are translated, all of them', () => {
  const { fabric } = world()
  const parts = fragmentFrames(udpFrame(out(2, 2), [4000, 53], new Uint8Array(3000)), 1240, 7)
  const sent = parts.flatMap((part) => onWire(fabric.send('host1', 514, part)))
  expect(sent.map(({ bytes }) => extractFlow(bytes).ipSrc)).toEqual(parts.map(() => address(GATEWAY)))
  const answers = fragmentFrames(udpFrame(back(GATEWAY), [53, 4000], new Uint8Array(3000)), 1240, 8)
  const got = answers.flatMap((part) => fabric.sendOnWire('wire', part))
  expect(got.map(({ bytes }) => extractFlow(bytes).ipDst)).toEqual(answers.map(() => address(at(2, 2))))
})

test('without translation machines keep their addresses, and can be reached from outside', () => {
  const { fabric } = world({ snat: false })
  const sent = onWire(fabric.send('host1', 514, echoFrame(out(2, 2), 'request'))).map(received)
  expect(sent).toMatchObject([{ where: wireAt(2), from: address(at(2, 2)), ttl: 63 }])
  const asked = fabric.sendOnWire('wire', echoFrame(back(at(3, 4)), 'request')).map(received)
  expect(asked).toMatchObject([{ where: place(3, 3, 4), from: address(SERVER), ttl: 63 }])
})

test('a connection from outside to a machine’s own address is not translated on its way back', () => {
  const { fabric } = world()
  expect(fabric.sendOnWire('wire', echoFrame(back(at(2, 2)), 'request')).map(received)).toMatchObject([
    { where: place(1, 2, 2) },
  ])
  const answer = onWire(fabric.send('host1', 514, echoFrame(out(2, 2), 'reply'))).map(received)
  expect(answer).toMatchObject([{ from: address(at(2, 2)), to: address(SERVER) }])
})

test('machines behind one router reach each other as ever, without translation and past the gateway’s host', () => {
  const { fabric } = world()
  const [got, ...more] = fabric.send('host1', 514, echoFrame(out(2, 2, at(3, 4)), 'request')).map(received)
  expect(got).toMatchObject({ where: place(3, 3, 4), from: address(at(2, 2)), ttl: 63 })
  expect(more).toEqual([])
})

test.each([null, 100])(
  'a machine on the wire (VLAN %s) learns the gateway’s MAC from its host, pings it, and sees where a TTL ends',
  (vlan) => {
    const { fabric } = world({ vlan, snat: false })
    const wrap = (frame: Uint8Array): Uint8Array => (vlan === null ? frame : tagged(vlan, frame))
    const unwrap = (each: Delivery): Delivery =>
      vlan === null
        ? each
        : { ...each, bytes: Uint8Array.of(...each.bytes.subarray(0, 12), ...each.bytes.subarray(16)) }
    const answers = fabric.sendOnWire('wire', wrap(whoHas(UPSTREAM, at(1, 1), GATEWAY)))
    const replies = onWire(answers).map(unwrap)
    expect(replies.map(({ host: h }) => h)).toEqual(['host2'])
    expect(parseArp(replies[0]?.bytes ?? new Uint8Array())).toMatchObject({
      op: 2,
      sha: gatewayMac,
      tha: mac(UPSTREAM),
    })
    const ping = (to: string, ttl = 64) =>
      onWire(fabric.sendOnWire('wire', wrap(echoFrame({ ...back(to), ttl }, 'request'))))
        .map(unwrap)
        .map(received)
    const sender = { where: wireAt(2), fromMac: gatewayMac, toMac: mac(UPSTREAM), to: address(SERVER) }
    expect(ping(GATEWAY)).toMatchObject([{ ...sender, from: address(GATEWAY), icmp: 0 }])
    expect(ping(at(2, 1))).toMatchObject([{ ...sender, from: address(at(2, 1)), icmp: 0 }])
    expect(ping(at(2, 2), 1)).toMatchObject([{ ...sender, from: address(GATEWAY), icmp: 11 }])
    expect(ping(at(2, 2), 2)).toEqual([])
  },
)

test('a TTL that runs out before translation is answered about what its sender sent', () => {
  const { fabric } = world()
  const [sent] = onWire(fabric.send('host1', 514, udpFrame(out(2, 2), [4000, 53])))
  expect(sent).toBeDefined()
  const answer = udpFrame({ ...back(GATEWAY), ttl: 1 }, [53, 4000])
  const [error] = onWire(fabric.sendOnWire('wire', answer))
  expect(error && received(error)).toMatchObject({ icmp: 11, from: address(GATEWAY), to: address(SERVER) })
  expect(error?.bytes.slice(14 + 20 + 8, 14 + 20 + 8 + 28)).toEqual(answer.slice(14, 14 + 28))
  // What is for the router itself is not forwarded, and so does not expire.
  const other = udpFrame({ ...back(GATEWAY), ttl: 1 }, [99, 99])
  expect(onWire(fabric.sendOnWire('wire', other)).map(received)).toMatchObject([{ icmp: 3 }])
})

test('inside, each hop of a way to outside shows, and the gateway’s address answers', () => {
  const { fabric } = world()
  const ping = (to: string, ttl: number) =>
    fabric.send('host1', 514, echoFrame({ ...out(2, 2, to), ttl }, 'request')).map(received)
  expect(ping(SERVER, 1)).toMatchObject([{ where: place(1, 2, 2), from: address(at(2, 1)), icmp: 11 }])
  expect(ping(SERVER, 2)).toMatchObject([{ where: wireAt(2), ttl: 1 }])
  expect(ping(GATEWAY, 64)).toMatchObject([{ where: place(1, 2, 2), from: address(GATEWAY), icmp: 0 }])
})

test('a port on the external network sees the gateway’s address, and its group judges that', () => {
  const allow = (prefix: string) =>
    groupRule(1, 1, { direction: 'ingress', protocol: 'icmp', remote_ip_prefix: prefix })
  for (const [prefix, passes] of [
    [`${GATEWAY}/32`, true],
    [`${at(2, 2)}/32`, false],
  ] as const) {
    for (const stands of [1, 2]) {
      const ports = [
        port(1, 9, { security_groups: [uuid('g', 1)] }),
        port(2, 2),
        gateway(2, 1),
        externalGateway(1, 5, 1),
      ]
      const more = { ports, securityGroups: [securityGroup(1)], securityGroupRules: [allow(prefix)] }
      const { fabric } = world({ stands, more })
      const got = inside(fabric.send('host1', 514, echoFrame(out(2, 2, at(1, 9)), 'request'))).map(received)
      expect(got).toMatchObject(passes ? [{ where: place(1, 1, 9), from: address(GATEWAY) }] : [])
      if (!passes) continue
      const ends = { fromMac: macOf(1, 9), toMac: gatewayMac, from: at(1, 9), to: GATEWAY }
      const answer = inside(fabric.send('host1', 265, echoFrame(ends, 'reply'))).map(received)
      expect(answer).toMatchObject([{ where: place(1, 2, 2), from: address(at(1, 9)), to: address(at(2, 2)) }])
    }
  }
})

test.each([1, 2])(
  'the machine’s group judges its own address, on both ways, where host %i stands for the router',
  (stands) => {
    const rule = groupRule(1, 1, { direction: 'egress', protocol: 'udp', remote_ip_prefix: `${SERVER}/32` })
    const ports = [port(2, 2, { security_groups: [uuid('g', 1)] }), gateway(2, 1), externalGateway(1, 5, 1)]
    const more = { ports, securityGroups: [securityGroup(1)], securityGroupRules: [rule] }
    const { fabric } = world({ stands, more })
    const send = (to: string) => onWire(fabric.send('host1', 514, udpFrame(out(2, 2, to), [4000, 53]))).map(received)
    expect(send('198.51.100.8')).toEqual([])
    expect(send(SERVER)).toMatchObject([{ where: wireAt(stands), from: address(GATEWAY) }])
    const answer = (from: number) => fabric.sendOnWire('wire', udpFrame(back(GATEWAY), [from, 4000])).map(received)
    expect(answer(53)).toMatchObject([{ where: place(1, 2, 2) }])
    expect(inside(fabric.sendOnWire('wire', udpFrame(back(at(2, 2)), [53, 4001])))).toEqual([])
  },
)

test('an overlay can be external as well, with its upstream router a machine there', () => {
  const upstream = port(1, 1, { port_security_enabled: false })
  const ports = [upstream, port(2, 2), port(2, 3), gateway(2, 1), externalGateway(1, 5, 1)]
  const vifs = [vif(3, 1, 1), vif(1, 2, 2), vif(2, 2, 3)]
  const { fabric } = world({ more: { networks: [network(1), network(2)], ports, vifs, neighbours: [] } })
  for (const [h, i] of [
    [1, 2],
    [2, 3],
  ] as const) {
    const sent = fabric.send(`host${h}`, 512 + i, echoFrame(out(2, i), 'request', i)).map(received)
    expect(sent).toMatchObject([{ where: place(3, 1, 1), fromMac: gatewayMac, from: address(GATEWAY), ttl: 63 }])
    const ends = { ...back(GATEWAY), fromMac: mac(upstream.mac_address) }
    const got = fabric.send('host3', 257, echoFrame(ends, 'reply', i)).map(received)
    expect(got).toMatchObject([{ where: place(h, 2, i), to: address(at(2, i)), ttl: 63 }])
  }
})

test('a VLAN behind the router: its machines on other hosts, and on the wire, use the same gateway', () => {
  const networks = [wired(1, 'wire'), wired(2, 'wire', 200)]
  const ports = [port(2, 2), port(2, 3), gateway(2, 1), externalGateway(1, 5, 1)]
  const vifs = [vif(1, 2, 2), vif(2, 2, 3)]
  const { fabric } = world({ more: { networks, ports, vifs } })
  const disguise = hostMac('host2', uuid('p', 513))
  const sent = onWire(fabric.send('host1', 514, echoFrame(out(2, 2), 'request')))
  expect(sent.map(({ host: h }) => h)).toEqual(['host1', 'host2'])
  expect(received(sent[1] as Delivery)).toMatchObject({ from: address(GATEWAY), toMac: mac(UPSTREAM), ttl: 63 })
  const got = inside(fabric.sendOnWire('wire', echoFrame(back(GATEWAY), 'reply'))).map(received)
  expect(got).toMatchObject([{ where: place(1, 2, 2), fromMac: macOf(2, 1) }])
  const stranger = '02:bb:bb:bb:bb:bb'
  const heard = onWire(fabric.sendOnWire('wire', tagged(200, whoHas(stranger, at(2, 99), at(2, 1)))))
  const [reply] = heard.map(({ bytes }) => parseArp(Uint8Array.of(...bytes.subarray(0, 12), ...bytes.subarray(16))))
  expect(reply).toMatchObject({ op: 2, sha: disguise, tha: mac(stranger) })
  const ping = echoFrame({ fromMac: mac(stranger), toMac: disguise, from: at(2, 99), to: SERVER }, 'request', 99)
  expect(onWire(fabric.sendOnWire('wire', tagged(200, ping))).map(received)).toMatchObject([
    { where: wireAt(2), from: address(GATEWAY), toMac: mac(UPSTREAM) },
  ])
})

test('what waits for a neighbour asks for it, and what a neighbour says is heard', () => {
  const { fabric, derivation } = world()
  const { visits } = fabric.follow('host1', { inPort: 514, bytes: echoFrame(out(2, 2, '192.0.2.9'), 'request') })
  const punts = visits.flatMap(({ trace }) => trace.packetIns)
  expect(punts).toHaveLength(1)
  expect(punts[0]?.metadata.get('reg4')).toBe(address(at(1, 77)))
  // Through the router of the wire all is known.
  expect(
    fabric
      .follow('host1', { inPort: 514, bytes: echoFrame(out(2, 2), 'request') })
      .visits.flatMap((v) => v.trace.packetIns),
  ).toEqual([])
  expect(derivation.reads.hostOfRouter(uuid('r', 1))).toBe('host2')
})

test('where two hosts think of each other as the router’s, packets do not go round', () => {
  const one = world({ stands: 1 })
  const two = world({ stands: 2 })
  // Host 1 has what host 2 should have, and the other way round.
  for (const [at1, from] of [
    ['host1', two],
    ['host2', one],
  ] as const) {
    for (const [, item] of one.deployment.itemsOf(at1)) one.fabric.switchOf(at1).remove(item.key)
    for (const [, item] of from.deployment.itemsOf(at1)) one.fabric.switchOf(at1).put(item)
  }
  const { visits } = one.fabric.follow('host1', { inPort: 514, bytes: echoFrame(out(2, 2), 'request') })
  expect(visits.length).toBeLessThan(4)
  expect(visits.flatMap(({ trace }) => trace.error ?? [])).toEqual([])
})

test('without a host that stands for it a router leads nowhere outside', () => {
  const { fabric } = world({ more: { routerHosts: {} } })
  expect(fabric.send('host1', 514, echoFrame(out(2, 2), 'request'))).toEqual([])
  expect(onWire(fabric.sendOnWire('wire', whoHas(UPSTREAM, at(1, 1), GATEWAY)))).toEqual([])
})
