// Random packets: the trace of the tables as bytes says what the model of the same tables, decoded and indexed, does.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { apps } from '../../apps/index.ts'
import { parseMatch } from '../../ofproto/fields/match-text.ts'
import { composeArrival } from '../model/compose.ts'
import { appController, Fabric } from '../model/fabric.ts'
import { ScannedSwitch } from '../model/scanned.ts'
import type { Rows } from '../model/testing.ts'
import { formatTrace } from '../model/trace.ts'
import { ipv4 } from '../address.ts'
import { gateway, host, network, port, router, subnet, vif } from '../testing.ts'
import { tracerOf } from './testing.ts'

const stations = [
  [1, 1, 2],
  [1, 1, 3],
  [2, 1, 4],
  [2, 2, 3],
  [3, 2, 4],
  [3, 1, 5],
] as const
const rows: Rows = {
  hosts: [host(1), host(2), host(3)],
  networks: [network(1), network(2)],
  subnets: [subnet(1), subnet(2)],
  ports: [
    ...stations.map(([h, n, i]) => port(n, i, { port_security_enabled: h !== 3 })),
    port(2, 9),
    gateway(1, 1),
    gateway(2, 1),
  ],
  routers: [router(1)],
  vifs: stations.map(([h, n, i]) => vif(h, n, i)),
}
const { fabric, derivation, deployment, tracer } = tracerOf(rows)

const scanned = new Fabric(appController(apps, derivation.reads), (stage) => derivation.tables.table(stage))
for (const { id, encapIp, uplinks } of rows.hosts) {
  const address = ipv4(encapIp) ?? 0
  const ofports = rows.vifs.filter((each) => each.host === id).map(({ ofport }) => ofport)
  scanned.addHost(id, address, ofports, new ScannedSwitch(address, () => deployment.itemsOf(id).values()))
  scanned.addUplinks(id, uplinks)
}

const macs = [...rows.ports.map(({ mac_address }) => mac_address), 'ff:ff:ff:ff:ff:ff', '01:00:5e:00:00:05']
const addresses = [...rows.ports.flatMap((each) => each.fixed_ips.map(({ ip_address }) => ip_address)), '10.0.1.77']
const kind = fc.constantFrom(
  (src: string, dst: string) => `udp,nw_src=${src},nw_dst=${dst},tp_src=68,tp_dst=67`,
  (src: string, dst: string) => `tcp,nw_src=${src},nw_dst=${dst},tp_dst=80`,
  (src: string, dst: string) => `icmp,nw_src=${src},nw_dst=${dst},icmp_type=8`,
  (src: string, dst: string) => `icmp,nw_src=${src},nw_dst=${dst},icmp_type=8,nw_ttl=1`,
  (src: string, dst: string) => `udp,nw_src=${src},nw_dst=${dst},nw_frag=later`,
  (src: string, dst: string) => `arp,arp_op=1,arp_spa=${src},arp_tpa=${dst}`,
  () => 'udp6,ipv6_src=fe80::ff:fe00:102,ipv6_dst=fe80::ff:fe00:103,tp_dst=53',
  () => 'dl_type=0x88cc',
)
const packet = fc
  .tuple(
    fc.constantFrom(...stations),
    fc.constantFrom(...macs),
    fc.option(fc.constantFrom(...addresses), { freq: 5 }),
    fc.constantFrom(...addresses),
    kind,
  )
  .map(([[h, n, i], to, spoofed, address, text]) => {
    const own = port(n, i)
    const source = spoofed ?? `10.0.${n}.${i}`
    const body = text(source, address)
    const hardware = body.startsWith('arp') ? `,arp_sha=${own.mac_address}` : ''
    const flow = `in_port=${n * 256 + i},dl_src=${own.mac_address},dl_dst=${to},${body}${hardware}`
    return { host: `host${h}`, flow }
  })

test('a lookup in bytes finds the flow that a lookup in decoded flows finds', () => {
  fc.assert(
    fc.property(packet, ({ host: at, flow }) => {
      const arrival = composeArrival(parseMatch(flow))
      const texts = (through: Fabric): string[] =>
        through.follow(at, arrival).visits.map((visit) => `${visit.host}: ${formatTrace(visit.trace)}`)
      expect(texts(scanned)).toEqual(texts(fabric))
    }),
    { numRuns: 500 },
  )
})

test('the outcome of a trace is what the fabric delivers', () => {
  fc.assert(
    fc.property(packet, ({ host: at, flow }) => {
      const arrival = composeArrival(parseMatch(flow))
      const places = fabric.follow(at, arrival).deliveries.map((each) => `${each.host}/${each.ofport}`)
      const others = places.filter((place) => place !== `${at}/${arrival.inPort}`)
      const { outcome } = tracer.trace({ host: at, flow, size: 0, state: 'new' })
      expect(outcome.kind).toBe(others.length > 0 ? 'delivered' : places.length > 0 ? 'answered' : 'dropped')
      expect(outcome.to.map((each) => `${each.host}/${each.ofport}`)).toEqual(others.length > 0 ? others : places)
      expect(outcome.stage === null).toBe(outcome.kind !== 'dropped')
    }),
    { numRuns: 300 },
  )
})
